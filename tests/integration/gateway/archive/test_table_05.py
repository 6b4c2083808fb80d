"""Table 5 of the MagicStore statement: C-FIND by each information model in each transfer syntax, and by DCMTK's findscu."""

from __future__ import annotations

from pathlib import Path

import pytest
from pynetdicom import AE

from fileman.worklist import add_steps
from tests.integration.gateway.archive.samples import PATIENT_ID, STUDY
from tests.integration.gateway.archive.worklist_samples import ENTRIES, EXAMPLES, FULL
from tests.support.archive_site import ROOT, SUFFIXES, ArchiveSite
from tests.support.magicstore_tables import OTHER_PREFERENCE, TABLE_5, ContextRow

WORKLIST = "1.2.840.10008.5.1.4.31"
EACH = [(row, syntax) for row in TABLE_5 for syntax in row.transfer_syntaxes]
OF_STUDY = {"PatientID": PATIENT_ID, "StudyInstanceUID": STUDY}
#: By abstract syntax the information model, the level, keys that have one match, and the entities that answer.
ASKED = {
    "1.2.840.10008.5.1.4.1.2.1.1": ("patient", "STUDY", OF_STUDY, ("short_term", "long_term")),
    "1.2.840.10008.5.1.4.1.2.2.1": ("study", "STUDY", {"StudyInstanceUID": STUDY}, ("short_term", "long_term")),
    "1.2.840.10008.5.1.4.1.2.3.1": ("patient/study", "STUDY", OF_STUDY, ("short_term", "long_term")),
    WORKLIST: ("worklist", "", {"AccessionNumber": FULL}, ("long_term",)),
}
NAMES = {WORKLIST: EXAMPLES["PatientName"].values[0]}
PATIENT = "DEMO^PATIENT ONE"


@pytest.fixture(scope="module", autouse=True)
def entries(archive: ArchiveSite) -> None:
    """Put the samples onto the worklist."""
    archive.store.transact(lambda connection: add_steps(connection, ENTRIES))


@pytest.mark.parametrize(("row", "syntax"), EACH, ids=lambda it: it.name if isinstance(it, ContextRow) else it)
def test_each_model_is_asked_in_each_transfer_syntax(archive: ArchiveSite, row: ContextRow, syntax: str) -> None:
    model, level, keys, roles = ASKED[row.uid]
    for role in roles:
        found = archive.find(level, {"PatientName": "", **keys}, model, role, syntax)
        assert (found.status, len(found.matches)) == (0x0000, 1), role
        assert found.matches[0].PatientName == NAMES.get(row.uid, PATIENT)


@pytest.mark.parametrize("row", TABLE_5, ids=lambda row: row.name)
def test_findscu_hears_the_same_match(archive: ArchiveSite, tmp_path: Path, row: ContextRow) -> None:
    model, level, keys, roles = ASKED[row.uid]
    asked = [*([f"QueryRetrieveLevel={level}"] if level else []), "PatientName", *(f"{name}={it}" for name, it in keys.items())]
    for role in roles:
        (match,) = archive.findscu(tmp_path / role, model, asked, role)
        assert match.PatientName == NAMES.get(row.uid, PATIENT)


@pytest.mark.parametrize("row", TABLE_5, ids=lambda row: row.name)
def test_of_the_three_transfer_syntaxes_the_preferred_one_is_taken(archive: ArchiveSite, row: ContextRow) -> None:
    for role in ASKED[row.uid][3]:
        ae = AE("WORKSTATION")
        ae.add_requested_context(row.uid, list(row.transfer_syntaxes))
        association = ae.associate("127.0.0.1", archive.port(role), ae_title=ROOT + SUFFIXES[role])
        assert [it.transfer_syntax[0] for it in association.accepted_contexts] == [OTHER_PREFERENCE[0]]
        association.release()


def test_a_short_term_entity_takes_no_worklist_query(archive: ArchiveSite) -> None:
    ae = AE("WORKSTATION")
    ae.add_requested_context(WORKLIST)
    ae.add_requested_context(TABLE_5[0].uid)
    association = ae.associate("127.0.0.1", archive.port("short_term"), ae_title=ROOT + SUFFIXES["short_term"])
    assert [str(it.abstract_syntax) for it in association.accepted_contexts] == [TABLE_5[0].uid]
    association.release()
