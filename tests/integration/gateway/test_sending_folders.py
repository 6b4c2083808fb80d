"""Whole folders over associations of their own, to DCMTK's storescp."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue

import pytest

from gateway_client.configuration import Configuration
from gateway_client.transmission.consignment import Consignment, Destination
from gateway_client.transmission.object_file import ObjectFile, Outcome, Result
from gateway_client.transmission.scu import StorageSCU
from tests.integration.gateway.test_sending import Answering, Sink, copies, shipped
from tests.support.sending import unnoted

NAMES = ("CT_small.dcm", "JPEG2000.dcm", "MR_small_RLE.dcm", "test-SR.dcm")


@pytest.fixture
def scu(tmp_path: Path) -> Iterator[StorageSCU]:
    scu = StorageSCU(Configuration(tmp_path, tmp_path, dimse_timeout=5.0, connect_timeout=2.0))
    yield scu
    scu.close()


def send(scu: StorageSCU, destination: Destination, folder: str, *paths: Path) -> list[Outcome]:
    ended: SimpleQueue[Consignment] = SimpleQueue()
    objects = [ObjectFile(path) for path in paths]
    for one in objects:
        one.put_away()
    scu.send(Consignment(destination, folder, objects, unnoted, ended.put, whole=True))
    consignment = ended.get(timeout=60)
    assert consignment.fault is None, consignment.fault
    return [consignment.outcomes[place] for place in range(len(paths))]


def test_a_folder_of_several_classes_goes_over_one_association(tmp_path: Path, scu: StorageSCU) -> None:
    sink = Sink(tmp_path / "sink")
    try:
        assert {it.result for it in send(scu, sink.destination(), "folder 1", *map(shipped, NAMES))} == {Result.SENT}
        assert sink.associations() == 1
        assert len(sink.files()) == len(NAMES)
        assert {it.result for it in send(scu, sink.destination(), "folder 2", *map(shipped, NAMES[:2]))} == {Result.SENT}
        assert sink.associations() == 2
    finally:
        sink.stop()


def test_what_the_association_does_not_take_breaks_the_folder_off(tmp_path: Path, scu: StorageSCU) -> None:
    sink = Sink(tmp_path / "sink", "+xe")  # what is not compressed
    try:
        outcomes = send(scu, sink.destination(), "folder 1", *map(shipped, NAMES))
        assert [it.result for it in outcomes] == [Result.SENT, Result.REFUSED, Result.UNSENT, Result.UNSENT]
        assert "does not take" in outcomes[1].reason
        assert len(sink.files()) == 1
    finally:
        sink.stop()


def test_a_refusal_aborts_the_association_and_nothing_follows_it(tmp_path: Path, scu: StorageSCU) -> None:
    answering = Answering(1, wanted=8)
    outcomes = send(scu, Destination("X", "X", "127.0.0.1", answering.port), "folder 1", *copies(tmp_path, "CT_small.dcm", 8))
    answering.reactor.stop()
    assert [it.result for it in outcomes] == [*[Result.SENT] * 5, Result.REFUSED, *[Result.UNSENT] * 2]
    assert outcomes[5].reason == "status A700"


def test_a_file_that_has_changed_while_it_waited_is_not_sent(tmp_path: Path, scu: StorageSCU) -> None:
    path = tmp_path / "object.dcm"
    path.write_bytes(shipped("CT_small.dcm").read_bytes())
    one = ObjectFile(path)
    one.put_away()
    path.write_bytes(path.read_bytes()[:-2])
    with pytest.raises(OSError, match="the file has changed"):
        one.read(8)
    one.close()
