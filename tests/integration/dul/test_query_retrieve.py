"""DCMTK and pynetdicom query and retrieve from a provider over our upper layer."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset, dcmread
from pynetdicom import AE, build_role, evt
from pynetdicom.sop_class import (
    CTImageStorage,
    PatientRootQueryRetrieveInformationModelFind,
    PatientRootQueryRetrieveInformationModelGet,
    PatientRootQueryRetrieveInformationModelMove,
)

from dul import CommandField, Request, found_by
from tests.support.dicom import NO_DELAY, Storescp, data_set_bytes
from tests.support.dicom_tls import Secured
from tests.support.identifiers import (
    LEVEL,
    PATIENT_ID,
    PATIENT_NAME,
    SOP_INSTANCE,
    STUDY,
    STUDY_DATE,
    STUDY_DESCRIPTION,
    encode_identifier,
)
from tests.support.query_provider import LEVELS, QueryProvider, Row, Table, synthetic_rows


@pytest.fixture
def provider(table: Table) -> Iterator[QueryProvider]:
    """Run the provider on the files."""
    with QueryProvider(table) as provider:
        yield provider


@pytest.fixture
def options(secured: Secured | None) -> tuple[str, ...]:
    """Give DCMTK's options for a provider of the same `secured`."""
    return secured.options if secured else ()


def dcmtk(program: str, port: int, level: str, keys: dict[str, str], *options: str, expect: int | None = 0) -> str:
    """Run one of DCMTK's query programs; give what it said."""
    named = [word for key, value in {"QueryRetrieveLevel": level, **keys}.items() for word in ("-k", f"{key}={value}")]
    command = [program, "-v", *options, *named, "-aec", "TABLE", "127.0.0.1", str(port)]
    run = subprocess.run(command, capture_output=True, text=True, env=NO_DELAY, timeout=60, check=False)
    said = run.stdout + run.stderr
    assert expect in (None, run.returncode), said
    return said


def found(directory: Path) -> list[Dataset]:
    """Read the responses that findscu wrote."""
    return [dcmread(path, force=True) for path in sorted(directory.glob("rsp*.dcm"))]


def of_study(table: Table, study: str) -> set[str]:
    return {row[SOP_INSTANCE] for row in table.rows if row[STUDY] == study}


def largest_study(table: Table) -> str:
    return max((row[STUDY] for row in table.levels["STUDY"]), key=lambda study: len(of_study(table, study)))


QUERIES: list[tuple[str, str, dict[str, str], Any]] = [
    ("-P", "PATIENT", {"PatientID": "1CT1"}, lambda row: row[PATIENT_ID] == "1CT1"),
    ("-P", "PATIENT", {"PatientName": "Doe^*"}, lambda row: row[PATIENT_NAME].startswith("Doe^")),
    ("-P", "PATIENT", {"PatientID": "7765403?"}, lambda row: re.fullmatch("7765403.", row[PATIENT_ID])),
    ("-S", "STUDY", {"StudyDate": "20010101-20031231"}, lambda row: "20010101" <= row[STUDY_DATE] <= "20031231"),
    ("-S", "STUDY", {"StudyDate": "20040101-"}, lambda row: row[STUDY_DATE] >= "20040101"),
    ("-S", "STUDY", {"StudyDate": "-19951231"}, lambda row: "" < row[STUDY_DATE] <= "19951231"),
    ("-S", "STUDY", {"PatientID": ""}, lambda row: True),
    ("-S", "SERIES", {"Modality": "CR"}, lambda row: row[0x00080060] == "CR"),
    ("-S", "IMAGE", {"StudyInstanceUID": "{largest}"}, lambda row: True),
]


@pytest.mark.parametrize("syntax", ["-xe", "-xi"])
@pytest.mark.parametrize(("root", "level", "keys", "expected"), QUERIES)
def test_findscu_gets_the_rows_that_match_and_no_others(
    provider: QueryProvider, table: Table, tmp_path: Path, syntax: str, root: str, level: str, keys: dict[str, str], expected: Any
) -> None:
    study = largest_study(table)
    keys = {name: value.format(largest=study) for name, value in keys.items()}
    key = LEVELS[level][0]
    keys = {f"{key >> 16:04x},{key & 0xFFFF:04x}": "", **keys}
    said = dcmtk("findscu", provider.port, level, keys, root, syntax, "-X", "-od", str(tmp_path))
    rows = [row for row in table.levels[level] if expected(row)]
    wanted = {row[key] for row in rows if keys.get("StudyInstanceUID", row[STUDY]) == row[STUDY]}
    assert wanted, "a query that finds nothing shows nothing"
    assert {str(answer[key].value) for answer in found(tmp_path)} == wanted, said


def test_a_list_of_uids_finds_each_of_them(
    table: Table, tmp_path: Path, secured: Secured | None, options: tuple[str, ...]
) -> None:
    studies = [row[STUDY] for row in table.levels["STUDY"]][:3]
    keys = {"StudyInstanceUID": "\\".join(studies)}
    (directory := tmp_path / "found").mkdir()
    with QueryProvider(table, tls=secured) as provider:
        dcmtk("findscu", provider.port, "STUDY", keys, "-S", "-X", "-od", str(directory), *options)
    assert sorted(str(answer.StudyInstanceUID) for answer in found(directory)) == sorted(studies)


def test_a_match_has_what_was_asked_for_at_its_level_and_above(provider: QueryProvider, table: Table, tmp_path: Path) -> None:
    row = table.levels["STUDY"][0]
    keys = {"StudyInstanceUID": row[STUDY], "PatientName": "", "StudyDescription": "", "SeriesInstanceUID": ""}
    dcmtk("findscu", provider.port, "STUDY", keys, "-S", "-X", "-od", str(tmp_path))
    (answer,) = found(tmp_path)
    assert (str(answer.PatientName), answer.StudyDescription) == (row[PATIENT_NAME], row[STUDY_DESCRIPTION])
    assert answer.SeriesInstanceUID == ""
    assert "PatientID" not in answer


def test_a_level_that_the_model_does_not_have_is_refused_with_the_reason(provider: QueryProvider) -> None:
    said = dcmtk("findscu", provider.port, "PATIENT", {"PatientID": ""}, "-S", "-d")
    assert "0xa900" in said
    assert "PATIENT is not one of STUDY, SERIES, IMAGE" in said


def test_findscu_cancels_a_query_that_has_no_end_of_its_own() -> None:
    row = synthetic_rows(1)[0]

    def endless(request: Request, _data: bytes) -> Iterator[bytes]:
        for number in count():
            identifier = {LEVEL: "STUDY", STUDY: row[STUDY], STUDY_DESCRIPTION: str(number)}
            yield encode_identifier(identifier, request.transfer_syntax)

    with QueryProvider(Table([]), services={CommandField.C_FIND_RQ: found_by(endless)}) as provider:
        said = dcmtk("findscu", provider.port, "STUDY", {"StudyInstanceUID": ""}, "-S", "-d", "--cancel", "5", expect=None)
    assert "0xfe00" in said


def test_getscu_gets_a_study_byte_for_byte_over_the_association_that_asks(table: Table, tmp_path: Path) -> None:
    study = largest_study(table)
    with QueryProvider(table) as provider:
        said = dcmtk("getscu", provider.port, "STUDY", {"StudyInstanceUID": study}, "-S", "+B", "-od", str(tmp_path))
    received = {str(dcmread(path).SOPInstanceUID): path for path in tmp_path.iterdir()}
    assert set(received) == of_study(table, study), said
    for uid, path in received.items():
        assert data_set_bytes(path) == data_set_bytes(table.files[uid])
    assert re.search(rf"Number of Completed Suboperations\s*: {len(received)}", said)


def test_movescu_has_a_study_sent_to_a_third_party(
    table: Table, tmp_path: Path, secured: Secured | None, options: tuple[str, ...]
) -> None:
    """The objects go over TLS where the destination wants it; movescu itself has none."""
    study = largest_study(table)
    with (
        Storescp(tmp_path / "received", options=options) as destination,
        QueryProvider(table, {"THIRD": ("127.0.0.1", destination.port)}, destination_tls=secured) as provider,
    ):
        said = dcmtk("movescu", provider.port, "STUDY", {"StudyInstanceUID": study}, "-S", "-d", "-aem", "THIRD")
        received = destination.received()
    assert set(received) == of_study(table, study), said
    for uid, (path,) in received.items():
        assert data_set_bytes(path) == data_set_bytes(table.files[uid])
    assert "0x0000: Success" in said


def test_an_unknown_move_destination_is_named_so(provider: QueryProvider, table: Table) -> None:
    said = dcmtk(
        "movescu", provider.port, "STUDY", {"StudyInstanceUID": largest_study(table)}, "-S", "-d", "-aem", "NOBODY", expect=None
    )
    assert "0xa801" in said


def identifier(**keys: str) -> Dataset:
    dataset = Dataset()
    for keyword, value in keys.items():
        setattr(dataset, keyword, value)
    return dataset


def test_pynetdicom_finds_the_images_of_a_series(provider: QueryProvider, table: Table) -> None:
    study = largest_study(table)
    ae = AE()
    ae.add_requested_context(PatientRootQueryRetrieveInformationModelFind)
    association = ae.associate("127.0.0.1", provider.port)
    query = identifier(QueryRetrieveLevel="IMAGE", StudyInstanceUID=study, SOPInstanceUID="")
    answers = list(association.send_c_find(query, PatientRootQueryRetrieveInformationModelFind))
    association.release()
    assert [status.Status for status, _ in answers] == [0xFF00] * (len(answers) - 1) + [0]
    assert {str(answer.SOPInstanceUID) for _, answer in answers[:-1]} == of_study(table, study)


@pytest.mark.parametrize(("answered", "final", "counts"), [(0x0000, 0x0000, (5, 0, 0)), (0xB007, 0xB000, (0, 0, 5))])
def test_pynetdicom_gets_what_it_asks_for_and_the_counts_of_it(
    provider: QueryProvider, table: Table, answered: int, final: int, counts: tuple[int, int, int]
) -> None:
    rows = [row for row in table.rows if row[0x00080016] == CTImageStorage]
    series = max({row[0x0020000E] for row in rows}, key=lambda uid: sum(row[0x0020000E] == uid for row in rows))
    wanted = {row[SOP_INSTANCE] for row in rows if row[0x0020000E] == series}
    assert len(wanted) == sum(counts)
    got = []
    ae = AE()
    ae.add_requested_context(PatientRootQueryRetrieveInformationModelGet)
    ae.add_requested_context(CTImageStorage, "1.2.840.10008.1.2.1")

    def store(event: evt.Event) -> int:
        got.append(str(event.request.AffectedSOPInstanceUID))
        return answered

    roles = [build_role(CTImageStorage, scp_role=True)]
    association = ae.associate("127.0.0.1", provider.port, ext_neg=roles, evt_handlers=[(evt.EVT_C_STORE, store)])
    query = identifier(QueryRetrieveLevel="SERIES", PatientID="", SeriesInstanceUID=series)
    answers = list(association.send_c_get(query, PatientRootQueryRetrieveInformationModelGet))
    association.release()
    assert set(got) == wanted
    remaining = [status.NumberOfRemainingSuboperations for status, _ in answers[:-1]]
    assert remaining == list(range(len(wanted) - 1, 0, -1))
    last = answers[-1][0]
    assert last.Status == final
    told = (last.NumberOfCompletedSuboperations, last.NumberOfFailedSuboperations, last.NumberOfWarningSuboperations)
    assert told == counts


def test_what_a_destination_refuses_is_counted_and_named(table: Table) -> None:
    study = largest_study(table)
    wanted = sorted(of_study(table, study))
    originators = []

    def store(event: evt.Event) -> int:
        request = event.request
        originators.append((request.MoveOriginatorApplicationEntityTitle, request.MoveOriginatorMessageID))
        return 0xA700 if request.AffectedSOPInstanceUID == wanted[0] else 0x0000

    destination = AE("THIRD")
    destination.add_supported_context(CTImageStorage)
    server = destination.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, store)])
    port = server.socket.getsockname()[1]
    with QueryProvider(table, {"THIRD": ("127.0.0.1", port)}) as provider:
        ae = AE("MOVER")
        ae.add_requested_context(PatientRootQueryRetrieveInformationModelMove)
        association = ae.associate("127.0.0.1", provider.port)
        query = identifier(QueryRetrieveLevel="STUDY", PatientID="", StudyInstanceUID=study)
        answers = list(association.send_c_move(query, "THIRD", PatientRootQueryRetrieveInformationModelMove, msg_id=7))
        association.release()
    server.shutdown()
    status, failed = answers[-1]
    assert status.Status == 0xB000
    assert (status.NumberOfCompletedSuboperations, status.NumberOfFailedSuboperations) == (len(wanted) - 1, 1)
    assert failed.FailedSOPInstanceUIDList == wanted[0]
    assert set(originators) == {("MOVER", 7)}


def test_an_object_that_no_context_was_accepted_for_fails_alone(table: Table) -> None:
    """The destination takes the CT images; the JPEG 2000 object of the same rows has no context there."""
    rows: list[Row] = [{**row, STUDY: "2.25.9"} for row in table.rows if row[PATIENT_ID] in ("1CT1", "8NM1")]
    destination = AE("THIRD")
    destination.add_supported_context(CTImageStorage)
    server = destination.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, lambda _event: 0)])
    port = server.socket.getsockname()[1]
    with QueryProvider(Table(rows, table.files), {"THIRD": ("127.0.0.1", port)}) as provider:
        said = dcmtk("movescu", provider.port, "STUDY", {"StudyInstanceUID": "2.25.9"}, "-S", "-d", "-aem", "THIRD", expect=None)
    server.shutdown()
    assert "0xb000" in said
    assert re.search(r"Completed Suboperations\s*: 1\n", said)
    assert re.search(r"Failed Suboperations\s*: 1\n", said)
