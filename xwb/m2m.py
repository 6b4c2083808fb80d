r"""The M-to-M broker's documents, which VA DICOM gateways speak: requests and answers in XML, each ended by EOT.

Requests are read as VistA's parser reads them (`EN^XWBRMX`): what stands before a fault in the XML counts, line feeds in
values are lost, an empty value is no value. Answers carry their lines in one CDATA section, in which markup characters
and square brackets are entities all the same (`CHARCHK^XWBUTL`) and control characters are left out.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any
from xml.parsers import expat

from xwb.array import LocalArray, format_subscripts, parse_subscripts
from xwb.errors import CannotEncode
from xwb.events import EOT, Violated
from xwb.parameters import Empty, GlobalParameter, ListParameter, Literal, Parameter, Reference
from xwb.results import NODE_LIMIT, ResultType, Value

HEADER = b'<?xml version="1.0" encoding="utf-8" ?>'
CLOSED = HEADER + b'<vistalink type="Gov.VA.Med.Foundations.CloseSocketResponse"><results success="1" /></vistalink>' + EOT
CLOSE = b"<?xml version='1.0' ?><vistalink type='Gov.VA.Med.Foundations.CloseSocketRequest' ></vistalink>" + EOT
RPC_MODE = "RPCBroker"
LIMIT_BYTES = 32 * 1024 * 1024
LIMIT_ITEMS = 500_000

_REQUEST = (
    HEADER + b'<vistalink type="Gov.VA.Med.RPC.Request" mode="RPCBroker" ><rpc uri="%b" method="" >%b</rpc></vistalink>' + EOT
)
_RESPONSE = HEADER + b'<vistalink type="Gov.VA.Med.RPC.Response" ><results type="%b" ><![CDATA[%b]]></results></vistalink>' + EOT
_RPC_ERROR = (
    HEADER
    + b'<vistalink type="VA.RPC.Error" ><errors><error code="%d" uri="%b" ><msg>%b</msg></error></errors></vistalink>'
    + EOT
)
_ERROR = HEADER + b'<vistalink type="%b" ><errors><error type="%b" code="%d" ><msg>%b</msg></error></errors></vistalink>' + EOT

_ENTITIES = {b"&": b"&amp;", b"<": b"&lt;", b">": b"&gt;", b"'": b"&apos;", b'"': b"&quot;", b"[": b"&#91;", b"]": b"&#93;"}
_CHARACTERS = {entity: character for character, entity in _ENTITIES.items()}
_MARKUP = re.compile(rb"[&<>'\"\[\]]")
_ENTITY = re.compile(b"|".join(map(re.escape, _CHARACTERS)))
_CONTROLS = bytes(range(1, 32))
_CONTROL = re.compile(rb"[\x01-\x1f]")


class Document(Enum):
    """What a client's document asks for, by the type of its `vistalink` element."""

    CALL = "Gov.VA.Med.RPC.Request"
    CLOSE = "Gov.VA.Med.Foundations.CloseSocketRequest"
    OTHER = "anything else"


class Trouble(Enum):
    """The errors that are not a procedure's: the answer's type, the error's type, its code."""

    SYSTEM = (b"Gov.VA.Med.BrokerM2M.Errors", b"system", 1)
    SECURITY = (b"Gov.VA.Med.Foundations.Security.Errors", b"security", 2)
    REQUEST_MANAGER = (b"Gov.VA.Med.Foundations.Errors", b"request manager", 1)


@dataclass(frozen=True, slots=True)
class M2MRequest:
    """A document came. `fault` says why it cannot be carried out: an argument that M could not have."""

    document: Document
    name: bytes | None = None
    parameters: tuple[Parameter, ...] = ()
    mode: str = RPC_MODE
    fault: str = ""


def escape(value: bytes) -> bytes:
    """Write a value of an answer: entities for markup, control characters left out."""
    return _MARKUP.sub(lambda match: _ENTITIES[match[0]], value).translate(None, _CONTROLS)


def unescape(value: bytes) -> bytes:
    """Read what `escape` wrote."""
    return _ENTITY.sub(lambda match: _CHARACTERS[match[0]], value)


class _Enough(Exception):
    """The parser has seen what it must not, or enough."""


class _Reader:
    """Collects what a request says while expat reads it."""

    def __init__(self, limit_items: int) -> None:
        self.document = Document.OTHER
        self.mode = RPC_MODE
        self.name: bytes | None = None
        self.fault = ""
        self.parameters: dict[int, tuple[str, list[bytes], dict[bytes, list[bytes]]]] = {}
        self._texts: list[bytes] | None = None
        self._items = limit_items
        self._started = False

    def start(self, element: str, attributes: dict[str, str]) -> None:
        if not self._started and element == "vistalink":
            self._started = True
            self.document = next((kind for kind in Document if kind.value == attributes.get("type")), Document.OTHER)
            self.mode = attributes.get("mode", RPC_MODE)
        elif self.document is Document.CALL and element in ("rpc", "param", "index"):
            getattr(self, f"_{element}")(attributes)

    def _rpc(self, attributes: dict[str, str]) -> None:
        self.name = _bytes(attributes.get("uri", ""))

    def _param(self, attributes: dict[str, str]) -> None:
        position = attributes.get("position", "")
        if not (position.isdecimal() and len(position) < 6):
            self._give_up(f"a parameter has no position, but {position[:30]!r}")
        self._count()
        self._texts = []
        self.parameters[int(position)] = (attributes.get("type", ""), self._texts, {})

    def _index(self, attributes: dict[str, str]) -> None:
        if not self.parameters or self._texts is None:
            return
        name = _bytes(attributes.get("name", ""))
        if not name:
            self._give_up("an array's index has no name")
        self._count()
        _kind, _texts, nodes = next(reversed(self.parameters.values()))
        self._texts = nodes.setdefault(name, [])
        self._texts.clear()

    def text(self, text: str) -> None:
        if self._texts is not None:
            self._texts.append(_bytes(text))

    def end(self, element: str) -> None:
        if element == "param":
            self._texts = None

    def _count(self) -> None:
        self._items -= 1
        if self._items < 0:
            self._give_up("there are too many parameters and nodes")

    def _give_up(self, fault: str) -> None:
        self.fault = fault
        raise _Enough

    def doctype(self, *_declared: Any) -> None:
        """Refuse a document with declarations: entities would be expanded."""
        self.document = Document.OTHER
        raise _Enough

    def request(self) -> M2MRequest:
        made = tuple(_parameter(*self.parameters[position]) for position in sorted(self.parameters))
        return M2MRequest(self.document, self.name, made, self.mode, self.fault)


def _bytes(text: str) -> bytes:
    """Give the bytes that expat, told so, took for ISO-8859-1; other characters come from references only."""
    return text.encode("iso-8859-1", "replace")


def _parameter(kind: str, texts: list[bytes], nodes: dict[bytes, list[bytes]]) -> Parameter:
    """Make a parameter; line feeds are lost in reading, and what has no text is undefined."""
    value = b"".join(texts).replace(b"\n", b"")
    match kind:
        case "string" if value:
            return Literal(value)
        case "ref" if value:
            return Reference(value)
        case "array":
            joined = ((name, b"".join(parts).replace(b"\n", b"")) for name, parts in nodes.items())
            subscripts = ((format_subscripts((name.decode("iso-8859-1"),)), node) for name, node in joined if node)
            return ListParameter(tuple(subscripts), root=None)
    return Empty()


def parse_request(document: bytes, limit_items: int = LIMIT_ITEMS) -> M2MRequest:
    """Read one document, its EOT taken off. A fault in the XML ends the reading; what came before it counts."""
    reader = _Reader(limit_items)
    parser = expat.ParserCreate(encoding="iso-8859-1")
    parser.buffer_text = True
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    parser.StartDoctypeDeclHandler = reader.doctype
    with contextlib.suppress(expat.ExpatError, _Enough):  # VistA's parser gives what it had, too
        parser.Parse(document, True)
    return reader.request()


class M2MDecoder:
    """Decode what a client sends. Feed it with `receive_data`, then ask `next_event` until it gives None.

    One document may have `limit_bytes` bytes and `limit_items` parameters and nodes; over it the connection is Violated.
    """

    __slots__ = ("_buffer", "_closed", "_searched", "limit_bytes", "limit_items")

    def __init__(self, limit_bytes: int = LIMIT_BYTES, limit_items: int = LIMIT_ITEMS) -> None:
        self.limit_bytes = limit_bytes
        self.limit_items = limit_items
        self._buffer = bytearray()
        self._searched = 0
        self._closed = False

    @property
    def held(self) -> int:
        """The bytes that are held and not decoded yet."""
        return len(self._buffer)

    def receive_data(self, data: bytes) -> None:
        """Take bytes as they came, in any cut. After Violated they are thrown away."""
        if not self._closed:
            self._buffer += data

    def next_event(self) -> M2MRequest | Violated | None:
        """Give the next document, None when more bytes are needed."""
        if self._closed:
            return None
        end = self._buffer.find(EOT, self._searched)
        if (end if end >= 0 else len(self._buffer)) > self.limit_bytes:
            self._closed = True
            self._buffer.clear()
            return Violated(f"A document is longer than {self.limit_bytes} bytes.")
        if end < 0:
            self._searched = len(self._buffer)
            return None
        document = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        self._searched = 0
        return parse_request(document, self.limit_items)


def _attribute(value: bytes) -> bytes:
    if _CONTROL.search(value):
        raise CannotEncode("A control character has no form on the M-to-M wire.")
    return escape(value)


def _array(pairs: Sequence[tuple[bytes, bytes]]) -> bytes:
    nodes = []
    for subscript, value in pairs:
        parts = parse_subscripts(subscript)
        if len(parts) != 1:
            raise CannotEncode("An array on the M-to-M wire has one level.")
        nodes.append(b'<index name="%b" >%b</index>' % (_attribute(parts[0].encode("iso-8859-1")), _attribute(value)))
    return b"<indices>%b</indices>" % b"".join(nodes)


def encode_m2m_call(name: bytes, parameters: Sequence[Parameter] = ()) -> bytes:
    """Write a call. Raises CannotEncode for control characters and for arrays of several levels."""
    made = []
    for position, parameter in enumerate(parameters, 1):
        match parameter:
            case Literal(value):
                kind, content = b"string", _attribute(value)
            case Reference(value):
                kind, content = b"ref", _attribute(value)
            case ListParameter(pairs) | GlobalParameter(pairs):
                kind, content = b"array", _array(pairs)
            case Empty():
                kind, content = b"string", b""
        made.append(b'<param type="%b" position="%d" >%b</param>' % (kind, position, content))
    return _REQUEST % (_attribute(name), b"<params>%b</params>" % b"".join(made) if made else b"")


def encode_m2m_result(result_type: ResultType, word_wrap: bool, value: Value) -> bytes:
    """Write a procedure's result (`SEND^XWBRPC`); an array's node without value is an empty line."""
    match result_type:
        case ResultType.SINGLE_VALUE | ResultType.GLOBAL_INSTANCE:
            root = value if isinstance(value, bytes) else (value.root or b"") if isinstance(value, LocalArray) else b""
            return _RESPONSE % (b"string", escape(root[:NODE_LIMIT]))
        case ResultType.VARIABLE_LENGTH:
            nodes = (node[:NODE_LIMIT] for node in _first_level(value))
            return _RESPONSE % (b"string", b"".join(bytes((len(node) & 255,)) + node for node in nodes))
        case ResultType.ARRAY:
            return _lines(_first_level(value), wrap=True)
        case ResultType.WORD_PROCESSING:
            return _lines(_first_level(value), wrap=word_wrap)
        case ResultType.GLOBAL_ARRAY:
            return _lines(_all_levels(value), wrap=word_wrap)


def _first_level(value: Value) -> list[bytes]:
    if isinstance(value, bytes):
        return []
    return [node or b"" for _, node in value.first_level()] if isinstance(value, LocalArray) else list(value)


def _all_levels(value: Value) -> list[bytes]:
    if isinstance(value, bytes):
        return []
    return list(value.values()) if isinstance(value, LocalArray) else list(value)


def _lines(nodes: Sequence[bytes], *, wrap: bool) -> bytes:
    end = b"\n" if wrap else b""
    return _RESPONSE % (b"array" if wrap else b"string", b"".join([escape(node[:NODE_LIMIT]) + end for node in nodes]))


def encode_rpc_error(code: int, name: bytes, text: bytes) -> bytes:
    """Write that a procedure could not be run: 1 none given, 2 unknown, 4 inactive, 5 no context, 0 another refusal."""
    return _RPC_ERROR % (code, escape(name), escape(text))


def encode_trouble(trouble: Trouble, text: bytes) -> bytes:
    """Write an error that is not a procedure's; that of M and of the request manager stand in a CDATA section."""
    kind, error, code = trouble.value
    message = escape(text) if trouble is Trouble.SECURITY else b"<![CDATA[%b]]>" % text.replace(b"]]>", b"]] >")
    return _ERROR % (kind, error, code, message)
