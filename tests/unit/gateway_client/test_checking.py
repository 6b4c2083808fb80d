"""What is checked before storage is committed to, where the file lies on a share that comes and goes."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from gateway_client.commitment.checking import Checking
from gateway_client.commitment.commitments import COMMITTED
from gateway_client.commitment.transaction import Reason, Reference
from gateway_client.journal import Journal
from gateway_client.objects.part10 import FileMeta, encode_head
from tests.unit.gateway_client.fakes import CT, EXPLICIT, SHARE, FakeBroker, data_set

UID = "1.2.3.4"
LONG_TERM_SHARE = "\\\\JUKEBOX\\PLATTER1\\"


def test_what_lies_on_a_share_that_is_away_is_on_file_nevertheless(tmp_path: Path) -> None:
    """Who hears that there is no such object takes it for lost."""
    share, away = tmp_path / "image1", tmp_path / "away"
    share.mkdir()
    (share / "1.DCM").write_bytes(encode_head(FileMeta(CT, UID, EXPLICIT)) + data_set(UID))
    broker = FakeBroker(
        {
            "MAGB NETWORK LOCATIONS": lambda: [f"1^RAID1^{SHARE}^image1"],
            "MAGB INSTANCE FILES": lambda _uids: [f"{UID}^77^^{SHARE}1.DCM"],
        }
    )
    with closing(Journal(tmp_path / "journal.db")) as journal:
        checking = Checking(journal, tmp_path)
        checking.connected(broker)

        def outcome() -> int | None:
            (finding,) = checking.findings(broker, [Reference(CT, UID)])
            return finding.outcome

        assert outcome() == COMMITTED
        share.rename(away)
        assert outcome() == Reason.PROCESSING_FAILURE
        away.rename(share)
        (share / "1.DCM").unlink()
        assert outcome() == Reason.NO_SUCH_OBJECT_INSTANCE


def test_what_moves_while_it_is_checked_is_looked_for_where_it_lies_now(tmp_path: Path) -> None:
    """Between the broker's answer and the look at the file an image may be released to a long-term location."""
    long_term = tmp_path / "jukebox1"
    long_term.mkdir()
    (tmp_path / "image1").mkdir()
    (long_term / "1.DCM").write_bytes(encode_head(FileMeta(CT, UID, EXPLICIT)) + data_set(UID))
    answers = [[f"{UID}^77^^{SHARE}1.DCM"], [f"{UID}^77^^{LONG_TERM_SHARE}1.DCM"]]
    broker = FakeBroker(
        {
            "MAGB NETWORK LOCATIONS": lambda: [f"1^RAID1^{SHARE}^image1", f"2^JUKEBOX1^{LONG_TERM_SHARE}^jukebox1"],
            "MAGB INSTANCE FILES": lambda _uids: answers.pop(0),
        }
    )
    with closing(Journal(tmp_path / "journal.db")) as journal:
        checking = Checking(journal, tmp_path)
        checking.connected(broker)
        (finding,) = checking.findings(broker, [Reference(CT, UID)])
    assert finding.outcome == COMMITTED
    assert answers == []
