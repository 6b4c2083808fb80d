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
