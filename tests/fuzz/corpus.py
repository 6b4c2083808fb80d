"""What the fuzzer begins with: recorded messages, and files as they are written."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from pydicom import Dataset

from console.media import Directory, Record, encode_directory
from taskman import BadFrequency
from tests.oracle.records import HERE, read_records
from tests.support.proxy_headers import LOCAL, UNKNOWN, first_version, second_version
from xwb import (
    ListParameter,
    Literal,
    Reference,
    encode_old_bye,
    encode_old_call,
    encode_token_query,
    encode_visitor,
)

ROOT = Path(__file__).parents[2]
#: The themes with bytes, and the longest message of theirs that is worth changing.
THEMES = ("a1_connect_signon", "a4_rpc_errors", "a5_protocol", "a6_return_types", "b1_store", "d3_misc_rpcs")
LONGEST = 1500

TEXT_REQUESTS = (
    b"SIGNON^FAKEGW1^1GWY!@#$\n",
    b"CONTEXT^MAG DICOM GATEWAY FULL\r\n",
    b"MAG DICOM IMAGE PROCESSING^@\n1=3\n2=STORE1||660\n3=a\\c\\e\\a\\r\\n\\\\\n\n",
    b'ZZ ORACLE PARAMS^one^@^@^t\\wo\n"KEY",2=v\n\n1=\n\nBYE\n',
    b"XWB IM HERE\nNO SUCH\n\n\nBYE^x\n",
)
TEXT_ANSWERS = (
    b"OK 0\n",
    b"OK 2\none\n\\r\\n two\n",
    b"ERROR SYNTAX Expected BYE alone.\n",
    b"OK 1\n1\nERROR M text\nOK 3\n\n\n\n",
)
SUBSCRIPTS = (b"1", b'"TEXT",1,0', b'"q""q"', b"-1.50E2", b"+.5", b'1,"a",', b"ABC", b"0,00,007", b"1E99")
OLD_CONNECTS = (
    b"{XWB}00055|\x051.10800043TCPconnect^10.5.18.23^2007^solomon-7bqwg65^",
    b"{XWB}00044|\x031.100021TCPconnect^127.0.0.1^9999^",
    b"{XWB}00031TCPconnect^127.0.0.1^9299^ws^",
    b"{XWB}00021|\x051.10800009TCPdebug^",
)
OLD_REQUESTS = (
    encode_old_call(b"XWB IM HERE", version=b"1.108"),
    encode_old_call(b"ZZ ORACLE PARAMS", (Literal(b"one"), Reference(b"DUZ"))),
    encode_old_call(b"ZZ ORACLE PARAMS", (Literal(b""), ListParameter(((b"1", b"one"), (b'"A",2', b""), (b"3", b"x" * 120))))),
    encode_old_call(b"ZZ ORACLE PARAMS", (ListParameter(),)),
    encode_old_bye(),
    OLD_CONNECTS[0],
    b"#BYE#",
)
DICTIONARIES = (
    b"# Computed Radiography\r\nCR1|Fuji AC3 CR, Room 2156|Wilmington, DE|RAD|60050|GW1\r\nEYE-2|Eye||CON|60302\r\n",
    b"DEFAULT|DEFAULT|DEFAULT|<DICOM>|CORRECT^MAGDIR3||DATAMISC.DIC|RAD\nACME|*|CR|b10 f0 R8/<DICOM>|PIDCASE2||D.DIC\n",
    b"CR||CON|RAD:RAD,CARDIO/*,OPHTH|S/NoDash/N/m/h|mixed\nPATH||LAB|SP,CY|L////\n",
    b"QR|QR|VISTA|host|104|GE|500|STORE\n|Verification SOP Class|Implicit\n||Explicit\n~C-Move|Y|N\n",
)
FREQUENCIES = (
    *(example.encode() for example in BadFrequency.EXAMPLES),
    b"D@8:30:15 PM,E@2400,U",
    b"12M(31@8AM,5F@MID,L,LU@0030)",
    b"67001,34200;67001;3240610.24;",
    b"1M(last friday@18:30), Mondays",
)
BSE_QUERIES = (encode_token_query(b"XUSBSE12-345_6"), b"~BSE~000", b"~BSE~0123", b"~BSE~999x", encode_token_query(b"PUT"))
BSE_ANSWERS = (encode_visitor(b"^FIRST,FRED^SALT LAKE CITY^660^1^No phone"), b"000", b"012x", encode_visitor(b"-1^no"))

PROXY_HEADERS = (
    first_version("192.0.2.7"),
    first_version("2001:db8::7", "2001:db8::1"),
    second_version("192.0.2.7", added=b"\x04\x00\x01\x00"),
    second_version("2001:db8::7", "2001:db8::1"),
    LOCAL + b"[XWB]10304\nTCPConnect",
    UNKNOWN,
)
#: Orders in the character sets that are read, ended in each way.
HL7_MESSAGES = (
    b"MSH|^~\\&|RIS|SLC|VISTA|660|20260101||ORM^O01|C1|P|2.3\rPID|1||100\rORC|NW\r",
    b"MSH#*~\\&#A#B#C#D#20260101##ADT*A08#7#P#2.4\nEVN#A08\n",
    b"MSH|^~\\&|A|B|C|D|1||ADT^A08|1|P|2.4||||||UNICODE UTF-8\r\nPID|1|||M\xc3\xbcller\r\n",
)


@cache
def recorded(field: str, start: bytes = b"") -> tuple[bytes, ...]:
    """Give recorded bytes, sent or received, that begin in some way."""
    found = {bytes.fromhex(record[field]) for theme in THEMES for record in read_records(theme) if record.get(field)}
    return tuple(sorted(item for item in found if item.startswith(start) and len(item) <= LONGEST))


@cache
def m2m(field: str) -> tuple[bytes, ...]:
    """Give recorded documents."""
    found = {bytes.fromhex(record[field]) for record in read_records("a8_m2m") if record.get(field)}
    return tuple(sorted(item for item in found if item))


@cache
def site_files() -> tuple[bytes, ...]:
    """Give pieces of site files, table by table."""
    tables = (ROOT / "data" / "demo.toml").read_bytes().split(b"\n\n") + (HERE / "site.toml").read_bytes().split(b"\n\n")
    return tuple(piece for piece in tables if len(piece) <= LONGEST)


@cache
def rule_files() -> tuple[bytes, ...]:
    """Give rule files, whole and in pieces."""
    demo = (ROOT / "data" / "demo.rule").read_bytes()
    examples = [path.read_bytes() for path in sorted((ROOT / "rules" / "examples").glob("*.rule"))]
    return (demo, *examples, *(piece for whole in (demo, *examples) for piece in whole.split(b"\n\n") if piece.strip()))


@cache
def elements() -> tuple[bytes, ...]:
    """Give rule elements, one a line, as they were recorded."""
    found = []
    for record in read_records("c1_rules"):
        rules = record.get("rules") or record.get("RULES") or {}
        values = rules.values() if isinstance(rules, dict) else rules
        found.append("\n".join(str(value) for value in values).encode())
    return tuple(sorted(set(found)))


@cache
def directories() -> tuple[bytes, ...]:
    """Give DICOMDIRs: one without records, one of a patient with a study, a series and two images."""
    empty, whole = Directory.new("EMPTY"), Directory.new("TEST 1")
    level = whole.roots
    for kind, keyword in (("PATIENT", "PatientID"), ("STUDY", "StudyInstanceUID"), ("SERIES", "SeriesInstanceUID")):
        level.append(_record(kind, keyword, "1.2"))
        level = level[0].below
    level += [_record("IMAGE", "ReferencedFileID", ["DICOM", f"IM{number}"]) for number in (1, 2)]
    return encode_directory(empty), encode_directory(whole)


def _record(kind: str, keyword: str, value: object) -> Record:
    dataset = Dataset()
    dataset.DirectoryRecordType = kind
    setattr(dataset, keyword, value)
    return Record(dataset)
