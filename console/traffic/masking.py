"""What a recording does not keep: credentials never, data of patients only on request.

Three tables say what is found. CREDENTIAL_RULES and FIELD_RULES know where a procedure has what; TEXT_RULES look for forms
anywhere. What a field rule has shown to be a birth date or a name is looked for in later texts too. Free text is not
understood: a name that stands there in another form stays.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import lru_cache

from console.traffic.exchange import READ, Exchange, Part
from console.traffic.pseudonyms import CREDENTIALS, Kind, Substitutes, find_dates, read_date
from console.traffic.wire import Request, Wire
from xwb import (
    CHARSET,
    EOT,
    CannotEncode,
    Cipher,
    GlobalParameter,
    ListParameter,
    Literal,
    Parameter,
    Reference,
)

KNOWN_LIMIT = 10_000
"""Birth dates, and names, that are remembered; the oldest are forgotten."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Where a value stands: `pattern`'s groups, in the texts of one part of a procedure's exchanges.

    `procedures` is a name, or the beginning of names with an asterisk. A request's texts are its literals and the values
    of its lists; `parameter` means one of them only (0 is the first). An answer is one text. With `enciphered` the group
    is in the sign-on cipher.
    """

    procedures: str
    part: Part
    kind: Kind
    pattern: re.Pattern[str]
    parameter: int | None = None
    enciphered: bool = False

    def holds(self, rpc: str, part: Part, parameter: int | None) -> bool:
        """Tell whether the rule is about such a text."""
        return self.part is part and self.parameter in (None, parameter) and fnmatchcase(rpc, self.procedures)


def _asked(procedures: str, kind: Kind, pattern: str, parameter: int | None = None, *, enciphered: bool = False) -> Rule:
    return Rule(procedures, Part.REQUEST, kind, re.compile(pattern, re.MULTILINE | re.DOTALL), parameter, enciphered)


def _answered(procedures: str, kind: Kind, pattern: str, *, enciphered: bool = False) -> Rule:
    return Rule(procedures, Part.ANSWER, kind, re.compile(pattern, re.MULTILINE), None, enciphered)


WHOLE, SOME_TEXT = r"\A(.+)\Z", r"([^\r\n]+)"
#: A token, in clear: of a sign-on that is handed on, or of another signer.
CLEAR_TOKEN = r"\A(?=~|<\?xml)(.+)\Z"
NO_TOKEN = r"\A(?!~|<\?xml)(.+)\Z"

CREDENTIAL_RULES = (
    _asked("XUS AV CODE", Kind.TOKEN, CLEAR_TOKEN, 0),
    _asked("XUS AV CODE", Kind.CODES, NO_TOKEN, 0, enciphered=True),
    _asked("XUS CVC", Kind.CHANGE, r"([^^]+)", 0, enciphered=True),
    _asked("XUS SIGNON SETUP", Kind.TOKEN, r"\A-\d+\^(.+)\Z", 0),
    _asked("XUS ESSO VALIDATE", Kind.TOKEN, WHOLE),
    _asked("XUS IAM BIND USER", Kind.TOKEN, WHOLE),
    _asked("XUS BSE TOKEN", Kind.TOKEN, WHOLE),
    _asked("XUS SET VISITOR", Kind.TOKEN, WHOLE),
    _asked("XUS KAAJEE LOGOUT", Kind.TOKEN, WHOLE),
    _answered("XUS GET TOKEN", Kind.TOKEN, r"\A(~[^\r\n]+)"),
    _answered("XUS GET CCOW TOKEN", Kind.TOKEN, r"\A(~[^\r\n]+)"),
    _answered("XUS CCOW VAULT PARAM", Kind.TOKEN, SOME_TEXT),
    _answered("XUS BSE TOKEN", Kind.TOKEN, SOME_TEXT),
    _answered("XUS SET VISITOR", Kind.TOKEN, r"^([^\s\d][^\r\n]*)"),
    _answered("MAG DICOM GET SERVICE INFO", Kind.CODES, WHOLE, enciphered=True),
    # The user and password of a network location.
    _answered("MAG GET NETLOC", Kind.CHANGE, r"^(?:[^^\r\n]*\^){4}([^^\r\n]+)"),
    _answered("MAG GET NETLOC", Kind.CHANGE, r"^(?:[^^\r\n]*\^){5}([^^\r\n]+)"),
    _answered("MAGGUSER2", Kind.CHANGE, r"\A[^\r\n]*\r\n([^^\r\n]+)"),
    _answered("MAGGUSER2", Kind.CHANGE, r"\A[^\r\n]*\r\n[^^\r\n]*\^([^^\r\n]+)"),
    _answered("MAG DICOM ROUTE NEXT FILE", Kind.CHANGE, r"\A1\r\n(?:[^\r\n]*\r\n){3}([^\r\n]+)"),
    _answered("MAG DICOM ROUTE NEXT FILE", Kind.CHANGE, r"\A1\r\n(?:[^\r\n]*\r\n){4}([^\r\n]+)"),
)
"""Codes and tokens; they are replaced always."""


def _piece(opcode: str, number: int, inner: str = r"([^|\r\n]+)") -> str:
    """Match one piece of a line `OPCODE|piece 1|piece 2...`."""
    return rf"^{opcode}\|(?:[^|\r\n]*\|){{{number - 1}}}{inner}"


def _line(number: int, inner: str) -> str:
    """Match in one line of an answer; the first is 1."""
    return rf"\A(?:[^\r\n]*\r\n){{{number - 1}}}{inner}"


IMAGING = "MAG DICOM IMAGE PROCESSING"
PATIENT = "MAG DICOM GET PATIENT"
A_DFN = r"\A(\d+)\Z"
DATE_TEXT = r"([^^|\r\n]+)"

DFN_FIRST = (
    *("MAG DICOM GET ICN", "MAG DICOM GET PATIENT", "MAG DICOM GET PATIENT VITALS", "MAG DICOM GET RAD ORDERS"),
    *("MAG RAD GET NEXT RPT BY PT", "MAG3 TELEREADER CONSULT LIST", "MAG3 TIU CREATE ADDENDUM", "MAG3 TIU MODIFY NOTE"),
    *("MAG3 TIU NEW", "MAG3 TIU SIGN RECORD", "MAG4 CP CONSULT TO TIUDA", "MAG4 CP GET REQUESTS", "MAG4 CP GET VISITS"),
    *("MAG4 PAT GET IMAGES", "MAGG PAT BS5 CHECK", "MAGG PAT EACH IMAGE", "MAGG PAT IMAGES", "MAGG PAT PHOTOS"),
    *("MAGGDGRPD", "MAGGSUR GET", "MAGJ GET TREATING LIST", "MAGJ PT INFO", "MAGN PATIENT HAS PHOTO"),
    *("MAGV RAD EXAM ORDER", "MAGV SERIES UID CHECK", "MAGV SOP UID CHECK", "MAGV STUDY UID CHECK"),
)
"""Procedures whose first parameter is a DFN."""

FIELD_RULES = (
    *(_asked(name, Kind.DFN, A_DFN, 0) for name in DFN_FIRST),
    _asked("MAG DOD GET STUDIES IEN", Kind.DFN, A_DFN, 1),
    _asked("MAGG QUE PATIENT", Kind.DFN, A_DFN, 1),
    _asked("MAGV IMPORT STUDY LOG STORE", Kind.DFN, A_DFN, 2),
    _asked("MAGGLAB START", Kind.DFN, A_DFN, 3),
    _asked("MAG DICOM GET DFN", Kind.ICN, r"\A(\d+(?:V\d+)?)\Z", 0),
    _asked("MAGV STUDY LOOKUP", Kind.BIRTH_DATE, WHOLE, 4),
    _asked("MAGV STUDY LOOKUP", Kind.ICN, WHOLE, 6),
    _answered("MAG DICOM GET DFN", Kind.DFN, r"\A(\d+)\s*\Z"),
    _answered(PATIENT, Kind.NAME, r"^DEM\^1\^([^^\r\n]+)"),
    _answered(PATIENT, Kind.IDENTIFIER, r"^DEM\^2\^([^^\r\n]+)"),
    _answered(PATIENT, Kind.IDENTIFIER, r"^DEM\^2\^[^^\r\n]*\^([^^\r\n]+)"),
    _answered(PATIENT, Kind.BIRTH_DATE, rf"^DEM\^3\^{DATE_TEXT}"),
    _answered(PATIENT, Kind.BIRTH_DATE, rf"^DEM\^3\^[^^\r\n]*\^{DATE_TEXT}"),
    _answered(PATIENT, Kind.IDENTIFIER, r"^ID\^[BP]ID\^([^^\r\n]+)"),
    _answered(PATIENT, Kind.ICN, r"^ICN\^1\^(\d+(?:V\d+)?)"),
    _answered(PATIENT, Kind.DFN, r"^Site-DFN\^\d+\^[^\r\n]*-(\d+)\r?$"),
    _answered("MAG DICOM GET BASIC IMAGE", Kind.DFN, r"^PATIENT\^(\d+)\^"),
    _answered("MAG DICOM GET NEXT QUEUE ENTRY", Kind.DFN, _line(11, r"(\d+)\r")),
    _answered("MAG DICOM LOOKUP RAD STUDY", Kind.DFN, _line(2, r"(\d+)\r")),
    _answered("MAG DICOM LOOKUP RAD STUDY", Kind.DFN, _line(10, r"(\d+)\r")),
    # What a gateway read in an image's header, and what the broker knows of the patient.
    _asked(IMAGING, Kind.IDENTIFIER, _piece("STORE1", 7)),
    _asked(IMAGING, Kind.NAME, _piece("STORE1", 8)),
    _answered(IMAGING, Kind.NAME, _piece(r"STORE\|0", 2)),
    _answered(IMAGING, Kind.IDENTIFIER, _piece(r"STORE\|0", 3, r"([^^|\r\n]+)")),
    _answered(IMAGING, Kind.IDENTIFIER, _piece(r"STORE\|0", 3, r"[^^|\r\n]*\^([^^|\r\n]+)")),
    _answered(IMAGING, Kind.BIRTH_DATE, _piece(r"STORE\|0", 4, DATE_TEXT)),
    _answered(IMAGING, Kind.BIRTH_DATE, _piece(r"STORE\|0", 4, rf"[^^|\r\n]*\^{DATE_TEXT}")),
    _answered(IMAGING, Kind.NAME, _piece(r"CORRECT\|FIXED", 7)),
    _answered(IMAGING, Kind.IDENTIFIER, _piece(r"CORRECT\|FIXED", 8)),
    # Header data: HEADER|UID|tag|VR|count|value.
    _asked(IMAGING, Kind.NAME, r"^HEADER\|[^|]*\|[^|]*\|PN\|[^|]*\|(.+)\Z"),
    _asked(IMAGING, Kind.IDENTIFIER, r"^HEADER\|[^|]*\|0010,(?:0020|1000)\|[^|]*\|[^|]*\|(.+)\Z"),
    _asked(IMAGING, Kind.BIRTH_DATE, r"^HEADER\|[^|]*\|0010,0030\|[^|]*\|[^|]*\|(.+)\Z"),
    # Fields of PATIENT (#2) as DDR gives them: file^IENs^field^internal^external.
    _answered("DDR GETS ENTRY DATA", Kind.NAME, r"^2\^\d+,\^\.01\^([^^\r\n]+)"),
    _answered("DDR GETS ENTRY DATA", Kind.BIRTH_DATE, rf"^2\^\d+,\^\.03\^{DATE_TEXT}"),
    _answered("DDR GETS ENTRY DATA", Kind.BIRTH_DATE, rf"^2\^\d+,\^\.03\^[^^\r\n]*\^{DATE_TEXT}"),
    _answered("DDR GETS ENTRY DATA", Kind.IDENTIFIER, r"^2\^\d+,\^\.09\^([^^\r\n]+)"),
    _answered("DDR GETS ENTRY DATA", Kind.ICN, r"^2\^\d+,\^991\.01\^(\d+)"),
    # Users have names too.
    _answered("XUS AV CODE", Kind.NAME, r"^Good (?:morning|afternoon|evening),? ([^\r\n]+)"),
    _answered("XUS GET USER INFO", Kind.NAME, _line(2, r"(?!unk\r)([^\r\n]+)")),
    _answered("XUS GET USER INFO", Kind.NAME, _line(3, r"(?!unk\r)([^\r\n]+)")),
)
"""Data of persons where a procedure is known to have it."""

#: A date after a word that says whose it is.
_DATE = (
    r"(\d{8}|\d{7}(?:\.\d{1,6})?|[A-Za-z]{3} {1,2}\d\d?, ?\d{4}|\d\d?[ -][A-Za-z]{3}[ -]\d{4}|\d\d?/\d\d?/\d{4}|\d{4}-\d\d-\d\d)"
)
_UPPER, _MIXED = r"[A-ZÀ-ÖØ-Þ][A-ZÀ-ÖØ-Þ'-]*", r"[A-ZÀ-Þ][a-zß-ÿ'-]+"
TEXT_RULES = (
    _answered("*", Kind.IDENTIFIER, r"STORE1\|(?:[^|\r\n]{0,255}\|){6}([^|\r\n]+)"),
    _answered("*", Kind.NAME, r"STORE1\|(?:[^|\r\n]{0,255}\|){7}([^|\r\n]+)"),
    _answered("*", Kind.ICN, r"(?<![\dA-Z])(\d{10}V\d{6})(?!\d)"),
    _answered("*", Kind.IDENTIFIER, r"(?<![\d-])(\d{3}-\d\d-\d{4}P?)(?![\d-])"),
    _answered("*", Kind.IDENTIFIER, r"(?<![\w.])(\d{9}P?)(?![\w.]|,-%)"),
    _answered("*", Kind.BIRTH_DATE, rf"(?:DOB|(?i:birth(?: ?date)?))[\s:^=]{{1,5}}{_DATE}"),
    _answered("*", Kind.NAME, rf"(?<![\w'-])({_UPPER}(?: {_UPPER})?,{_UPPER}(?: {_UPPER}\.?){{0,3}})(?![\w'])"),
    _answered("*", Kind.NAME, rf"(?<![\w'-])({_MIXED},{_MIXED}(?: {_MIXED}\.?){{0,2}})(?![\w'])"),
)
"""Data of persons told by its form, in any text of any procedure, of requests too."""

NOT_NAMES = re.compile(r"(?:[A-Z]{2}(?:,[A-Z]{2})+|FULL,DICOM|(?:SUN|MON|TUE|WED|THU|FRI|SAT)[A-Z]*,.*)\Z", re.IGNORECASE)
"""What has the form of a name and is none: lists of modalities, a router's flags, days of the week."""

_CARET_NAME = re.compile(r"(?<![\w'-])([^\W\d_][\w' -]{0,40})\^([^\W\d_][\w' -]{0,40})(?:\^[\w' -]{0,40}){0,3}")
#: In bytes that are not decoded, what follows one of these is not kept.
_SECRETS = re.compile(
    r"XUS (?:AV CODE|CVC|SIGNON SETUP|ESSO VALIDATE|IAM BIND USER|BSE TOKEN|SET VISITOR|KAAJEE LOGOUT)|~BSE~|SIGNON\^"
)
_SECRET_ANSWERS = re.compile(r"XUS (?:GET TOKEN|GET CCOW TOKEN|CCOW VAULT PARAM)|SERVICE INFO|NETLOC|MAGGUSER2|NEXT FILE|~BSE~")

#: What is dropped at the end of a message that was cut, where it has no lines: half a value may stand there.
_FRAYED = 64

_ENCIPHERED = frozenset({("XWB CREATE CONTEXT", 0)})


#: The cipher's rows for what is replaced: equal values are equal on the wire.
_ROWS = (1, 2)


@lru_cache(maxsize=1024)
def _rules_without_phi(rpc: str, part: Part, parameter: int | None) -> tuple[Rule, ...]:
    return tuple(rule for rule in CREDENTIAL_RULES if rule.holds(rpc, part, parameter))


@lru_cache(maxsize=1024)
def _rules(rpc: str, part: Part, parameter: int | None) -> tuple[Rule, ...]:
    return tuple(rule for rule in (*CREDENTIAL_RULES, *FIELD_RULES) if rule.holds(rpc, part, parameter))


@dataclass(frozen=True, slots=True)
class _Span:
    start: int
    end: int
    kind: Kind
    enciphered: bool = False


class Masker:
    """Replaces what a recording is not to keep.

    One instance serves one recording: it remembers the birth dates and names that it has seen.
    """

    def __init__(self, substitutes: Substitutes, cipher: Cipher, *, keep_phi: bool = False) -> None:
        self._substitutes = substitutes
        self._cipher = cipher
        self._rules = _rules_without_phi if keep_phi else _rules
        self._text_rules: Sequence[Rule] = () if keep_phi else TEXT_RULES
        self._dates: OrderedDict[str, None] = OrderedDict()
        self._names: OrderedDict[str, None] = OrderedDict()

    def mask(self, exchange: Exchange) -> Exchange:
        """Give the exchange as it may be kept. Messages with other values have lengths that fit them."""
        asked: set[Kind] = set()
        answered: set[Kind] = set()
        wire, request, received = exchange.wire, exchange.request, exchange.received
        if exchange.cut and received and exchange.answer is None:
            received = wire.mended(_trimmed(received)) if wire else _trimmed(received) + EOT
        if wire is None or (request is None and exchange.rpc != READ):
            sent, received = self._undecoded(replace(exchange, received=received), asked, answered)
        else:
            sent = self._request(wire, request, exchange.sent, asked) if request else exchange.sent
            received = self.answer(wire, exchange.rpc, received, answered) if received else received
        masked = [*((Part.REQUEST, kind.value) for kind in asked), *((Part.ANSWER, kind.value) for kind in answered)]
        return replace(exchange, sent=sent, received=received, masked=tuple(sorted(masked)))

    def answer(self, wire: Wire, rpc: str, received: bytes, done: set[Kind] | None = None) -> bytes:
        """Give an answer as it may be kept; `done` collects what was replaced."""
        kinds: set[Kind] = set() if done is None else done
        answer = wire.answer(received)
        if answer is None:
            return self._unread(wire, rpc, received, kinds)
        texts = [self._text(rpc, Part.ANSWER, None, text, kinds) for text in answer.texts]
        try:
            return answer.again(texts) if kinds else received
        except CannotEncode:
            return self._withheld(received, kinds)

    def _unread(self, wire: Wire | None, rpc: str, received: bytes, done: set[Kind]) -> bytes:
        """Treat an answer that is not decoded as text; where text is not written as it is meant nothing is kept of it."""
        if wire is not None and wire.escapes and self._text_rules:
            return self._withheld(received, done)
        return self._text(rpc, Part.ANSWER, None, received, done)

    def _withheld(self, message: bytes, done: set[Kind], why: Kind = Kind.WITHHELD) -> bytes:
        done.add(why)
        return self._substitutes.of(Kind.WITHHELD, message.decode(CHARSET)).encode(CHARSET)

    def _request(self, wire: Wire, request: Request, sent: bytes, done: set[Kind]) -> bytes:
        rpc = request.rpc
        parameters = [self._parameter(rpc, number, it, done) for number, it in enumerate(request.parameters)]
        if (self._text_rules or _SECRETS.search(rpc)) and not wire.is_plain(sent):
            return self._withheld(sent, done)
        try:
            return wire.request_again(sent, parameters) if done else sent
        except CannotEncode:  # a substitute does not fit: nothing of the request is kept
            return self._withheld(sent, done)

    def _parameter(self, rpc: str, number: int, parameter: Parameter, done: set[Kind]) -> Parameter:
        match parameter:
            case Literal(value):
                return Literal(self._text(rpc, Part.REQUEST, number, value, done))
            case Reference(value):
                return Reference(self._text(rpc, Part.REQUEST, number, value, done))
            case ListParameter(pairs) | GlobalParameter(pairs):
                masked = (
                    (self._subscript(rpc, number, key, done), self._text(rpc, Part.REQUEST, number, value, done))
                    for key, value in pairs
                )
                return replace(parameter, pairs=tuple(masked))
        return parameter

    def _subscript(self, rpc: str, number: int, key: bytes, done: set[Kind]) -> bytes:
        return self._text(rpc, Part.REQUEST, number, key, done) if key.startswith(b'"') else key

    def _text(self, rpc: str, part: Part, parameter: int | None, value: bytes, done: set[Kind]) -> bytes:
        if (rpc, parameter) in _ENCIPHERED:
            return value
        text = value.decode(CHARSET)
        spans = _chosen(self._spans(rpc, part, parameter, text), len(text))
        if not spans:
            return value
        pieces, at = [], 0
        for span in spans:
            pieces += [text[at : span.start], self._substitute(span, text[span.start : span.end])]
            done.add(span.kind)
            at = span.end
        return "".join([*pieces, text[at:]]).encode(CHARSET, "replace")

    def _substitute(self, span: _Span, value: str) -> str:
        if not span.enciphered:
            return self._substitutes.of(span.kind, value)
        wire = value.encode(CHARSET, "replace")
        clear = self._cipher.decipher(wire).decode(CHARSET)
        made = self._substitutes.of(span.kind, clear).encode(CHARSET, "replace")
        return self._cipher.encipher(made, *_ROWS).decode(CHARSET)

    def _spans(self, rpc: str, part: Part, parameter: int | None, text: str) -> Iterator[_Span]:
        """Find what is to be replaced, the surest first."""
        for rule in self._rules(rpc, part, parameter):
            for match in rule.pattern.finditer(text):
                yield self._seen(rule.kind, match, rule.enciphered)
        for rule in self._text_rules:
            for match in rule.pattern.finditer(text):
                if rule.kind is not Kind.NAME or not NOT_NAMES.match(match[1]):
                    yield self._seen(rule.kind, match)
        if self._text_rules:
            yield from self._known(text)

    def _seen(self, kind: Kind, match: re.Match[str], enciphered: bool = False) -> _Span:
        value = match[1]
        if kind is Kind.BIRTH_DATE and (found := read_date(value)):
            _remember(self._dates, found.key)
        elif kind is Kind.NAME and (key := _name_key(value)):
            _remember(self._names, key)
        return _Span(*match.span(1), kind, enciphered)

    def _known(self, text: str) -> Iterator[_Span]:
        """Find birth dates and names that were seen before, in whatever form they stand."""
        if self._dates:
            for found in find_dates(text):
                if found.key in self._dates:
                    yield _Span(*found.match.span(), Kind.BIRTH_DATE)
        if self._names:
            for match in _CARET_NAME.finditer(text):
                if f"{match[1]},{match[2].split(' ')[0]}".upper() in self._names:
                    yield _Span(*match.span(), Kind.NAME)

    def _undecoded(self, exchange: Exchange, asked: set[Kind], answered: set[Kind]) -> tuple[bytes, bytes | None]:
        """Treat bytes of another transport, of a broken message or of one that was cut as text.

        What follows the name of a procedure that takes credentials is not kept, nor is the answer of one that gives them.
        """
        wire, received = exchange.wire, exchange.received
        sent = (_trimmed(exchange.sent) if exchange.cut else exchange.sent).decode(CHARSET)
        if received and _SECRET_ANSWERS.search(sent):
            received = self._withheld(received, answered, Kind.TOKEN)
        elif received:
            received = self.answer(wire, exchange.rpc, received, answered) if wire else self._unread(wire, "", received, answered)
        if wire is not None and wire.escapes and self._text_rules:
            return self._withheld(exchange.sent, asked) if sent else b"", received
        secret = _SECRETS.search(sent)
        kept = sent[: secret.end()] if secret else sent
        request = self._text(exchange.rpc, Part.REQUEST, None, kept.encode(CHARSET), asked)
        if secret and secret.end() < len(sent):
            request += self._withheld(sent[secret.end() :].encode(CHARSET), asked, Kind.TOKEN)
        return request, received


def _chosen(spans: Iterable[_Span], length: int) -> list[_Span]:
    """Keep what does not overlap with anything found before it, in the order of the text."""
    kept: list[_Span] = []
    covered = bytearray(length)
    for span in spans:
        if span.start < span.end and covered.find(1, span.start, span.end) < 0:
            covered[span.start : span.end] = b"\1" * (span.end - span.start)
            kept.append(span)
    return sorted(kept, key=lambda span: span.start)


def _trimmed(data: bytes) -> bytes:
    """Take off the end of what was cut: the line that is not whole, or where there are no lines some bytes."""
    end = data.rfind(b"\n") + 1
    return data[:end] if end else data[:-_FRAYED]


def _name_key(value: str) -> str:
    """Name a person by last name and first given name, the same in the forms LAST,FIRST and LAST^FIRST."""
    last, _, rest = value.replace("^", ",").partition(",")
    first = rest.replace(",", " ").strip().split(" ")[0]
    return f"{last},{first}".upper() if last and first else ""


def _remember(seen: OrderedDict[str, None], key: str) -> None:
    seen[key] = None
    seen.move_to_end(key)
    if len(seen) > KNOWN_LIMIT:
        seen.popitem(last=False)


def replaced_credentials(exchange: Exchange) -> bool:
    """Tell whether a request had credentials that are masked."""
    return not exchange.replaced(Part.REQUEST).isdisjoint(CREDENTIALS)
