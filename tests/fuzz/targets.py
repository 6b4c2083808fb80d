"""The targets: each takes bytes, and fails when a parser does what it must not.

A parser raises its package's own errors only, holds no more than its bound, and gives the same events however its input is
cut. A target's AssertionError, or any other exception that comes out of it, is a finding.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import accumulate, pairwise
from pathlib import Path
from random import Random
from typing import Any

from broker.hl7 import Hl7Error, acknowledge, parse
from broker.proxy_header import MOST_ADDED, BadProxyHeader, read_proxy_header
from console.media import MediaError, encode_directory
from console.media.directory import decode_directory
from dul import RequestRefused
from fileman import FileManError, parse_site
from gateway_client import DictionaryError
from gateway_client.archive.entities import IDENTIFIER_SYNTAXES, ApplicationEntity, EntityRole
from gateway_client.archive.identifiers import Encoder, decode_identifier
from gateway_client.archive.levels import model_of
from gateway_client.archive.questions import MOST_KEYS, read_question
from gateway_client.commitment.transaction import (
    MOST_REFERENCES,
    TRANSFER_SYNTAXES,
    CommitmentRequest,
    CommitmentResult,
    Reference,
    decode_request,
    decode_result,
    encode_request,
    encode_result,
)
from gateway_client.dictionaries.entries import decode, read_lines, write_lines
from gateway_client.dictionaries.instrument import read_instruments
from gateway_client.dictionaries.modality import read_modalities
from gateway_client.dictionaries.user_application import read_user_applications
from gateway_client.dictionaries.worklist import read_worklists
from gateway_client.errors import BadCommitment, BadIdentifier
from rules import RuleError, decompile, for_elements, from_elements, parse_rule_file, resolve, to_elements
from taskman import BadFrequency, parse_frequency
from tests.fuzz import corpus, dicomweb, syslog, worklist
from tests.fuzz.mutate import cuts
from tests.fuzz.upper_layer import CORPUS as UPPER_LAYER
from tests.fuzz.upper_layer import upper_layer
from xwb import (
    EOT,
    AnswerBroken,
    BSEAnswerDecoder,
    BSEDecoder,
    CannotEncode,
    CaretAnswerDecoder,
    CaretDecoder,
    Checked,
    Cipher,
    GlobalParameter,
    ListParameter,
    Literal,
    LocalArray,
    M2MAnswerDecoder,
    M2MDecoder,
    NSDecoder,
    OldConnectDecoder,
    OldDecoder,
    ResponseDecoder,
    Violated,
    XWBError,
    encode_m2m_call_again,
    is_plain_answer,
    is_plain_call,
    parse_subscripts,
)
from xwb.m2m import parse_request

#: The bound that decoders get here: low, so that inputs pass it.
LIMIT = 2000
#: What a frequency's runs follow: the day before a leap day, on which months end early.
_LAST_RUN = datetime.fromisoformat("2024-02-28T12:00")

Target = Callable[[bytes], None]


@dataclass(frozen=True)
class Fuzzed:
    """A target and what its inputs are made from."""

    target: Target
    corpus: Callable[[], Sequence[bytes]]


def _feed(decoder: Any, pieces: Sequence[bytes]) -> list[object]:
    """Give every event, up to the one that ends all; nothing may be held over the bound."""
    events: list[object] = []
    for piece in pieces:
        decoder.receive_data(piece)
        while (event := decoder.next_event()) is not None:
            events.append(event)
            _use(event)
            if _is_the_last(event):
                decoder.receive_data(b"more")
                assert decoder.next_event() is None, "a decoder went on after a violation"
                assert decoder.held == 0, "a decoder holds bytes after a violation"
                return events
        assert decoder.held <= LIMIT, f"{decoder.held} bytes are held, over the bound of {LIMIT}"
        assert getattr(decoder, "retained", 0) <= LIMIT, "more bytes are in memory than the bound allows"
    if (silence := getattr(decoder, "receive_silence", None)) is not None:
        events.append(silence())
    return events


def _same_in_any_cut(make: Callable[[], Any]) -> Target:
    """Make the target of a decoder whose events do not depend on the cuts."""

    def target(data: bytes) -> None:
        random = Random(data)
        whole = _feed(make(), [data[start : start + 200] for start in range(0, len(data), 200)])
        cut = _feed(make(), cuts(data, random))
        assert _without_reasons(whole) == _without_reasons(cut), f"{whole} became {cut}"

    return target


def _is_the_last(event: object) -> bool:
    return isinstance(event, Violated | AnswerBroken) or getattr(event, "fatal", False)


def _without_reasons(events: list[object]) -> list[object]:
    """Leave the words of violations aside: of several bounds one is passed at one byte or the next, as the cut has it."""
    return [Violated if _is_the_last(event) else event for event in events]


def _use(event: Any) -> None:
    """Do with an event what its users do: build the arrays of its lists, look for an M error."""
    for parameter in getattr(event, "parameters", ()):
        if isinstance(parameter, ListParameter | GlobalParameter):
            with contextlib.suppress(XWBError):
                parameter.array()
    assert getattr(event, "m_error", None) is None or len(event.m_error) == 2
    assert not (getattr(event, "lines", ()) and getattr(event, "error", b"")), "an answer is a result and an error"


def _bounded(make: Callable[[], Any]) -> Target:
    """Make the target of a decoder whose events depend on what has come so far."""

    def target(data: bytes) -> None:
        decoder = make()
        for piece in cuts(data, Random(data)):
            decoder.receive_data(piece)
            while (event := decoder.next_event()) is not None:
                _use(event)
            assert decoder.held <= LIMIT

    return target


def _allowing(parse: Callable[[bytes], object], *errors: type[Exception]) -> Target:
    """Make the target of a function that may raise some errors."""

    def target(data: bytes) -> None:
        with contextlib.suppress(errors):
            parse(data)

    return target


def _checked(_kind: Checked, text: bytes) -> str | None:
    try:
        parse_subscripts(text)
    except XWBError as error:
        return str(error)
    return None


def _array(data: bytes) -> None:
    pairs = [tuple((line + b"=").split(b"=")[:2]) for line in data.split(b"\n")]
    array = LocalArray.from_pairs(pairs)
    assert LocalArray.from_pairs(array.to_pairs()).nodes == array.nodes


def _cipher(data: bytes) -> None:
    cipher = Cipher.standard()
    cipher.decipher(data)
    assert cipher.decipher(cipher.encipher(data, 3, 8)) == data


def _again(data: bytes) -> None:
    """Write a document again: as it is, and with other values, which are read back or refused."""
    message = data.partition(EOT)[0] + EOT
    parameters = parse_request(message[:-1]).parameters
    assert encode_m2m_call_again(message, parameters) == message, "a document with its own parameters is another"
    is_plain_call(message)
    is_plain_answer(message)
    changed = [replace(it, value=it.value + b"<&>") if isinstance(it, Literal) else it for it in parameters]
    assert parse_request(encode_m2m_call_again(message, changed)[:-1]).parameters == tuple(changed)


def _proxy_header(data: bytes) -> None:
    """Read a header as it comes in: what is refused stays refused, what is whole stays as it is, nothing endless is wanted."""
    found: object = None
    for end in accumulate(map(len, cuts(data, Random(data)))):
        try:
            header: object = read_proxy_header(data[:end])
        except BadProxyHeader:
            header = BadProxyHeader
        assert found is None or header == found, f"{found} became {header} with more bytes"
        assert header is not None or end < 16 + MOST_ADDED, "more bytes are wanted than the bound allows"
        found = header


#: Requests and results, of which the first byte of an input says how the rest is read.
COMMITMENTS = tuple(
    bytes([number]) + data
    for number, syntax in enumerate(TRANSFER_SYNTAXES)
    for data in (
        encode_request(CommitmentRequest("2.25.1", (Reference("1.2", "1.2.3"),) * 3), syntax),
        encode_result(CommitmentResult("2.25.1", (Reference("1.2", "1.2.3"),), ((Reference("1.2", "1.2.4"), 0x0112),)), syntax),
    )
)


def _commitment(data: bytes) -> None:
    """Read the data sets of storage commitment: what is read can be written."""
    syntax = TRANSFER_SYNTAXES[data[0] % len(TRANSFER_SYNTAXES)] if data else TRANSFER_SYNTAXES[0]
    with contextlib.suppress(BadCommitment):
        request = decode_request(data[1:], syntax)
        assert len(request.references) <= MOST_REFERENCES
        encode_request(request, syntax)
    with contextlib.suppress(BadCommitment):
        encode_result(decode_result(data[1:], syntax), syntax)


_ENTITY = ApplicationEntity(EntityRole.LONG_TERM, "OURS")
#: Questions, of which the first byte of an input says how the rest is read.
IDENTIFIERS = tuple(
    bytes([number]) + Encoder(syntax).encode(keys)
    for number, syntax in enumerate(IDENTIFIER_SYNTAXES)
    for keys in (
        {"00080052": ["STUDY"], "00100010": ["DOE^J*"], "0020000D": ["1.2", "1.3"], "00080020": ["20200101-"]},
        {"00080052": ["SERIES"], "0020000D": ["1.2"], "00400275": [{"00401001": ["RP1"]}], "00080054": []},
        {"00080052": ["IMAGE"], "00290010": ["SIEMENS MEDCOM HEADER"], "00291053": [], "00280010": ["512"]},
    )
)


def _identifier(data: bytes) -> None:
    """Read an identifier in a transfer syntax that its first byte chooses, and make a question of it."""
    syntax = IDENTIFIER_SYNTAXES[data[0] % len(IDENTIFIER_SYNTAXES)] if data else IDENTIFIER_SYNTAXES[0]
    with contextlib.suppress(BadIdentifier, RequestRefused):
        identifier = decode_identifier(data[1:], syntax)
        question = read_question(identifier, model_of("1.2.840.10008.5.1.4.1.2.1.1"), _ENTITY)
        assert len(question.request["keys"]) <= MOST_KEYS
        json.dumps(question.request)


def _hl7(data: bytes) -> None:
    """Read a message: what has a header can be acknowledged."""
    message = parse(data)
    assert acknowledge(message, "AE", _LAST_RUN, message.fault)


def _site(data: bytes) -> None:
    parse_site(data.decode("utf-8", "replace"))


def _rules(data: bytes) -> None:
    """Read a rule file: what is read is written and read again; its rules are said in elements, or refused with reasons."""
    file = parse_rule_file(data.decode("utf-8", "replace"))
    assert parse_rule_file(decompile(file)) == file, "rules read again are others"
    rules = for_elements(resolve(file))
    pairs = [(str(number), element) for number, element in enumerate(to_elements(rules), start=1)]
    assert from_elements(pairs).rules == rules, "rules are others as elements"


def _elements(data: bytes) -> None:
    lines = data.decode("utf-8", "replace").split("\n")
    from_elements([(str(number), line) for number, line in enumerate(lines, start=1)])


def _dictionaries(data: bytes) -> None:
    """Read a dictionary as each of them: what is read is written and read again."""
    lines = read_lines(decode(data), "FUZZ.DIC")
    assert len({line.where for line in lines}) == len(lines), "two lines stand in one place"
    for read in (read_instruments, read_modalities, read_worklists):
        with contextlib.suppress(DictionaryError):
            records = [entry.record for entry in read(lines)]
            again = read(read_lines(write_lines(record.fields for record in records), "FUZZ.DIC"))
            assert [entry.record for entry in again] == records, "records read again are others"
    with contextlib.suppress(DictionaryError):
        applications = [entry.record for entry in read_user_applications(lines)]
        text = write_lines(fields for application in applications for fields in application.lines)
        assert [entry.record for entry in read_user_applications(read_lines(text, "FUZZ.DIC"))] == applications


def _frequency(data: bytes) -> None:
    frequency = parse_frequency(data.decode("utf-8", "replace"))
    assert frequency.text, "a frequency says nothing"
    runs = [_LAST_RUN, *frequency.preview(_LAST_RUN, 5)]
    assert all(earlier < later for earlier, later in pairwise(runs)), f"runs go back: {runs}"
    assert all(frequency.future(_LAST_RUN, run) == later for run, later in pairwise(runs)), "a step was left out"


def _directory(data: bytes) -> None:
    directory = decode_directory(data, Path("DICOMDIR"))
    again = decode_directory(encode_directory(directory), Path("DICOMDIR"))
    names = [[record.file_id for record in it.records()] for it in (directory, again)]
    assert names[0] == names[1], "files are others when a DICOMDIR is written anew"


TARGETS: dict[str, Fuzzed] = {
    "ns": Fuzzed(_same_in_any_cut(lambda: NSDecoder(LIMIT, 200)), lambda: corpus.recorded("sent_hex")),
    "ns-checked": Fuzzed(_same_in_any_cut(lambda: NSDecoder(LIMIT, 200, _checked)), lambda: corpus.recorded("sent_hex")),
    "responses": Fuzzed(_bounded(lambda: ResponseDecoder(LIMIT)), lambda: corpus.recorded("received_hex")),
    "caret": Fuzzed(_same_in_any_cut(lambda: CaretDecoder(500, 50, LIMIT)), lambda: corpus.TEXT_REQUESTS),
    "caret-answers": Fuzzed(_same_in_any_cut(lambda: CaretAnswerDecoder(LIMIT)), lambda: corpus.TEXT_ANSWERS),
    "old": Fuzzed(_same_in_any_cut(lambda: OldDecoder(LIMIT, 20)), lambda: corpus.OLD_REQUESTS),
    "old-connect": Fuzzed(_same_in_any_cut(lambda: OldConnectDecoder(LIMIT)), lambda: corpus.OLD_CONNECTS),
    "bse": Fuzzed(_same_in_any_cut(BSEDecoder), lambda: corpus.BSE_QUERIES),
    "bse-answers": Fuzzed(_same_in_any_cut(BSEAnswerDecoder), lambda: corpus.BSE_ANSWERS),
    "m2m": Fuzzed(_same_in_any_cut(lambda: M2MDecoder(LIMIT, 50)), lambda: corpus.m2m("sent_hex")),
    "m2m-answers": Fuzzed(_bounded(lambda: M2MAnswerDecoder(LIMIT)), lambda: corpus.m2m("received_hex")),
    "m2m-again": Fuzzed(_allowing(_again, CannotEncode), lambda: corpus.m2m("sent_hex")),
    "proxy-headers": Fuzzed(_proxy_header, lambda: corpus.PROXY_HEADERS),
    "upper-layer": Fuzzed(upper_layer, lambda: UPPER_LAYER),
    "commitment": Fuzzed(_commitment, lambda: COMMITMENTS),
    "identifiers": Fuzzed(_identifier, lambda: IDENTIFIERS),
    "hl7": Fuzzed(_allowing(_hl7, Hl7Error), lambda: corpus.HL7_MESSAGES),
    "orders": Fuzzed(worklist.orders, lambda: worklist.ORDERS),
    "tables": Fuzzed(worklist.tables, lambda: worklist.TABLES),
    "multipart": Fuzzed(dicomweb.multipart, lambda: dicomweb.BODIES),
    "accept": Fuzzed(dicomweb.accept, lambda: dicomweb.ACCEPTS),
    "web-queries": Fuzzed(dicomweb.question, lambda: dicomweb.QUERIES),
    "syslog": Fuzzed(syslog.streams, lambda: syslog.STREAMS),
    "subscripts": Fuzzed(_allowing(parse_subscripts, XWBError), lambda: corpus.SUBSCRIPTS),
    "arrays": Fuzzed(_allowing(_array, XWBError), lambda: (b'1=a\n2=b\n"X",1=c', b'"A"=\n3=\x01\n-1=z\n1.5=y')),
    "cipher": Fuzzed(_cipher, lambda: (b"FAKEDOC1;1DOC!@#$", b"", b"^", b"\x80\xff")),
    "site": Fuzzed(_allowing(_site, FileManError), corpus.site_files),
    "rules": Fuzzed(_allowing(_rules, RuleError), corpus.rule_files),
    "elements": Fuzzed(_elements, corpus.elements),
    "dictionaries": Fuzzed(_dictionaries, lambda: corpus.DICTIONARIES),
    "directories": Fuzzed(_allowing(_directory, MediaError), corpus.directories),
    "frequencies": Fuzzed(_allowing(_frequency, BadFrequency), lambda: corpus.FREQUENCIES),
}
