"""Filed objects stay in the spool until who must has committed to them, or their time is over."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway_client.commitment.kept import SPOOL, Kept
from gateway_client.commitment.requests import CommitmentRequests, Taken
from gateway_client.commitment.transaction import CommitmentResult, Reason, Reference
from gateway_client.reception.spool import Spool
from runtime import SettingsError, load_settings
from tests.unit.gateway_client.fakes import Desk

NAME = "ARCHIVE"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path, changes={"delete_after_commitment": (NAME,)})
    yield desk
    desk.close()


def file(desk: Desk, uid: str = "1.2.3.4") -> int:
    """File an object; give its image."""
    desk.receive(uid)
    while desk.step():
        pass
    assert desk.states()[uid] == "FILED"
    return max(desk.imaging.images)


def answer(desk: Desk, image: int, reason: int = 0, name: str = NAME, uid: str = "") -> None:
    """Have a destination answer for an image."""
    requests, now = CommitmentRequests(desk.journal, Kept(desk.journal, desk.configuration).committed), desk.clock.seconds()
    reference = Reference("1.2", uid or desk.imaging.images[image])
    requests.gather(name, [Taken(reference, image)], now, now)
    (asking,) = requests.due(name, now, 1)
    transaction = requests.ask(asking, now, now).transaction
    committed, failed = ((), ((reference, reason),)) if reason else ((reference,), ())
    assert requests.heard(CommitmentResult(transaction, committed, failed), now)


def kept(desk: Desk) -> list[str]:
    return [file.name for file in (desk.configuration.spool / "kept").iterdir()]


def waiting(desk: Desk) -> list[str]:
    return [file.name for file in (desk.configuration.spool / "in").iterdir()]


def test_what_is_filed_is_kept_until_it_is_committed_to(desk: Desk) -> None:
    image, other = file(desk, "1.2.3.4"), file(desk, "1.2.3.5")
    assert (len(kept(desk)), waiting(desk)) == (2, [])
    answer(desk, image, name="READING ROOM")
    desk.step()
    assert len(kept(desk)) == 2
    answer(desk, image)
    desk.step()
    assert len(kept(desk)) == 1
    desk.step()
    told = [(event[1], event[6]) for event in desk.events() if event[2] == "PURGE"]
    assert told == [(str(image), "in the spool, committed to by ARCHIVE")]
    assert Kept(desk.journal, desk.configuration).count(SPOOL) == 1
    assert other != image


@pytest.mark.parametrize("reason", [Reason.NO_SUCH_OBJECT_INSTANCE, None])
def test_what_is_not_committed_to_is_kept_as_long_as_originals(desk: Desk, reason: int | None) -> None:
    image = file(desk)
    if reason is not None:
        answer(desk, image, reason)
    desk.clock.advance(29 * 86400)
    desk.step()
    assert len(kept(desk)) == 1
    desk.clock.advance(86401)
    desk.step()
    assert kept(desk) == []


def test_a_refusal_that_was_mended_counts_as_committed(desk: Desk) -> None:
    image = file(desk)
    answer(desk, image, Reason.NO_SUCH_OBJECT_INSTANCE)
    answer(desk, image)
    desk.step()
    assert kept(desk) == []


def test_a_commitment_to_another_instance_frees_nothing(desk: Desk) -> None:
    """The image's number was given again, or the destination was sent less than the image before settings forbade it."""
    image = file(desk)
    answer(desk, image, uid="1.2.99")
    desk.step()
    assert len(kept(desk)) == 1
    answer(desk, image)
    desk.step()
    assert kept(desk) == []


def test_a_kill_between_journal_and_spool_leaves_it_kept(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Spool, "retain", lambda _spool, _name: None)
        image = file(desk)
    assert len(waiting(desk)) == 1
    desk.restart()
    assert (len(kept(desk)), waiting(desk)) == (1, [])
    answer(desk, image)
    with monkeypatch.context() as patch:  # the file went, the journal did not hear of it
        patch.setattr(Kept, "forget", lambda *_: None)
        desk.step()
    desk.restart()
    desk.step()
    assert (kept(desk), Kept(desk.journal, desk.configuration).count(SPOOL)) == ([], 0)


def test_what_cannot_be_removed_stops_no_filing_and_goes_later(desk: Desk) -> None:
    answer(desk, file(desk))
    (name,) = kept(desk)
    stuck = desk.configuration.spool / "kept" / name
    stuck.unlink()
    stuck.mkdir()
    desk.step()
    file(desk, "1.2.3.5")
    assert stuck.exists()
    stuck.rmdir()
    desk.step()
    assert Kept(desk.journal, desk.configuration).count(SPOOL) == 2, "it is not tried all the time"
    desk.clock.advance(60)
    desk.step()
    assert Kept(desk.journal, desk.configuration).count(SPOOL) == 1


def test_nothing_is_kept_unless_it_is_asked_for(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    file(desk)
    assert (kept(desk), waiting(desk)) == ([], [])
    desk.close()


def test_what_was_kept_goes_in_time_though_nobody_has_to_commit_any_more(desk: Desk) -> None:
    file(desk)
    desk.changes.clear()
    desk.restart()
    assert len(kept(desk)) == 1
    desk.clock.advance(30 * 86400 + 1)
    desk.step()
    assert kept(desk) == []


@pytest.mark.parametrize(
    "table", ['[gateway]\ndelete_after_commitment = ["A"]\n', '[gateway.destination."OUT"]\ndelete_after_commitment = ["A"]\n']
)
def test_who_is_never_asked_to_commit_or_gets_something_else_is_not_waited_for(tmp_path: Path, table: str) -> None:
    settings = tmp_path / "settings.toml"
    settings.write_text(table)
    with pytest.raises(SettingsError, match='delete_after_commitment names "A", which needs commit = true'):
        load_settings(settings)
    for name in ("*", "A"):
        settings.write_text(f'{table}[gateway.destination."{name}"]\ncommit = true\n')
        assert load_settings(settings)
    for less in ('deidentify = "basic"', 'transcode = ["explicit", "jpeg-baseline"]'):
        settings.write_text(f'{table}[gateway.destination."A"]\ncommit = true\n{less}\n')
        with pytest.raises(SettingsError, match="which gets less than the image"):
            load_settings(settings)
