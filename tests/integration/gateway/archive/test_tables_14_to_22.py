"""Tables 14 to 22, the private SOP class: a CSA Non-Image object with every attribute of them comes back bit by bit."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom import Dataset, dcmread

from gateway_client.objects.part10 import read_meta
from gateway_client.transmission.object_file import Result
from gateway_client.transmission.scu import Destination, StorageSCU
from tests.integration.gateway.conftest import digest_as_sent
from tests.support.archive_site import ArchiveSite
from tests.support.dicom import Storescp, data_set_bytes
from tests.support.magicstore_objects import Maker, csa_non_image, history
from tests.support.magicstore_tables import (
    CSA_NON_IMAGE,
    IN_APPLICATION_HEADER,
    TABLE_14,
    TABLE_15,
    TABLE_17,
    TABLE_18,
    TABLE_19,
    TABLE_20,
    TABLE_21,
    TABLE_22,
    TABLE_22_PRIVATE,
    UNCOMPRESSED,
    ModuleRow,
    PrivateRow,
)
from tests.support.sending import send_file

syntaxes = pytest.mark.parametrize("syntax", UNCOMPRESSED)
Objects = dict[str, tuple[Path, Path]]


@pytest.fixture(scope="module")
def objects(depot: ArchiveSite, maker: Maker) -> Objects:
    """Have an object filed in each transfer syntax; give what was sent and what is stored."""
    scu = StorageSCU(depot.configuration())
    receiver = Destination("RECEIVER", depot.title("receiver"), "127.0.0.1", depot.port("receiver"))
    sent = {syntax: maker.write(csa_non_image(), syntax) for syntax in UNCOMPRESSED}
    for path in sent.values():
        assert send_file(scu, receiver, "study", path).result is Result.SENT
    scu.close()
    filed = depot.filed([path.stem for path in sent.values()])
    return {syntax: (path, filed[path.stem]) for syntax, path in sent.items()}


@syntaxes
def test_an_object_comes_back_bit_by_bit(depot: ArchiveSite, objects: Objects, tmp_path: Path, syntax: str) -> None:
    for (row,) in (TABLE_14, TABLE_15):  # as SCU and as SCP
        assert row.uid == CSA_NON_IMAGE
    sent, stored = objects[syntax]
    assert digest_as_sent(stored) == digest_as_sent(sent)
    scu = StorageSCU(depot.configuration())
    with Storescp(tmp_path / "back", options=("-pm",)) as peer:
        outcome = send_file(scu, Destination("BACK", "STORESCP", "127.0.0.1", peer.port), "study", stored)
        assert outcome.result is Result.SENT, outcome
    scu.close()
    (back,) = (tmp_path / "back").iterdir()
    assert read_meta(back).transfer_syntax == syntax
    assert data_set_bytes(back) == data_set_bytes(sent)


@syntaxes
@pytest.mark.parametrize("row", [*TABLE_17, *TABLE_18, *TABLE_19, *TABLE_21, *TABLE_22_PRIVATE], ids=lambda row: row.name)
def test_a_private_attribute_is_read_from_what_is_stored(objects: Objects, row: PrivateRow, syntax: str) -> None:
    sent, stored = (dcmread(path) for path in objects[syntax])
    for expected, found in zip(_holders(sent, row), _holders(stored, row), strict=True):
        element = found.private_block(row.group, row.creator)[row.number]
        assert row.vr == element.VR
        assert int(row.vm) == element.VM
        assert element.value == expected.private_block(row.group, row.creator)[row.number].value


def _holders(dataset: Dataset, row: PrivateRow) -> list[Dataset]:
    """Give the data set, or the items of Application Header Sequence for what stands in them."""
    if row not in TABLE_19 or row.number not in IN_APPLICATION_HEADER:
        return [dataset]
    items: list[Dataset] = list(dataset.private_block(row.group, row.creator)[0x40].value)
    assert len(items) == 2
    return items


@syntaxes
@pytest.mark.parametrize("row", TABLE_22, ids=lambda row: row.keyword)
def test_an_attribute_of_the_non_image_module_is_read_from_what_is_stored(objects: Objects, row: ModuleRow, syntax: str) -> None:
    sent, stored = (dcmread(path) for path in objects[syntax])
    assert stored[row.tag] == sent[row.tag]
    assert stored[row.tag].value


def test_history_information_has_the_parts_of_table_20(objects: Objects) -> None:
    sizes = dict(TABLE_20)
    dataset = dcmread(objects[UNCOMPRESSED[0]][1])
    value = dataset.private_block(0x0029, "SIEMENS MEDCOM HEADER")[0x20].value
    assert value == history()
    item = sizes["Class Name"] + sizes["Modification String"]
    assert (len(value) - sizes["Identifier"] - sizes["Version"]) % item == 0
    assert value[: sizes["Identifier"]].rstrip(b"\0") == b"CSA HISTORY"
