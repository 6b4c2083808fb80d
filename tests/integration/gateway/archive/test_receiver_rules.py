"""Section 2.3.2.3, the receiver's rules for compressed objects and its return codes, each over a real association."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset, dcmread
from pynetdicom import AE

from gateway_client.objects.part10 import FileMeta, encode_head, read_meta
from gateway_client.transmission.object_file import Result
from gateway_client.transmission.scu import Destination, StorageSCU
from tests.integration.gateway.conftest import wait_for
from tests.support.archive_site import ArchiveSite
from tests.support.magicstore_objects import Maker
from tests.support.magicstore_tables import BASELINE, EXPLICIT, LOSSLESS, TABLE_4
from tests.support.sending import send_file

SC = next(row for row in TABLE_4 if row.name == "Secondary Capture Image Storage")
#: What is changed in a JPEG object that would be taken, and what the Error Comment says then.
OUTSIDE = [
    (LOSSLESS, {"PhotometricInterpretation": "YBR_FULL"}, "not taken: JPEG Lossless of YBR_FULL"),
    (LOSSLESS, {"BitsStored": 16, "HighBit": 15}, "not taken: JPEG Lossless of 16 Bits Stored in 16"),
    (LOSSLESS, {"HighBit": 15}, "not taken: JPEG Lossless with High Bit 15 of 12"),
    (BASELINE, {"PhotometricInterpretation": "YBR_ICT"}, "not taken: Lossy JPEG of YBR_ICT"),
]


class Sender:
    """Stores at a port over an association of its own."""

    def __init__(self, port: int, title: str, dataset: Dataset) -> None:
        ae = AE("MODALITY")
        ae.add_requested_context(dataset.SOPClassUID, dataset.file_meta.TransferSyntaxUID)
        self.association: Any = ae.associate("127.0.0.1", port, ae_title=title)
        assert self.association.is_established

    def store(self, dataset: Dataset) -> tuple[int, str]:
        """Send an object; give status and Error Comment."""
        answer = self.association.send_c_store(dataset)
        return int(answer.Status), str(answer.get("ErrorComment", ""))


@pytest.mark.parametrize(("syntax", "changes", "comment"), OUTSIDE, ids=lambda value: value if isinstance(value, str) else "")
def test_a_compressed_object_outside_the_rules_is_refused_with_the_reason_and_the_association_ends(
    depot: ArchiveSite, maker: Maker, syntax: str, changes: dict[str, object], comment: str
) -> None:
    dataset = dcmread(maker.object_of(SC, syntax))
    for keyword, value in changes.items():
        setattr(dataset, keyword, value)
    sender = Sender(depot.port("receiver"), depot.title("receiver"), dataset)
    assert sender.store(dataset) == (0xC000, comment)
    wait_for(lambda: sender.association.is_aborted)
    elsewhere = Sender(depot.gateway.port, "MAGBROKER", dataset)
    assert elsewhere.store(dataset) == (0x0000, ""), "the gateway's own port does not check"
    elsewhere.association.release()


def test_what_the_rules_take_is_answered_0000_and_the_association_goes_on(depot: ArchiveSite, maker: Maker) -> None:
    objects = [dcmread(maker.object_of(SC, LOSSLESS)) for _ in range(2)]
    sender = Sender(depot.port("receiver"), depot.title("receiver"), objects[0])
    assert [sender.store(dataset) for dataset in objects] == [(0x0000, "")] * 2
    sender.association.release()


def test_an_object_that_is_another_than_its_request_names_is_answered_a900(
    depot: ArchiveSite, maker: Maker, tmp_path: Path
) -> None:
    path = maker.object_of(SC, EXPLICIT)
    data = path.read_bytes()[read_meta(path).offset :]
    other = tmp_path / "other.dcm"
    other.write_bytes(encode_head(FileMeta(SC.uid, "1.2.3.4", EXPLICIT)) + data)
    scu = StorageSCU(depot.configuration())
    receiver = Destination("RECEIVER", depot.title("receiver"), "127.0.0.1", depot.port("receiver"))
    outcome = send_file(scu, receiver, "study", other)
    scu.close()
    assert (outcome.result, outcome.status) == (Result.REFUSED, 0xA900)


def test_private_and_unknown_elements_are_kept(depot: ArchiveSite, maker: Maker) -> None:
    dataset = dcmread(maker.object_of(SC, EXPLICIT))
    block = dataset.private_block(0x0021, "SOMEBODY'S OWN", create=True)
    block.add_new(0x01, "LO", "private")
    dataset.add_new(0x00080FFF, "LO", "of no dictionary")
    sender = Sender(depot.port("receiver"), depot.title("receiver"), dataset)
    assert sender.store(dataset) == (0x0000, "")
    sender.association.release()
    kept = dcmread(depot.filed([dataset.SOPInstanceUID])[dataset.SOPInstanceUID])
    assert kept.private_block(0x0021, "SOMEBODY'S OWN")[0x01].value == "private"
    assert kept[0x00080FFF].value == "of no dictionary"
    assert kept == dataset
