"""The registry agrees with file 8994 for every MAG DICOM procedure, and knows every other one of the gateways' contexts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

import pytest

from fileman import read_site_file
from rpcs import STANDARD, ParameterKind, Procedure
from tests.oracle.records import HERE
from tests.support.broker import RunningBroker
from xwb import BrokerClient, MError

#: The facts of file 8994, as released; a parameter is its name, type, length, required flag and sequence.
FILE: dict[str, dict[str, Any]] = json.loads((HERE / "file_8994.json").read_text(encoding="utf-8"))
#: The names of the procedures that are defined anywhere: in file 8994, or in routines of later years.
DEFINED = frozenset(json.loads((HERE / "defined_rpcs.json").read_text(encoding="utf-8")))

#: The contexts of gateways, and who may enter them; each with how many procedures they name, as the recorded VistA had them.
CONTEXTS = {
    "MAG DICOM GATEWAY FULL": ("FAKEGW1", "1GWY!@#$", 87),
    "MAG DICOM GATEWAY VIEW": ("FAKEVIEW1", "1VIE!@#$", 56),
}
#: What they name that was removed from the file: a number, and what it is remembered for.
REMOVED = re.compile(r"\(IEN \d+, not in the 2016 file 8994; .*\)")

#: The file has an entry of this name without tag, routine or return type, which a declaration cannot have.
EMPTY = {"MAG GET SOP CLASS METHOD"}

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
ERRORS_WHEN_EMPTY = {"MAG DICOM ROUTE GET PURGE", "MAG DICOM ROUTE LIST DESTI", "MAG DICOM ROUTE NEXT FILE"}

NAMED = [name for name in FILE if name not in EMPTY]


def declared(name: str) -> Procedure:
    procedure = STANDARD.get(name)
    assert procedure is not None
    return procedure


def test_every_procedure_of_the_file_is_in_the_registry() -> None:
    assert [name for name in FILE if name not in STANDARD] == []
    assert set(FILE) <= DEFINED
    assert len(DEFINED) == 533


def of_context(context: str) -> list[str]:
    """Give the procedures that a context names, but those that were removed from the file."""
    site = read_site_file(HERE / "site.toml")
    (named,) = [row.rpcs for row in site.context if row.name == context]
    assert len(named) == CONTEXTS[context][2]
    kept = [name for name in named if not REMOVED.fullmatch(name)]
    assert {name for name in named if name in DEFINED} <= set(kept)
    return kept


@pytest.mark.parametrize("context", CONTEXTS)
def test_every_procedure_of_a_gateways_context_is_in_the_registry(context: str) -> None:
    names = of_context(context)
    assert len(names) == CONTEXTS[context][2] - 2, "two were removed from the file"
    assert [name for name in names if name not in STANDARD] == []


def test_the_file_holds_all_that_a_gateway_may_call() -> None:
    assert len([name for name in FILE if name.startswith("MAG DICOM ")]) == 89
    assert len(FILE) == 105


@pytest.mark.parametrize("name", NAMED)
def test_a_declaration_says_what_the_file_says(name: str) -> None:
    procedure, facts = declared(name), FILE[name]
    said = {"routine": procedure.routine, "returns": procedure.returns.name.replace("_", " ")}
    assert said == {key: facts[key] for key in said}
    assert not facts["inactive"] or procedure.inactive.value == int(facts["inactive"])
    assert not facts["availability"] or procedure.availability.value == facts["availability"]
    assert not facts["word_wrap"] or procedure.word_wrap == (facts["word_wrap"] == "1")
    assert not facts["client_manager"] or procedure.client_manager == (facts["client_manager"] == "1")
    assert not facts["version"] or procedure.version == float(facts["version"])


@pytest.mark.parametrize("name", NAMED)
def test_parameters_are_those_of_the_file_in_their_sequence(name: str) -> None:
    rows = sorted(FILE[name]["parameters"], key=lambda row: int(row[4] or 99))
    assert [one.name for one in declared(name).parameters] == [row[0] for row in rows]
    for place, (one, (_name, kind, length, required, sequence)) in enumerate(
        zip(declared(name).parameters, rows, strict=True), 1
    ):
        assert not sequence or (one.sequence or place) == int(sequence), one.name
        assert not kind or one.kind is ParameterKind[kind.replace(" ", "_")], one.name
        assert not length or one.length == int(length), one.name
        assert not required or one.required == (required == "1"), one.name


def well_formed(name: str) -> list[Any]:
    given = WELL_FORMED.get(name)
    if given is None:
        procedure = declared(name)
        lists = {one.formal or one.name for one in procedure.parameters if one.kind is ParameterKind.LIST}
        return [{1: "1"} if variable in lists else "1" for variable in procedure.variables]
    return given


def errors_of(client: BrokerClient, names: Iterable[str]) -> dict[tuple[str, str], str]:
    """Call procedures with arguments and without; give the M errors by name and kind of call."""
    failed = {}
    for name in names:
        for kind, arguments in (("well-formed", well_formed(name)), ("empty", [])):
            try:
                client.call(name, *arguments)
            except MError as error:
                failed[name, kind] = error.text
    return failed


def check_answers(client: BrokerClient, names: Iterable[str]) -> None:
    """Check that M errors answer the empty calls that VistA answered so, and no others."""
    names = list(names)
    failed = errors_of(client, names)
    assert {name for name, kind in failed if kind == "empty"} == ERRORS_WHEN_EMPTY & set(names), failed
    assert not {name for name, kind in failed if kind == "well-formed"}, failed


def test_a_well_formed_and_an_empty_call_are_answered(oracle_broker: RunningBroker) -> None:
    with oracle_broker.client("FAKEPRG1", "1PRG!@#$") as client:
        check_answers(client, FILE)


@pytest.mark.parametrize("context", CONTEXTS)
def test_a_gateway_gets_an_answer_from_every_procedure_of_its_context(oracle_broker: RunningBroker, context: str) -> None:
    access, verify, _count = CONTEXTS[context]
    with oracle_broker.client(access, verify, context) as client:
        check_answers(client, of_context(context))
