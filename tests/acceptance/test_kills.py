"""Kills at moments that nobody chose, while images arrive and leave: what was answered is filed once, and sent."""

from __future__ import annotations

import json
import random
from pathlib import Path

from gateway_client.objects.part10 import digest_of
from tests.support.dicom import ListeningModality, Storescp, make_slices
from tests.support.services import Services, magbroker, services_sending_to
from tests.support.waiting import until

#: Associations to a destination that the gateway has at most, by default.
TO_DESTINATION = 2


def filed(services: Services) -> list[str]:
    """Give the SOP Instance UIDs of the filed slices, one for each time that a slice was filed."""
    return [str(uid) for (uid,) in services.rows("SELECT uid FROM image WHERE parent IS NOT NULL ORDER BY uid")]


def answers(modalities: list[ListeningModality]) -> int:
    """Count the images that were answered with success."""
    return sum(len(modality.answered) for modality in modalities)


def next_moment(chance: random.Random, answered: int, count: int, kills: int) -> int:
    """Give the number of answered images at which to kill next, so that the kills that are left share those that are left."""
    return answered + 1 + int(chance.random() * 0.9 * (count - answered) / kills)


def check_that_kills_lose_nothing(tmp_path: Path, seed: int, count: int, gateways: int, brokers: int = 0) -> None:
    """Send slices over two associations and kill gateway and broker so many times amid them; check every promise."""
    slices = make_slices(tmp_path / "slices", count)
    uids = {path: uid for uid, path in slices.items()}
    digests = {uid: digest_of(path) for uid, path in slices.items()}
    chance = random.Random(seed)
    with Storescp(tmp_path / "received") as destination, services_sending_to(tmp_path, destination.port) as services:
        files = list(slices.values())
        modalities = [ListeningModality(services.dicom_port, files[half::2]) for half in range(2)]
        for modality in modalities:
            modality.start()
        victims = [services.gateway] * gateways + [services.broker] * brokers
        chance.shuffle(victims)
        for number, victim in enumerate(victims):
            moment = next_moment(chance, answers(modalities), count, len(victims) - number)
            until(lambda at=moment: answers(modalities) >= at, f"{moment} images are answered")
            assert any(modality.left for modality in modalities), "every kill must fall while images arrive"
            assert len(destination.received()) < count, "every kill must fall while images leave"
            services.kill(victim)
            victim.start()
        for modality in modalities:
            modality.join(120)
            assert not modality.left
        answered = {uids[path] for modality in modalities for path in modality.answered}
        held_back = {uids[path] for modality in modalities for path in modality.held_back}
        spooled = services.directory / "gateway" / "spool" / "in"
        until(lambda: answered <= set(filed(services)) and not any(spooled.iterdir()), "all that came is filed", seconds=180)
        until(lambda: statuses(services) <= {"SUCCESS", "FAIL"}, "an end of every entry", seconds=180)
        until(lambda: len(services.filed_files()) == len(filed(services)), "every image is in its place")
        status = magbroker("status", "--json", "--data", str(services.directory))
        images, received = filed(services), destination.received()
        marked = uids_of(services, "e.repeated")
        failed = uids_of(services, "e.status = 'FAIL'")
        given_up = uids_of(services, "e.status = 'FAIL' AND e.repeated AND e.reason LIKE 'Sent 2 times without an answer%'")
        found = {name: {digest_of(path) for path in copies} for name, copies in services.filed_files().items()}
        ((entries,),) = services.rows("SELECT count(*) FROM dicom_export_image")
        exported = uids_of(services, "TRUE")
        known = services.rows("SELECT uid, file_ref, digest FROM image WHERE parent IS NOT NULL")
    assert len(images) == len(set(images)), "filed once"
    assert answered <= set(images) <= answered | held_back
    assert answered | held_back == set(slices)
    assert sum(len(modality.cut_off) for modality in modalities) <= len(modalities) * gateways
    assert {uid: digest for uid, _name, digest in known} == {uid: digests[uid] for uid in images}
    assert found == {name: {digest} for _uid, name, digest in known}
    assert (entries, exported) == (len(images), set(images))
    assert failed == given_up, "sent twice, with a kill each time before the answer came"
    assert set(images) - failed <= set(received) <= set(images)
    assert {uid: {digest_of(copy) for copy in copies} for uid, copies in received.items()} == {
        uid: {digests[uid]} for uid in received
    }
    twice = {uid for uid, copies in received.items() if len(copies) > 1}
    assert twice <= marked
    assert sum(len(copies) - 1 for copies in received.values()) <= TO_DESTINATION * gateways
    assert json.loads(status.stdout)["orphans"] == []


def statuses(services: Services) -> set[str]:
    """Give the statuses of all entries; `""` stands for images that have none yet."""
    rows = services.rows(
        "SELECT DISTINCT coalesce(e.status, '') FROM image i LEFT JOIN dicom_export_image e ON e.image = i.ien "
        "WHERE i.parent IS NOT NULL"
    )
    return {str(status) for (status,) in rows}


def uids_of(services: Services, condition: str) -> set[str]:
    """Give the images whose entries are such ones."""
    rows = services.rows(f"SELECT i.uid FROM dicom_export_image e JOIN image i ON i.ien = e.image WHERE {condition}")
    return {str(uid) for (uid,) in rows}


def test_nothing_is_lost_or_doubled_when_the_gateway_and_the_broker_are_killed(tmp_path: Path) -> None:
    check_that_kills_lose_nothing(tmp_path, 1, 300, gateways=3, brokers=1)
