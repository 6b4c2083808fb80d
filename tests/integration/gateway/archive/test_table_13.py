"""Table 13, storage commitment: asked of the commitment entity in each transfer syntax, answered by event types 1 and 2."""

from __future__ import annotations

from pathlib import Path

import pytest
from pynetdicom import AE

from tests.support.archive_site import ArchiveSite
from tests.support.commitment import Modality
from tests.support.exact_contexts import store_exactly
from tests.support.magicstore_objects import Maker
from tests.support.magicstore_tables import EXPLICIT, OTHER_PREFERENCE, TABLE_4, TABLE_13, ContextRow

CT = next(row for row in TABLE_4 if row.name == "CT Image Storage")
EACH = [(row, syntax) for row in TABLE_13 for syntax in row.transfer_syntaxes]


@pytest.fixture(scope="module")
def committed(depot: ArchiveSite, maker: Maker) -> Path:
    """Have an object filed."""
    path = maker.object_of(CT, EXPLICIT)
    store_exactly(maker.directory, depot.title("receiver"), depot.port("receiver"), [path])
    depot.filed([path.stem])
    return path


@pytest.mark.parametrize(("row", "syntax"), EACH, ids=lambda value: value.name if isinstance(value, ContextRow) else value)
def test_what_is_stored_is_committed_and_what_is_not_fails_in_each_transfer_syntax(
    depot: ArchiveSite, committed: Path, row: ContextRow, syntax: str
) -> None:
    assert row.uid == "1.2.840.10008.1.20.1"
    stored, missing = (CT.uid, committed.stem), (CT.uid, "1.2.3.4.5")
    with (
        Modality(syntaxes=(syntax,)) as modality,
        modality.association(depot.port("commitment"), depot.title("commitment")) as association,
    ):
        contexts = {str(it.abstract_syntax): str(it.transfer_syntax[0]) for it in association.accepted_contexts}
        assert contexts[row.uid] == syntax
        status, transaction = modality.ask(association, [stored])
        assert status == 0x0000
        told = modality.hears()
        assert (told.event_type, told.transaction, told.committed, told.failed) == (1, transaction, [stored], [])
        assert told.retrieve_ae_title == depot.title("short_term")
        status, transaction = modality.ask(association, [stored, missing])
        assert status == 0x0000
        told = modality.hears()
        assert (told.event_type, told.transaction, told.committed) == (2, transaction, [stored])
        assert told.failed == [(*missing, 0x0112)]


def test_of_the_three_it_takes_the_one_that_it_prefers(depot: ArchiveSite) -> None:
    (row,) = TABLE_13
    ae = AE("PEER")
    ae.add_requested_context(row.uid, list(row.transfer_syntaxes))
    association = ae.associate("127.0.0.1", depot.port("commitment"), ae_title=depot.title("commitment"))
    (context,) = association.accepted_contexts
    association.release()
    assert context.transfer_syntax == [OTHER_PREFERENCE[0]]


def test_the_instances_uid_that_the_table_prints_is_no_abstract_syntax(depot: ArchiveSite) -> None:
    (row,) = TABLE_13
    ae = AE("PEER")
    ae.add_requested_context(row.printed, list(row.transfer_syntaxes))
    association = ae.associate("127.0.0.1", depot.port("commitment"), ae_title=depot.title("commitment"))
    assert association.accepted_contexts == []
    association.abort()
