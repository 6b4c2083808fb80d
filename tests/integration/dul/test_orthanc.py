"""Orthanc queries our provider and has objects moved to itself; our SCU stores, finds, moves and gets at Orthanc."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

from pydicom.filereader import read_dataset

from dul import (
    AS_SCP,
    CommandField,
    Exchange,
    Progress,
    Response,
    c_echo,
    c_find,
    c_get,
    c_move,
    c_store,
    propose,
)
from tests.support import orthanc
from tests.support.asking import Asking, storing
from tests.support.dicom import Storescp, data_set_bytes
from tests.support.identifiers import (
    LEVEL,
    SERIES,
    SOP_CLASS,
    SOP_INSTANCE,
    STUDY,
    SYNTAXES,
    decode_identifier,
    encode_identifier,
)
from tests.support.orthanc import Orthanc
from tests.support.query_provider import FIND, GET, MOVE, STUDY_ROOT, QueryProvider, Row, Table

EXPLICIT = SYNTAXES[0]


def largest_series(table: Table) -> list[Row]:
    series = [row[SERIES] for row in table.rows]
    most = max(series, key=series.count)
    return [row for row in table.rows if row[SERIES] == most]


def pixels(data_sets: dict[str, bytes]) -> dict[str, bytes]:
    return {uid: bytes(read_dataset(BytesIO(data), False, True).PixelData) for uid, data in data_sets.items()}


def test_orthanc_finds_a_study_at_ours_and_has_it_moved_to_itself(table: Table, tmp_path: Path) -> None:
    with QueryProvider(table) as provider, Orthanc(tmp_path, {"TABLE": provider.port}) as archive:
        provider.destinations = {orthanc.AE_TITLE: ("127.0.0.1", archive.port)}
        rows = largest_series(table)
        study = rows[0][STUDY]
        archive.post("/modalities/TABLE/echo", {})
        query = archive.post("/modalities/TABLE/query", {"Level": "Study", "Query": {"StudyInstanceUID": study}})
        answers = archive.get(f"{query['Path']}/answers?expand&simplify")
        archive.post(f"{query['Path']}/retrieve", {"TargetAet": orthanc.AE_TITLE, "Synchronous": True})
        instances = archive.get("/instances?expand")
    assert [answer["StudyInstanceUID"] for answer in answers] == [study]
    received = {instance["MainDicomTags"]["SOPInstanceUID"] for instance in instances}
    assert received == {row[SOP_INSTANCE] for row in table.rows if row[STUDY] == study}


def test_what_ours_stores_at_orthanc_is_found_moved_and_gotten_again(asking: Asking, table: Table, tmp_path: Path) -> None:
    rows = largest_series(table)
    sop_class, wanted = rows[0][SOP_CLASS], {row[SOP_INSTANCE]: table.files[row[SOP_INSTANCE]] for row in rows}
    series = {STUDY: rows[0][STUDY], SERIES: rows[0][SERIES]}
    received: dict[str, bytes] = {}

    async def store(exchange: Exchange) -> None:
        for uid, path in wanted.items():
            await c_store(exchange, sop_class, uid, EXPLICIT, data_set_bytes(path))

    async def ask(exchange: Exchange) -> tuple[list[bytes], Response | None, Response | None]:
        await c_echo(exchange)
        images = encode_identifier({LEVEL: "IMAGE", SOP_INSTANCE: "", **series}, EXPLICIT)
        matches = await c_find(exchange, STUDY_ROOT + FIND, images).rest()
        whole = encode_identifier({LEVEL: "SERIES", **series}, EXPLICIT)
        got, moved = c_get(exchange, STUDY_ROOT + GET, whole), c_move(exchange, STUDY_ROOT + MOVE, "THIRD", whole)
        await got.rest()
        await moved.rest()
        return matches, got.final, moved.final

    models = [("1.2.840.10008.1.1", [EXPLICIT]), *((STUDY_ROOT + service, [EXPLICIT]) for service in (FIND, GET, MOVE))]
    request = propose(orthanc.AE_TITLE, "ASKER", [*models, (sop_class, [EXPLICIT])], roles={sop_class: AS_SCP})
    with (
        Storescp(tmp_path / "third") as destination,
        Orthanc(tmp_path / "orthanc", {"THIRD": destination.port}) as archive,
    ):
        asking.over(archive.port, propose(orthanc.AE_TITLE, "ASKER", [(sop_class, [EXPLICIT])]), store)
        matches, got, moved = asking.over(archive.port, request, ask, {CommandField.C_STORE_RQ: storing(received)})
        assert destination.received().keys() == wanted.keys()
    assert {decode_identifier(match, EXPLICIT)[SOP_INSTANCE] for match in matches} == wanted.keys()
    # Orthanc writes data sets anew, so that lengths of sequences may differ
    assert pixels(received) == pixels({uid: data_set_bytes(path) for uid, path in wanted.items()})
    for final in (got, moved):
        assert final is not None
        assert Progress.of(final).completed == len(wanted)
