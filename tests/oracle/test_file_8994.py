"""The registry agrees with file 8994 for every MAG DICOM procedure and every other one of the gateway's contexts."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rpcs import STANDARD, ParameterKind, Procedure
from tests.oracle.records import HERE
from tests.support.broker import RunningBroker
from xwb import MError

#: The facts of file 8994, as released; a parameter is its name, type, length, required flag and sequence.
FILE: dict[str, dict[str, Any]] = json.loads((HERE / "file_8994.json").read_text(encoding="utf-8"))

#: The file has an entry of this name without tag, routine or return type: no VistA can run it.
EMPTY = {"MAG GET SOP CLASS METHOD"}

#: Not in the registry yet. This set is to become empty; a name that is registered may not stand here.
MISSING = {
    "MAG CFIND QUERY",
    "MAG DICOM ADD CAMERA EQUIP RM",
    "MAG DICOM CHECK AE TITLE",
    "MAG DICOM FILEMAN GET",
    "MAG DICOM FIND LOCATION",
    "MAG DICOM GET AE ENTRY",
    "MAG DICOM GET AE ENTRY LOC",
    "MAG DICOM GET AGENCY",
    "MAG DICOM GET BASIC IMAGE",
    "MAG DICOM GET DFN",
    "MAG DICOM GET EXPORT IMAGE STS",
    "MAG DICOM GET GATEWAY INFO",
    "MAG DICOM GET HOSP LOCATION",
    "MAG DICOM GET ICN",
    "MAG DICOM GET IMAGE GROUP",
    "MAG DICOM GET IMAGING TYPES",
    "MAG DICOM GET PATIENT",
    "MAG DICOM GET PATIENT VITALS",
    "MAG DICOM GET PROCESS ID",
    "MAG DICOM GET RAD CAMERA",
    "MAG DICOM GET RAD CPT MOD",
    "MAG DICOM GET RAD DX CODE",
    "MAG DICOM GET RAD FILM",
    "MAG DICOM GET RAD INFO BY ACN",
    "MAG DICOM GET RAD ORDERS",
    "MAG DICOM GET RAD PERSON",
    "MAG DICOM GET RAD RPT INFO",
    "MAG DICOM GET SERVICE INFO",
    "MAG DICOM GET UID ROOT",
    "MAG DICOM GET UID TABLE",
    "MAG DICOM GET USERNAME",
    "MAG DICOM LIST GLOBAL VARIABLE",
    "MAG DICOM LOOKUP RAD STUDY",
    "MAG DICOM LOOKUP STUDY",
    "MAG DICOM NETWORK STATUS",
    "MAG DICOM PACS CUTOFF DATE",
    "MAG DICOM PACS MINIMUM SPACE",
    "MAG DICOM QUEUE IMAGE",
    "MAG DICOM QUEUE INIT",
    "MAG DICOM RADIOLOGY MODIFIERS",
    "MAG DICOM RADIOLOGY PROCEDURES",
    "MAG DICOM ROUTE GET PURGE",
    "MAG DICOM ROUTE GET TRANS ID",
    "MAG DICOM ROUTE LIST DESTI",
    "MAG DICOM ROUTE LOG XMIT",
    "MAG DICOM ROUTE NEXT FILE",
    "MAG DICOM ROUTE PURGE DONE",
    "MAG DICOM ROUTE REMOVE OBSO",
    "MAG DICOM ROUTE REQUEUE",
    "MAG DICOM ROUTE TRANSACT STS",
    "MAG DICOM SET IMAGING LOCATION",
    "MAG DICOM SET PACS PARAMS",
    "MAG DICOM STORE GATEWAY INFO",
    "MAG DICOM UPDATE GATEWAY NAME",
    "MAG DICOM UPDATE SCU LIST",
    "MAG DICOM VISTA AE TITLE",
    "MAG DICOM WORKSTATION VERSION",
    "MAG GET NETLOC",
    "MAG IMAGE CURRENT INFO",
    "MAG NEW SOP INSTANCE UID",
    "MAG STUDY UID QUERY",
}

#: Where the file's parameters are not those of the routine, which decide: leftovers of older versions, or none told of.
OF_THE_ROUTINE = {
    "MAG DICOM CON SET TELE READER": ["STATNUMB", "ISPECIDX", "IPROCIDX", "USERPREF"],
    "MAG DICOM GET NEXT QUEUE ENTRY": ["LOCATION", "SENT", "CHECK"],
    "MAG STORE TEXT FILE DETAILS": ["IMAGE", "SERIES", "SNUM", "INUM", "IMGUID", "STUID", "DOCDAT"],
    "MAGQ DIK": ["ien", "DF", "GRPDF", "REASON"],
}

#: What a well-formed call of a procedure gives; one that is not here gets a 1 for each parameter, in a list too.
WELL_FORMED: dict[str, list[Any]] = {
    "MAG DICOM GET MACHINE ID": ["ISGW1"],
    "MAG DICOM GET NEXT QUEUE ENTRY": ["660", {}, "1"],
    "MAG DICOM GET PLACE": ["660"],
    "MAG DICOM IMAGE PROCESSING": [{1: "2", 2: "ACQUIRED||660|CT1"}],
    "MAG DICOM ROUTE EVAL LOG": ["1", "0", "10", "660"],
    "MAG DICOM ROUTE EVAL START": ["660", {1: "1^ACTION^SEND", 2: "1^ACTION^1^ROUTE-DEST-A"}],
    "MAG DICOM ROUTE LOCK TRANSMIT": ["14", "660", "0"],
    "MAG DICOM ROUTE VALID DEST": ["ROUTE-DEST-A"],
}

#: Empty calls that VistA answers with an M error, as recorded: the routine reads a parameter that was not sent.
ERRORS_WHEN_EMPTY = {"MAG DICOM ROUTE LIST DESTI", "MAG DICOM ROUTE NEXT FILE", "MAG DICOM ROUTE VALID DEST"}

NAMED = [name for name in FILE if name not in EMPTY]
REGISTERED = [name for name in NAMED if name in STANDARD]


def declared(name: str) -> Procedure:
    procedure = STANDARD.get(name)
    assert procedure is not None
    return procedure


def parameters_of(name: str) -> list[list[str]]:
    """Give the file's parameters in their sequence, or those of them that the routine takes, in its order."""
    rows = sorted(FILE[name]["parameters"], key=lambda row: int(row[4] or 99))
    if name in OF_THE_ROUTINE:
        found = {row[0]: row for row in rows}
        return [found.get(one, [one, "", "", "", ""]) for one in OF_THE_ROUTINE[name]]
    return rows


def test_what_is_missing_is_told_and_nothing_else() -> None:
    assert {name for name in NAMED if name not in STANDARD} == MISSING


def test_the_file_holds_all_that_a_gateway_may_call() -> None:
    assert len([name for name in FILE if name.startswith("MAG DICOM ")]) == 89
    assert len(FILE) == 105


@pytest.mark.parametrize("name", REGISTERED)
def test_a_declaration_says_what_the_file_says(name: str) -> None:
    procedure, facts = declared(name), FILE[name]
    said = {"routine": procedure.routine, "returns": procedure.returns.name.replace("_", " ")}
    assert said == {key: facts[key] for key in said}
    assert not facts["inactive"] or procedure.inactive.value == int(facts["inactive"])
    assert not facts["availability"] or procedure.availability.value == facts["availability"]
    assert not facts["word_wrap"] or procedure.word_wrap == (facts["word_wrap"] == "1")
    assert not facts["client_manager"] or procedure.client_manager == (facts["client_manager"] == "1")
    assert not facts["version"] or procedure.version == float(facts["version"])


@pytest.mark.parametrize("name", REGISTERED)
def test_parameters_are_those_of_the_file_in_their_sequence(name: str) -> None:
    rows = parameters_of(name)
    assert [one.name for one in declared(name).parameters] == [row[0] for row in rows]
    for one, (_name, kind, length, required, _sequence) in zip(declared(name).parameters, rows, strict=True):
        assert not kind or one.kind is ParameterKind[kind.replace(" ", "_")], one.name
        assert not length or one.length == int(length), one.name
        assert not required or one.required == (required == "1"), one.name


def well_formed(name: str) -> list[Any]:
    given = WELL_FORMED.get(name)
    if given is None:
        return [{1: "1"} if one.kind is ParameterKind.LIST else "1" for one in declared(name).parameters]
    return given


def test_a_well_formed_and_an_empty_call_are_answered(oracle_broker: RunningBroker) -> None:
    failed = {}
    with oracle_broker.client("FAKEPRG1", "1PRG!@#$") as client:
        for name in REGISTERED:
            for kind, arguments in (("well-formed", well_formed(name)), ("empty", [])):
                try:
                    client.call(name, *arguments)
                except MError as error:
                    failed[name, kind] = error.text
    assert {name for name, kind in failed if kind == "empty"} == ERRORS_WHEN_EMPTY & set(REGISTERED), failed
    assert not {name for name, kind in failed if kind == "well-formed"}, failed
