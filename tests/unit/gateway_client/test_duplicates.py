"""Objects that come again: the very same is dropped, another under the same UID is held, what is gone is filed anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from pydicom import dcmread

from gateway_client.objects.part10 import FileMeta, digest_of
from gateway_client.reception.spool import Origin
from tests.unit.gateway_client.fakes import CT, EXPLICIT, Desk, stored_file
from xwb import MError


def test_one_sop_instance_uid_is_never_twice_in_a_batch_and_the_same_object_again_is_dropped(desk: Desk) -> None:
    desk.receive("1.2.1")
    desk.receive("1.2.1")
    while desk.step():
        pass
    assert sum(line.startswith("STORE1") for request in desk.requests() for line in request) == 1
    assert desk.journal.counts() == {"FILED": 1, "DUPLICATE": 1}
    assert desk.spool.names() == []


def test_another_object_under_a_filed_uid_is_held_with_the_reason(desk: Desk) -> None:
    desk.receive("1.2.1")
    desk.step()
    other = desk.receive("1.2.1", extra=b"\x28\x00\x10\x00US\x02\x00\x80\x00")
    while desk.step():
        pass
    assert desk.journal.counts() == {"FILED": 1, "REFUSED": 1}
    assert desk.spool.names() == []
    assert digest_of(desk.spool.held_path(other.name)) == other.digest
    assert desk.events()[-1][5:] == ["refused", "UID = 1.2.1"]


def test_an_object_that_another_gateway_filed_is_held_not_dropped(desk: Desk) -> None:
    desk.imaging.images[2] = "1.2.1"
    file = desk.receive("1.2.1")
    desk.step()
    assert desk.states() == {"1.2.1": "REFUSED"}
    assert desk.spool.held_path(file.name).exists()


def test_a_duplicate_is_dropped_only_when_the_filed_one_is_really_there(desk: Desk) -> None:
    """The journal says filed, the archive has lost the file: the second object is then the only one."""
    desk.receive("1.2.1")
    desk.step()
    stored_file(desk, 2).write_bytes(b"overwritten by something")
    with desk.journal.transaction() as connection:
        connection.execute("UPDATE instance SET digest='of the file as it was'")
    desk.receive("1.2.1")
    while desk.step():
        pass
    assert desk.journal.counts() == {"FILED": 1, "REFUSED": 1}


def test_what_was_deleted_on_file_is_filed_anew_when_it_is_sent_again(desk: Desk) -> None:
    desk.receive("1.2.1")
    desk.step()
    stored_file(desk, 2).unlink()
    desk.imaging.images.clear()
    desk.receive("1.2.1")
    while desk.step():
        pass
    assert desk.journal.counts() == {"FILED": 2}
    assert stored_file(desk, 4).exists()


@pytest.mark.parametrize("known", [True, False])
def test_a_copy_of_what_was_moved_on_file_is_dropped(desk: Desk, known: bool) -> None:
    """As to the jukebox; a VistA does not say where an instance lies, there the journal counts."""
    file = desk.receive("1.2.1")
    desk.step()
    stored_file(desk, 2).unlink()

    def files(uids: Sequence[str]) -> list[str]:
        if not known:
            raise MError("no such procedure")
        return [f"{uid}^2^{file.digest}^\\\\JUKEBOX\\SL2.DCM" for uid in uids]

    desk.broker.handlers["MAGB INSTANCE FILES"] = files
    desk.receive("1.2.1")
    while desk.step():
        pass
    assert desk.journal.counts() == {"FILED": 1, "DUPLICATE": 1}


def test_names_are_normalised_before_the_journal_knows_an_object_and_what_comes_again_is_known(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    configuration = replace(desk.configuration, normalise_patient_name=True)
    monkeypatch.setattr(desk.storing, "_configuration", configuration)
    lower = b"".join((b"\x10\x00\x10\x00PN\x08\x00Doe^John", b"\x20\x00\x0d\x00UI\x06\x001.2.3\0"))
    head = b"\x08\x00\x16\x00UI\x1a\x001.2.840.10008.5.1.4.1.1.2\0\x08\x00\x18\x00UI\x06\x001.2.99"
    for _ in range(2):
        writer = desk.spool.begin(FileMeta(CT, "1.2.99", EXPLICIT), Origin())
        writer.write(head + lower)
        desk.storing.received(writer.commit())
        while desk.step():
            pass
    assert desk.journal.counts() == {"FILED": 1, "DUPLICATE": 1}
    (store,) = [line for request in desk.requests() for line in request if line.startswith("STORE1")]
    assert store.split("|")[8] == "DOE^JOHN"
    filed = dcmread(stored_file(desk, 2))
    assert (filed.PatientName, filed[0x00911020].value) == ("DOE^JOHN", "Doe^John")
