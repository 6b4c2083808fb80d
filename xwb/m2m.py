r"""The M-to-M broker's documents, which VA DICOM gateways speak: requests and answers in XML, each ended by EOT.

Requests are read as VistA's parser reads them (`EN^XWBRMX`): what stands before a fault in the XML counts, line feeds in
values are lost, an empty value is no value. Answers carry their lines in one CDATA section, in which markup characters
and square brackets are entities all the same (`CHARCHK^XWBUTL`) and control characters are left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from xwb.array import LocalArray, collation_key, format_subscripts, parse_subscripts
from xwb.errors import BadMarkup, CannotEncode
from xwb.events import EOT, LIMIT_BYTES, Violated
from xwb.markup import ENTITIES, Ended, Mark, Started, Text, escape, read_markup
from xwb.numbers import m_number
from xwb.parameters import Empty, GlobalParameter, ListParameter, Literal, Parameter, Reference
from xwb.results import NODE_LIMIT, ResultType, Value, single_value, variable_length

HEADER = b'<?xml version="1.0" encoding="utf-8" ?>'
CLOSED = HEADER + b'<vistalink type="Gov.VA.Med.Foundations.CloseSocketResponse"><results success="1" /></vistalink>' + EOT
CLOSE = b"<?xml version='1.0' ?><vistalink type='Gov.VA.Med.Foundations.CloseSocketRequest' ></vistalink>" + EOT
RPC_MODE = "RPCBroker"
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

NO_URI = b"##Unkown RPC##"
"""The name of a procedure whose `uri` is missing; VistA's own spelling."""
POSITION_LIMIT = 8
_BLANKS = bytes.maketrans(b"\t\r", b"  ")
_BREAKING = re.compile(rb"[&<>\"\x00-\x1f]")
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
    """A document came. `fault` is the text of the M error that reading it was in VistA; a `name` of None was not given."""

    document: Document
    name: bytes | None = None
    parameters: tuple[Parameter, ...] = ()
    mode: str = RPC_MODE
    fault: str = ""


@dataclass(slots=True)
class Source:
    """What a parameter is made of: its type, the parts of its text; its nodes by their names, as tags and parts of texts."""

    kind: bytes
    parts: list[Text] = field(default_factory=list)
    nodes: dict[bytes, tuple[Started, list[Text]]] = field(default_factory=dict)

    def made(self) -> Parameter:
        """Give the parameter; one that got no text is undefined."""
        value = _joined(self.parts)
        match self.kind:
            case b"string" if value:
                return Literal(value)
            case b"ref" if value:
                return Reference(value)
            case b"array" if self.nodes:
                names = [format_subscripts((name.decode("iso-8859-1"),)) for name in self.nodes]
                values = (_joined(parts) for _, parts in self.nodes.values())
                return ListParameter(tuple(zip(names, values, strict=True)), root=None)
        return Empty()


def _joined(parts: Iterable[Text]) -> bytes:
    return b"".join([part.data for part in parts])


class _Faulty(Exception):
    """The request makes VistA fail; the argument is the text of the M error."""


class _Reader:
    """Collects what a request says, as `ELEST^XWBRMX`, `ELEST^XWBRPC` and their like do; where elements stand does not matter."""

    def __init__(self, limit_items: int) -> None:
        self.document = Document.OTHER
        self.mode = RPC_MODE
        self.name: bytes | None = None
        self.passed: tuple[Source, ...] = ()
        self._params: dict[str, Source] = {}
        self._param: Source | None = None
        self._index: bytes | None = None
        self._tag = Started(b"")
        self._text: list[Text] = []
        self._in_session = False
        self._left = limit_items

    def take(self, mark: Mark) -> None:
        """Take a mark. Raises _Faulty."""
        self._left -= 1
        if self._left < 0:
            raise _Faulty("Error allocating memory,150374058,-%GTM-E-MEMORY")
        match mark:
            case Started(b"vistalink", attributes):
                kind = attributes.get(b"type", b"").decode("iso-8859-1")
                self.document = next((document for document in Document if document.value == kind), self.document)
                self.mode = attributes.get(b"mode", RPC_MODE.encode()).decode("iso-8859-1")
            case Started(b"session") | Ended(b"session"):
                self._in_session = isinstance(mark, Started)
            case Started(name) if name in _ELEMENTS and self._counts:
                _ELEMENTS[name](self, mark)
            case Ended(b"params") if self._counts:
                self._pass()
            case Ended(b"param"):
                self._param = None
            case Text(data) if data and self._param is not None:
                self._take_text(self._param, mark)

    @property
    def _counts(self) -> bool:
        return self.document is Document.CALL and not self._in_session

    def start_rpc(self, tag: Started) -> None:
        """Note the procedure's name."""
        self.name = tag.attributes.get(b"uri", NO_URI)

    def start_param(self, tag: Started) -> None:
        """Begin a parameter; its position names a variable."""
        position = _wanted(tag.attributes, b"position")
        if not position.isalnum() or len(position) > POSITION_LIMIT:
            raise _Faulty("Variable expected in this context,150373866,-%GTM-E-VAREXPECTED")
        self._param = self._params[position.decode("ascii")] = Source(_wanted(tag.attributes, b"type"))
        self._text = []

    def start_index(self, tag: Started) -> None:
        """Begin a node of an array."""
        self._index, self._tag = _wanted(tag.attributes, b"name"), tag
        self._text = []

    def _take_text(self, param: Source, text: Text) -> None:
        self._text.append(text)
        if param.kind != b"array":
            param.parts = self._text
        elif self._index:
            param.nodes[self._index] = self._tag, self._text
        else:
            raise _Faulty('Undefined local variable: XWBPN("name"),150373850,-%GTM-E-UNDEF')

    def _pass(self) -> None:
        """Put the parameters in the order of their positions, which begin at 1 and need not be without gaps."""
        ordered = sorted(self._params, key=collation_key)
        positions = [position for position in ordered if m_number(position) > 0]
        self.passed = tuple([self._params[position] for position in positions])


_ELEMENTS: dict[bytes, Callable[[_Reader, Started], None]] = {
    b"rpc": _Reader.start_rpc,
    b"param": _Reader.start_param,
    b"index": _Reader.start_index,
}


def _wanted(attributes: Mapping[bytes, bytes], name: bytes) -> bytes:
    """Give an attribute that VistA reads unguarded."""
    if name not in attributes:
        raise _Faulty(f'Undefined local variable: ATR("{name.decode("ascii")}"),150373850,-%GTM-E-UNDEF')
    return attributes[name].translate(_BLANKS)


def parse_request(document: bytes, limit_items: int = LIMIT_ITEMS) -> M2MRequest:
    """Read one document, its EOT taken off. What stands before a fault in the XML counts; arguments do when all are there.

    Line feeds are lost wherever they stand, as VistA's reader keeps lines without their ends.
    """
    return read_request(document.replace(b"\n", b""), limit_items)[0]


def read_request(document: bytes, limit_items: int = LIMIT_ITEMS) -> tuple[M2MRequest, tuple[Source, ...]]:
    """Read a document without line feeds; give the request, and of each parameter what it is made of."""
    reader = _Reader(limit_items)
    fault = ""
    try:
        for mark in read_markup(document):
            reader.take(mark)
    except BadMarkup:
        pass
    except _Faulty as faulty:
        fault = str(faulty)
    parameters = tuple([source.made() for source in reader.passed])
    return M2MRequest(reader.document, reader.name, parameters, reader.mode, fault), reader.passed


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
            return _RESPONSE % (b"string", _written(single_value(value)))
        case ResultType.VARIABLE_LENGTH:
            return _RESPONSE % (b"string", b"".join([variable_length(node) for node in _first_level(value)]))
        case ResultType.ARRAY:
            return _lines(b"", _first_level(value), wrap=True)
        case ResultType.WORD_PROCESSING:
            return _lines(b"", _first_level(value), wrap=word_wrap)
        case ResultType.GLOBAL_ARRAY:
            root = single_value(value) if isinstance(value, LocalArray) and len(value) else b""
            return _lines(_written(root), _all_levels(value), wrap=word_wrap)


def _written(node: bytes) -> bytes:
    return escape(node)[:NODE_LIMIT]


def _first_level(value: Value) -> Iterable[bytes]:
    if isinstance(value, bytes):
        return ()
    return (node or b"" for _, node in value.first_level()) if isinstance(value, LocalArray) else value


def _all_levels(value: Value) -> Iterable[bytes]:
    if isinstance(value, bytes):
        return ()
    return value.values() if isinstance(value, LocalArray) else value


def _lines(first: bytes, nodes: Iterable[bytes], *, wrap: bool) -> bytes:
    """Write lines; what stands first, the root of a global, gets no line end."""
    end = b"\n" if wrap else b""
    return _RESPONSE % (b"array" if wrap else b"string", first + b"".join([_written(node) + end for node in nodes]))


def encode_rpc_error(code: int, name: bytes, text: bytes) -> bytes:
    """Write that a procedure could not be run: 1 none given, 2 unknown, 4 inactive, 5 no context, 0 another refusal.

    VistA writes name and text as they are (`ERROR^XWBRPC`), apostrophes too; here what would break the document is escaped.
    """
    return _RPC_ERROR % (code, _BREAKING.sub(_entity, name), _BREAKING.sub(_entity, text))


def _entity(found: re.Match[bytes]) -> bytes:
    return ENTITIES.get(found[0], b"")


def encode_trouble(trouble: Trouble, text: bytes) -> bytes:
    """Write an error that is not a procedure's; that of M and of the request manager stand in a CDATA section."""
    kind, error, code = trouble.value
    message = escape(text) if trouble is Trouble.SECURITY else b"<![CDATA[%b]]>" % text.replace(b"]]>", b"]] >")
    return _ERROR % (kind, error, code, message)
