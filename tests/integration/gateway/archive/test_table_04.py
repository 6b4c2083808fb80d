"""Table 4, storage as SCP: an object of each row, in each of its transfer syntaxes, sent by DCMTK, is kept bit by bit."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom import dcmread
from pynetdicom import AE

from gateway_client.objects.part10 import read_meta
from tests.integration.gateway.conftest import digest_as_sent
from tests.support.archive_site import ArchiveSite
from tests.support.exact_contexts import store_exactly
from tests.support.magicstore_objects import Maker
from tests.support.magicstore_tables import EVERY, IMPLICIT, STORAGE_PREFERENCE, TABLE_4, UNCOMPRESSED, ContextRow

rows = pytest.mark.parametrize("row", TABLE_4, ids=lambda row: row.name)
RLE, JPEG_2000 = "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.90"

Objects = dict[tuple[str, str], Path]


@pytest.fixture(scope="module")
def objects(maker: Maker) -> Objects:
    """Make an object of each row in each of its transfer syntaxes."""
    return {(row.uid, syntax): maker.object_of(row, syntax) for row in TABLE_4 for syntax in row.transfer_syntaxes}


@pytest.fixture(scope="module")
def filed(depot: ArchiveSite, maker: Maker, objects: Objects) -> dict[str, Path]:
    """Send all of them to the receiver; give their files in the store by SOP Instance UID."""
    store_exactly(maker.directory, depot.title("receiver"), depot.port("receiver"), [*objects.values()])
    return depot.filed([path.stem for path in objects.values()])


@rows
def test_an_object_of_each_row_is_kept_as_it_was_sent_in_every_transfer_syntax(
    row: ContextRow, objects: Objects, filed: dict[str, Path]
) -> None:
    for syntax in row.transfer_syntaxes:
        sent = objects[row.uid, syntax]
        kept = filed[sent.stem]
        meta = read_meta(kept)
        assert (meta.sop_class_uid, meta.transfer_syntax) == (row.uid, syntax)
        assert dcmread(kept) == dcmread(sent)
        assert digest_as_sent(kept) == digest_as_sent(sent)


def accepted(depot: ArchiveSite, proposed: list[tuple[str, tuple[str, ...]]]) -> list[str]:
    """Propose contexts to the receiver; give the transfer syntax of each, nothing for one that is not taken."""
    ae = AE("PEER")
    for uid, syntaxes in proposed:
        ae.add_requested_context(uid, list(syntaxes))
    association = ae.associate("127.0.0.1", depot.port("receiver"), ae_title=depot.title("receiver"))
    assert association.is_established
    found = {context.context_id: str(context.transfer_syntax[0]) for context in association.accepted_contexts}
    association.release()
    return [found.get(2 * place + 1, "") for place in range(len(proposed))]


@pytest.mark.parametrize("syntax", EVERY, ids=str)
def test_every_row_is_taken_in_each_syntax_alone(depot: ArchiveSite, syntax: str) -> None:
    proposed = [(row.uid, (syntax,)) for row in TABLE_4 if syntax in row.transfer_syntaxes]
    assert accepted(depot, proposed) == [syntax] * len(proposed)


def test_every_row_is_taken_in_the_syntax_that_the_statement_prefers(depot: ArchiveSite) -> None:
    proposed = [(row.uid, row.transfer_syntaxes) for row in TABLE_4]
    best = [next(it for it in STORAGE_PREFERENCE if it in row.transfer_syntaxes) for row in TABLE_4]
    assert accepted(depot, proposed) == best


def test_what_the_statement_does_not_name_comes_after_what_it_does(depot: ArchiveSite) -> None:
    uid = TABLE_4[0].uid
    assert accepted(depot, [(uid, (RLE, JPEG_2000, IMPLICIT)), (uid, (JPEG_2000, RLE))]) == [IMPLICIT, JPEG_2000]
    assert accepted(depot, [(uid, UNCOMPRESSED)]) == ["1.2.840.10008.1.2.2"]
