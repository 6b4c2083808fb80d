"""What a recording does not keep: credentials never, data of patients only on request.

The tables of `rules` say what is found. What a field rule has shown to be a birth date or a name is looked for in later
texts too. Free text is not understood: a name that stands there in another form stays.
"""

from __future__ import annotations

import html
import re
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from console.traffic.exchange import RAW, READ, Exchange, Part
from console.traffic.pseudonyms import CREDENTIALS, Kind, Substitutes, find_dates, read_date
from console.traffic.rules import (
    CREDENTIAL_CALLS,
    CREDENTIAL_RULES,
    FIELD_RULES,
    NOT_NAMES,
    SECRET_ANSWERS,
    SECRETS,
    TEXT_RULES,
    Rule,
    meant,
)
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
    format_subscripts,
)

KNOWN_LIMIT = 10_000
"""Birth dates, and names, that are remembered; the oldest are forgotten."""

_LINE_ENDS = re.compile(r"[\r\n]")
_CARET_NAME = re.compile(r"(?<![\w'-])([^\W\d_][\w' -]{0,40})\^([^\W\d_][\w' -]{0,40})(?:\^[\w' -]{0,40}){0,3}")
#: What is dropped at the end of a message that was cut, where it has no lines: half a value may stand there.
_FRAYED = 64

_ENCIPHERED = frozenset({("XWB CREATE CONTEXT", 0)})

#: A node of a list that is only counted.
_INDEX = re.compile(rb"\d{1,3}")
#: The digits of the shortest number that tells a person anywhere, a FileMan date.
_SHORTEST = 7
NO_PROCEDURE = ""
#: Longer names are known by their beginning.
NAME_LIMIT = 255
#: What is kept of a connection's undecoded bytes, to find what stands in two exchanges.
_TAIL = 256

#: The cipher's rows for what is replaced: equal values are equal on the wire.
_ROWS = (1, 2)


@lru_cache(maxsize=1024)
def _rules_without_phi(rpc: str, part: Part, parameter: int | None) -> tuple[Rule, ...]:
    return tuple(rule for rule in CREDENTIAL_RULES if rule.holds(rpc, part, parameter))


@lru_cache(maxsize=1024)
def _rules(rpc: str, part: Part, parameter: int | None) -> tuple[Rule, ...]:
    return tuple(rule for rule in (*CREDENTIAL_RULES, *FIELD_RULES) if rule.holds(rpc, part, parameter))


@lru_cache(maxsize=1024)
def _secret_nodes(rpc: str) -> frozenset[bytes]:
    """Give the subscripts under which an action of ours takes what is secret."""
    name = meant(rpc)
    if not name.startswith("MAGB"):
        return frozenset()
    from rpcs.actions import ACTIONS  # who records the procedures of others need not load ours

    known = [action for action in ACTIONS.values() if meant(action.name) == name]
    return frozenset(format_subscripts((it.name,)) for action in known for it in action.takes.values() if it.secret)


@lru_cache(maxsize=1024)
def _is_personal(rpc: str) -> bool:
    return any(rule.pattern.search(rpc) for rule in TEXT_RULES)


@dataclass(slots=True)
class _Undecoded:
    """What is known of a connection's bytes that were not decoded: how they ended, and whether secrets may follow."""

    tail: str = ""
    secret: bool = False
    secret_answer: bool = False

    def take(self, sent: str) -> int:
        """Take what a client sent next; tell how much of it may be kept."""
        text = self.tail + sent
        clear = _LINE_ENDS.sub("", html.unescape(text))
        found = None if self.secret else SECRETS.search(text)
        kept = max(found.end() - len(self.tail), 0) if found else len(sent)
        if self.secret or (found is None and SECRETS.search(clear)):
            kept = 0
        self.secret = self.secret or kept < len(sent) or found is not None
        self.secret_answer = self.secret_answer or SECRET_ANSWERS.search(clear) is not None
        self.tail = text[-_TAIL:]
        return kept


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
        self._connections: OrderedDict[int, _Undecoded] = OrderedDict()

    def mask(self, exchange: Exchange) -> Exchange:
        """Give the exchange as it may be kept. Messages with other values have lengths that fit them."""
        asked: set[Kind] = set()
        answered: set[Kind] = set()
        wire, request, received = exchange.wire, exchange.request, exchange.received
        doubtful = request is not None and self._is_doubtful(request)
        if doubtful:
            exchange = replace(exchange, rpc=RAW, sent=self._withheld(exchange.sent, asked))
        if exchange.cut and received and exchange.answer is None:
            received = wire.mended(_trimmed(received)) if wire else _trimmed(received) + EOT
        if wire is None or (request is None and exchange.rpc != READ):
            sent, received = self._undecoded(replace(exchange, received=received), asked, answered)
        else:
            sent = self._request(wire, request, exchange.sent, asked) if request and not doubtful else exchange.sent
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

    def _is_doubtful(self, request: Request) -> bool:
        """Tell whether a name holds more than a name: codes typed after it, or a person."""
        rpc = meant(request.rpc)
        if rpc in CREDENTIAL_CALLS:
            return False
        return bool(SECRETS.search(request.rpc)) or (bool(self._text_rules) and _is_personal(request.rpc[:NAME_LIMIT]))

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
        if (self._text_rules or meant(rpc) in CREDENTIAL_CALLS) and not wire.is_plain(sent):
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
                    (self._subscript(rpc, number, key, done), self._node(rpc, number, key, value, done)) for key, value in pairs
                )
                return replace(parameter, pairs=tuple(masked))
        return parameter

    def _node(self, rpc: str, number: int, key: bytes, value: bytes, done: set[Kind]) -> bytes:
        if key not in _secret_nodes(rpc):
            return self._text(rpc, Part.REQUEST, number, value, done)
        done.add(Kind.TOKEN)
        return self._substitutes.of(Kind.TOKEN, value.decode(CHARSET)).encode(CHARSET, "replace")

    def _subscript(self, rpc: str, number: int, key: bytes, done: set[Kind]) -> bytes:
        if meant(rpc) in CREDENTIAL_CALLS:
            return key if _INDEX.fullmatch(key) else self._quoted(key, done)
        if key.startswith(b'"'):
            return self._text(rpc, Part.REQUEST, number, key, done)
        if len(key) < _SHORTEST and key.isdigit():
            return key
        return self._text(NO_PROCEDURE, Part.REQUEST, None, key, done)  # a node's number is no parameter, but may be an SSN

    def _quoted(self, key: bytes, done: set[Kind]) -> bytes:
        done.add(Kind.TOKEN)
        return b'"%b"' % self._substitutes.of(Kind.TOKEN, key.decode(CHARSET)).encode(CHARSET, "replace")

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
        for rule in self._rules(rpc[:NAME_LIMIT], part, parameter):
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

        What follows the name of a procedure that takes credentials is not kept, nor are the answers after one that gives
        them, up to the end of the connection's undecoded bytes: it is not known where they end.
        """
        wire, received = exchange.wire, exchange.received
        sent = (_trimmed(exchange.sent) if exchange.cut else exchange.sent).decode(CHARSET)
        before = self._connection(exchange.conn)
        kept = before.take(sent)
        if received and before.secret_answer:
            received = self._withheld(received, answered, Kind.TOKEN)
        elif received:
            received = self.answer(wire, exchange.rpc, received, answered) if wire else self._unread(wire, "", received, answered)
        if wire is not None and wire.escapes and self._text_rules:
            return self._withheld(exchange.sent, asked) if sent else b"", received
        request = self._text(exchange.rpc, Part.REQUEST, None, sent[:kept].encode(CHARSET), asked)
        if kept < len(sent):
            request += self._withheld(sent[kept:].encode(CHARSET), asked, Kind.TOKEN)
        return request, received

    def _connection(self, conn: int) -> _Undecoded:
        state = self._connections.setdefault(conn, _Undecoded())
        self._connections.move_to_end(conn)
        if len(self._connections) > KNOWN_LIMIT:
            self._connections.popitem(last=False)
        return state


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
