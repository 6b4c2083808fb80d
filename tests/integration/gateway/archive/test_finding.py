"""C-FIND at the archive's entities with a real broker: what settings change, how queries fail, and what makes no difference."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE
from pynetdicom.pdu_primitives import SOPClassExtendedNegotiation

from broker import Listener
from dul import Exchange, c_find, propose
from fileman import SiteKey
from tests.integration.gateway.archive.samples import (
    IMAGES,
    OTHER_PATIENT_ID,
    OTHER_STUDY,
    PATIENT_ID,
    STATES,
    STUDY,
    sample_objects,
)
from tests.support.archive_site import MODELS, ROOT, SUFFIXES, ArchiveSite
from tests.support.archived_objects import archive_objects, invent_objects
from tests.support.asking import Asking
from tests.support.broker import RunningBroker
from tests.support.identifiers import encode_identifier

STUDY_ROOT = MODELS["study"][0]
#: The other way round than entities are by default.
CHANGED = {
    "short_term": {
        "relational": False,
        "fold_names": True,
        "match_limit": 1,
        "wrap_request_attributes": False,
        "transfer_syntaxes": ["implicit", "explicit"],
    },
    "long_term": {"relational": True, "study_level_only": False},
}


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ArchiveSite]:
    with ArchiveSite(tmp_path_factory.mktemp("changed"), entities=CHANGED) as site:
        site.keep(sample_objects())
        yield site


SERIES_OF_PATIENT = {"PatientID": PATIENT_ID, "SeriesInstanceUID": ""}
OF_STUDY = {"StudyInstanceUID": STUDY, "SeriesInstanceUID": ""}


def test_a_relational_entity_needs_no_keys_of_the_levels_above(archive: ArchiveSite, changed: ArchiveSite) -> None:
    for site, role in ((archive, "short_term"), (changed, "long_term")):
        found = site.find("SERIES", SERIES_OF_PATIENT, role=role)
        assert (found.status, {*found.by("SeriesInstanceUID")}) == (0x0000, {IMAGES, STATES})


def test_an_entity_that_is_not_relational_wants_them_and_says_which(changed: ArchiveSite) -> None:
    refused = changed.find("SERIES", SERIES_OF_PATIENT)
    assert (refused.status, refused.comment) == (0xA900, "Study Instance UID is missing, of the level above")
    assert changed.find("SERIES", {**OF_STUDY, "Modality": "CT"}).by("SeriesInstanceUID").keys() == {IMAGES}


@pytest.mark.parametrize(("role", "relational"), [("short_term", b"\x01"), ("long_term", b"\x00")])
def test_extended_negotiation_says_whether_queries_are_relational(archive: ArchiveSite, role: str, relational: bytes) -> None:
    wanted = SOPClassExtendedNegotiation()
    wanted.sop_class_uid, wanted.service_class_application_information = STUDY_ROOT, b"\x01"
    ae = AE("WORKSTATION")
    ae.add_requested_context(STUDY_ROOT)
    association = ae.associate("127.0.0.1", archive.port(role), ae_title=ROOT + SUFFIXES[role], ext_neg=[wanted])
    assert association.is_established
    assert association.acceptor.sop_class_extended == {STUDY_ROOT: relational}
    association.release()


def test_the_case_of_names_counts_unless_an_entity_is_told_otherwise(archive: ArchiveSite, changed: ArchiveSite) -> None:
    for pattern, exact in (("DEMO^PATIENT*", True), ("demo^patient*", False), ("Demo^Patient One", False)):
        keys = {"PatientName": pattern, "StudyInstanceUID": ""}
        assert archive.find("STUDY", keys).by("StudyInstanceUID").keys() == ({STUDY} if exact else set())
        assert changed.find("STUDY", keys).by("StudyInstanceUID").keys() == {STUDY}


def test_a_requested_procedure_id_is_told_in_its_sequence_or_outside(archive: ArchiveSite, changed: ArchiveSite) -> None:
    keys = {**OF_STUDY, "Modality": "CT", "RequestedProcedureID": ""}
    (wrapped,) = archive.find("SERIES", keys).matches
    assert [item.RequestedProcedureID for item in wrapped.RequestAttributesSequence] == ["RP-1", "RP-2"]
    assert "RequestedProcedureID" not in wrapped
    (flat,) = changed.find("SERIES", keys).matches
    assert list(flat.RequestedProcedureID) == ["RP-1", "RP-2"]
    assert "RequestAttributesSequence" not in flat


def test_beyond_the_match_limit_a_query_fails_after_so_many_matches(changed: ArchiveSite) -> None:
    found = changed.find("STUDY", {"StudyInstanceUID": ""})
    assert (found.status, len(found.matches)) == (0xA700, 1)
    assert found.comment == "Match overflow: there are more than 1 matches"
    assert changed.find("STUDY", {"StudyInstanceUID": OTHER_STUDY}).status == 0x0000


@pytest.mark.parametrize(
    ("level", "keys", "comment"),
    [
        ("", {"StudyInstanceUID": STUDY}, "Query/Retrieve Level is missing"),
        ("PATIENT", {"PatientID": ""}, "PATIENT is no level here: STUDY, SERIES, IMAGE"),
        ("FRAME", {"StudyInstanceUID": ""}, "FRAME is no level here: STUDY, SERIES, IMAGE"),
        ("STUDY", {"StudyDate": "yesterday"}, "'yesterday' of 00080020 is no date"),
    ],
)
def test_what_is_no_query_is_refused_with_the_reason(
    archive: ArchiveSite, level: str, keys: dict[str, str], comment: str
) -> None:
    found = archive.find(level, keys)
    assert (found.status, len(found.matches)) == (0xA900, 0)
    assert found.comment.startswith(comment), found.comment
    assert len(found.comment) <= 64, "an Error Comment is a LO"


def test_an_optional_key_that_is_not_supported_is_warned_of_with_each_match(archive: ArchiveSite) -> None:
    found = archive.find("STUDY", {"StudyInstanceUID": "", "PatientComments": "X"})
    assert (found.statuses, len(found.matches), found.status) == ({0xFF01}, 2, 0x0000)


@pytest.mark.parametrize("priority", [0, 1, 2])
def test_priority_makes_no_difference(archive: ArchiveSite, priority: int) -> None:
    found = archive.find("STUDY", {"StudyInstanceUID": ""}, priority=priority)
    assert {*found.by("StudyInstanceUID")} == {STUDY, OTHER_STUDY}


def test_modalities_counts_and_who_has_them_are_told_of_a_study(archive: ArchiveSite) -> None:
    names = ("ModalitiesInStudy", "NumberOfStudyRelatedSeries", "NumberOfStudyRelatedInstances", "StorageMediaFileSetID")
    (study,) = archive.find("STUDY", {"StudyInstanceUID": STUDY, "RetrieveAETitle": "", **dict.fromkeys(names, "")}).matches
    assert [list(study.ModalitiesInStudy), *(study[name].value for name in names[1:])] == [["CT", "PR"], 2, 3, "INSTORE"]
    assert study.RetrieveAETitle == f"{ROOT}DQRY"
    (patient,) = archive.find("PATIENT", {"PatientID": OTHER_PATIENT_ID, "NumberOfPatientRelatedStudies": ""}, "patient").matches
    assert patient.NumberOfPatientRelatedStudies == 1
    found = archive.find("STUDY", {"StudyInstanceUID": "", "ModalitiesInStudy": "PR"})
    assert {*found.by("StudyInstanceUID")} == {STUDY}


@pytest.mark.parametrize(
    ("role", "preferred"),
    [("short_term", ExplicitVRBigEndian), ("long_term", ExplicitVRBigEndian), ("changed", ImplicitVRLittleEndian)],
)
def test_the_acceptor_prefers_transfer_syntaxes_in_the_order_of_its_settings(
    archive: ArchiveSite, changed: ArchiveSite, role: str, preferred: str
) -> None:
    site, role = (changed, "short_term") if role == "changed" else (archive, role)
    ae = AE("WORKSTATION")
    ae.add_requested_context(STUDY_ROOT, [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian])
    association = ae.associate("127.0.0.1", site.port(role), ae_title=ROOT + SUFFIXES[role])
    assert [context.transfer_syntax[0] for context in association.accepted_contexts] == [preferred]
    association.release()


def test_where_an_entity_names_who_may_ask_nobody_asks_at_the_gateways_own_port(tmp_path: Path) -> None:
    with ArchiveSite(tmp_path, entities={"short_term": {"calling_ae_titles": ["VIEWER"]}}) as archive:
        for calling, port, title, taken in (
            ("VIEWER", archive.port("short_term"), f"{ROOT}DQRY", True),
            ("STRANGER", archive.port("short_term"), f"{ROOT}DQRY", False),
            ("STRANGER", archive.gateway.port, "MAGBROKER", False),
            ("VIEWER", archive.gateway.port, "MAGBROKER", False),
        ):
            ae = AE(calling)
            ae.add_requested_context(STUDY_ROOT)
            association = ae.associate("127.0.0.1", port, ae_title=title)
            assert association.is_established is taken, (calling, title)
            if taken:
                association.release()


def test_a_query_of_many_matches_ends_soon_when_it_is_cancelled(tmp_path: Path) -> None:
    identifier = encode_identifier({0x00080052: "IMAGE", 0x00080018: ""}, ExplicitVRLittleEndian)
    objects = invent_objects(Random(1), 400)

    async def ask(exchange: Exchange) -> tuple[int, int | None]:
        taken = 0
        answers = c_find(exchange, STUDY_ROOT, identifier)
        async with answers:
            async for _match in answers:
                taken += 1
                break
        assert answers.final is not None
        return taken, answers.final.command.status

    limit = {"short_term": {"match_limit": 1_000_000}}
    with ArchiveSite(tmp_path, entities=limit) as archive, Asking() as asking:
        archive.store.transact(lambda connection: archive_objects(connection, objects, 1))
        request = propose(f"{ROOT}DQRY", "WORKSTATION", [(STUDY_ROOT, (ExplicitVRLittleEndian,))])
        assert asking.over(archive.port("short_term"), request, ask) == (1, 0xFE00)


def test_without_a_broker_a_query_fails_with_the_reason_and_is_answered_when_it_is_back(tmp_path: Path) -> None:
    keys = {"StudyInstanceUID": STUDY}
    with ArchiveSite(tmp_path) as archive:
        archive.keep(sample_objects())
        port = archive.broker.port
        archive.broker.stop()
        failed = archive.find("STUDY", keys)
        assert (failed.status, len(failed.matches)) == (0xA700, 0)
        assert failed.comment
        archive.broker = RunningBroker(
            archive.store, SiteKey.load_or_create(tmp_path / "site.key"), listeners={"broker": Listener(port)}
        )
        found = archive.find("STUDY", keys)
        assert (found.status, len(found.matches)) == (0x0000, 1)
