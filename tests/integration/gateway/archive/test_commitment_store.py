"""From which store commitment is answered: what was released to long-term locations is committed to, or not, as is set."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import update

from fileman.files import Image
from gateway_client.commitment.transaction import Reason
from gateway_client.configuration import Peer
from rpcs.routing.destinations import set_online as change_state
from runtime import SystemClock, free_port
from tests.support.archive_site import ArchiveSite
from tests.support.commitment import Modality, Told
from tests.support.exact_contexts import store_exactly
from tests.support.magicstore_objects import Maker
from tests.support.magicstore_tables import EXPLICIT, TABLE_4

CT = next(row for row in TABLE_4 if row.name == "CT Image Storage")
JUKEBOX = 2
#: Where results are told.
PORT = free_port()


@pytest.fixture(scope="module", params=["both", "short-term"])
def answering(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ArchiveSite]:
    """Run an archive for either setting, which tells on associations of its own."""
    settings = {"commitment_from": request.param, "peers": {"MODALITY": Peer("127.0.0.1", PORT)}}
    with ArchiveSite(tmp_path_factory.mktemp("depot"), {"commitment": {"any_called_ae_title": True}}, settings) as depot:
        yield depot


def stored(depot: ArchiveSite, maker: Maker) -> tuple[str, Path]:
    """Have an object filed; give its UID and its file."""
    path = maker.object_of(CT, EXPLICIT)
    store_exactly(maker.directory, depot.title("receiver"), depot.port("receiver"), [path])
    return path.stem, depot.filed([path.stem])[path.stem]


def release(depot: ArchiveSite, uid: str, file: Path) -> Path:
    """Let an image be on the long-term location alone; give its file."""
    copy = depot.directory / "jukebox1" / file.relative_to(depot.directory / "image1")
    copy.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(file, copy)
    values = {"location": None, "jukebox_location": JUKEBOX}
    depot.store.transact(lambda connection: connection.execute(update(Image).where(Image.uid == uid).values(values)))
    return copy


def set_on_line(depot: ArchiveSite, online: bool) -> None:
    """Put the long-term medium on line or off."""
    depot.store.transact(lambda connection: change_state(connection, SystemClock(), JUKEBOX, online))


def told(depot: ArchiveSite, uid: str, transaction: str = "") -> Told:
    """Ask for commitment to an instance, and hear."""
    with Modality(port=PORT) as modality:
        modality.request(depot.port("commitment"), [(CT.uid, uid)], transaction)
        return modality.hears()


def test_what_is_in_short_term_storage_is_committed_to_with_who_gives_it_back(answering: ArchiveSite, maker: Maker) -> None:
    uid, _file = stored(answering, maker)
    answer = told(answering, uid)
    assert (answer.event_type, answer.committed, answer.failed) == (1, [(CT.uid, uid)], [])
    assert answer.retrieve_ae_title == answering.title("short_term")


def test_what_is_in_long_term_storage_alone_is_committed_to_unless_short_term_alone_counts(
    answering: ArchiveSite, maker: Maker
) -> None:
    uid, file = stored(answering, maker)
    release(answering, uid, file)
    answer = told(answering, uid)
    if answering.gateway.configuration.commitment_from == "short-term":
        assert (answer.event_type, answer.committed) == (2, [])
        assert answer.failed == [(CT.uid, uid, Reason.PROCESSING_FAILURE)]
    else:
        assert (answer.event_type, answer.committed, answer.failed) == (1, [(CT.uid, uid)], [])


def test_a_long_term_copy_whose_bytes_are_others_is_not_committed_to(answering: ArchiveSite, maker: Maker) -> None:
    uid, file = stored(answering, maker)
    copy = release(answering, uid, file)
    data = bytearray(copy.read_bytes())
    data[-1] ^= 1
    copy.write_bytes(data)
    answer = told(answering, uid)
    assert (answer.event_type, answer.failed) == (2, [(CT.uid, uid, Reason.PROCESSING_FAILURE)])


def test_what_is_off_line_is_not_committed_to_until_its_medium_is_back(answering: ArchiveSite, maker: Maker) -> None:
    uid, file = stored(answering, maker)
    release(answering, uid, file)
    set_on_line(answering, False)
    try:
        answer = told(answering, uid)
    finally:
        set_on_line(answering, True)
    assert (answer.event_type, answer.failed) == (2, [(CT.uid, uid, Reason.PROCESSING_FAILURE)])
    again = told(answering, uid)
    assert bool(again.committed) == (answering.gateway.configuration.commitment_from == "both")


def test_a_transaction_uid_is_no_longer_valid_for_anything_else(answering: ArchiveSite, maker: Maker) -> None:
    (one, _), (other, _) = stored(answering, maker), stored(answering, maker)
    first = told(answering, one)
    assert first.event_type == 1
    answer = told(answering, other, first.transaction)
    assert (answer.event_type, answer.transaction, answer.committed) == (2, first.transaction, [])
    assert answer.failed == [(CT.uid, other, Reason.DUPLICATE_TRANSACTION)]
