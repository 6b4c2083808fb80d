"""Gateways at the server: their numbers, versions, files, and the statistics that they send on."""

from __future__ import annotations

import json

from sqlalchemy import bindparam, insert, select, update

from fileman import lock_for_transaction, next_ien, to_fileman
from fileman.files import DicomWorkstation, GatewayInformation, GatewayMachine
from rpcs.call import Call
from rpcs.errors import undefined
from rpcs.numbers import entry_number
from rpcs.registry import Access, listed, literal, procedure
from xwb import LocalArray, ResultType

_MACHINE = select(GatewayMachine.ien).where(GatewayMachine.host == bindparam("name"))
_ADD_MACHINE = insert(GatewayMachine)
_WORKSTATION = select(DicomWorkstation.ien).where(DicomWorkstation.station == bindparam("name"))
_ADD_WORKSTATION = insert(DicomWorkstation)
_REPORT = (
    update(DicomWorkstation)
    .where(DicomWorkstation.ien == bindparam("entry"))
    .values(version=bindparam("new_version"), reported=bindparam("now"))
)
_INFORMATION = select(GatewayInformation.ien, GatewayInformation.location, GatewayInformation.entries).where(
    GatewayInformation.host == bindparam("name")
)
_ADD_INFORMATION = insert(GatewayInformation)
_SET_INFORMATION = (
    update(GatewayInformation)
    .where(GatewayInformation.ien == bindparam("entry"))
    .values(location=bindparam("new_location"), entries=bindparam("new_entries"))
)

_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
#: Names of files and of versions that a gateway tells, with what they are called when they are asked for.
_FILES = {
    "INSTRUMENT": "In",
    "MODALITY": "Mo",
    "PORTLIST": "PL",
    "SCU_LIST": "SL",
    "WORKLIST": "WL",
    "CT_PARAM": "CP",
}
_VERSIONS = {"GW": "Ver", "MAG_DCMVIEW": "Vw", "MAG_MAKEABS": "Ab", "MAG_CSTORE": "CS", "MAG_RECON": "Rc", "MAG_DCMTOTGA": "DT"}


@procedure(
    "MAG DICOM GET MACHINE ID",
    access=Access.WRITES,
    routine="GETID^MAGDRPC1",
    parameters=(literal("HOSTNAME", 30, required=True),),
    word_wrap=False,
    version=3,
)
def get_machine_id(call: Call) -> str:
    """Answer the number of a gateway's host; the first time VistA answers the letter B, and so do we."""
    host = call.text(0).upper()
    if not host:
        return "-1,No Hostname Specified"
    lock_for_transaction(call.connection, "gateway_machine")
    number = call.connection.execute(_MACHINE, {"name": host}).scalar()
    if number is not None:
        return str(number)
    call.connection.execute(_ADD_MACHINE, {"ien": next_ien(call.connection, "gateway_machine"), "host": host})
    return "B"


@procedure(
    "MAG DICOM WORKSTATION VERSION",
    access=Access.WRITES,
    routine="STATION^MAGDRPC1",
    parameters=(literal("STATION", 30, required=True), literal("VERSION", 30, required=True)),
    version=3,
)
def workstation_version(call: Call) -> str:
    """Note which version a gateway runs, and when it said so; answer its entry. `-1` without a station."""
    station = call.text(0)
    if not station:
        return "-1,No Station Identifier Specified"
    if len(call.arguments) < 2:
        raise undefined("STATION+15^MAGDRPC1", "VERSION")
    lock_for_transaction(call.connection, "dicom_workstation")
    entry = call.connection.execute(_WORKSTATION, {"name": station}).scalar()
    if entry is None:
        entry = next_ien(call.connection, "dicom_workstation")
        call.connection.execute(_ADD_WORKSTATION, {"ien": entry, "station": station})
    now = to_fileman(call.clock.now())
    call.connection.execute(_REPORT, {"entry": entry, "new_version": call.text(1), "now": now})
    return str(entry)


def _named(values: LocalArray[str], names: dict[str, str]) -> dict[str, str]:
    """Take the elements that have a name of ours."""
    given = {subscripts[0]: value for subscripts, value in values.items() if len(subscripts) == 1}
    return {name: given[name] for name in names if name in given}


@procedure(
    "MAG DICOM STORE GATEWAY INFO",
    access=Access.WRITES,
    routine="GWINFO^MAGDQR05",
    parameters=(
        literal("HOSTNAME", 30, required=True),
        literal("LOCATION", 10, required=True),
        listed("FILES", 32000, required=True),
        listed("VERSION", 32000, required=True),
    ),
    word_wrap=False,
    version=4,
)
def store_gateway_info(call: Call) -> str:
    """Keep what a gateway tells of its files and programs, lists by name of `FileMan date^path`; answer 0.

    What it does not tell stays as it was. `-1` without a host, `-3` without a location.
    """
    host, location = call.text(0).lower(), entry_number(call.text(1))
    if not host:
        return "-1,No HostName provided."
    if not location:
        return "-3,No location provided."
    lock_for_transaction(call.connection, "gateway_information")
    told = _named(call.list(2), _FILES) | _named(call.list(3), _VERSIONS)
    row = call.connection.execute(_INFORMATION, {"name": host}).first()
    if row is None:
        entry = next_ien(call.connection, "gateway_information")
        columns = {"ien": entry, "host": host, "location": location, "entries": json.dumps(told)}
        call.connection.execute(_ADD_INFORMATION, columns)
        return "0"
    entries = json.dumps(json.loads(row.entries) | told)
    call.connection.execute(_SET_INFORMATION, {"entry": row.ien, "new_location": location, "new_entries": entries})
    return "0"


@procedure(
    "MAG DICOM GET GATEWAY INFO",
    returns=ResultType.ARRAY,
    access=Access.READS,
    routine="GETINFO^MAGDQR05",
    parameters=(literal("HOSTNAME", 30, required=True),),
    word_wrap=False,
    version=3,
)
def get_gateway_info(call: Call) -> list[str]:
    """Answer a line count and `keyword=value` of what a gateway has told: `Loc` is its station, `_p` a path, `_s` a time.

    `-2` for a gateway that has told nothing. Without a host the answer is empty, as in VistA.
    """
    host = call.text(0).lower()
    if not host:
        return []
    row = call.connection.execute(_INFORMATION, {"name": host}).first()
    if row is None:
        return [f'-2,Cannot find info for "{host}".']
    institution = call.site.institutions.get(row.location)
    lines = [f"Loc={institution.station if institution else ''}"]
    entries = json.loads(row.entries)
    for name, keyword in {**_FILES, **_VERSIONS}.items():
        lines += _lines(keyword, entries.get(name, ""))
    return [str(1 + len(lines)), *lines]


def _lines(keyword: str, value: str) -> list[str]:
    if not value or keyword == "Ver":
        return [f"Ver={value}"] if value else []
    moment, _, path = value.partition("^")
    lines = [f"{keyword}_p={path}"] if path else []
    return [*lines, f"{keyword}_s={_stamp(moment)}"] if entry_number(moment.partition(".")[0]) else lines


def _stamp(moment: str) -> str:
    """Write a FileMan date as `10-JUN-2024 09:30:00`."""
    day, _, clock = moment.partition(".")
    month = int(day[3:5] or 0)
    clock = clock.ljust(6, "0")
    name = _MONTHS[month - 1] if 1 <= month <= 12 else ""
    return f"{int(day[5:7] or 0)}-{name}-{int(day[:3]) + 1700} {clock[:2]}:{clock[2:4]}:{clock[4:6]}"


@procedure("MAG GET SOP CLASS METHOD", access=Access.NOTHING, routine="^")
def sop_class_method(_call: Call) -> str:
    """Answer nothing: file 8994 has this name alone, without a routine, a parameter or a return type. No VistA can run it."""
    return ""
