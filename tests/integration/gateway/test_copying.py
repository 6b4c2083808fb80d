"""A gateway empties the send queue into routers' locations, whatever stops it or one of them."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Select, insert, select, update

from fileman import bump_site_version, hashed_directories
from fileman.files import Image, ImageEvent, NetworkLocation, RoutedCopy, SendQueue
from gateway_client import Gateway
from rules.evaluator.queueing import Copies, Origin, queue_copies
from tests.integration.gateway.conftest import StartProcess, wait_for
from tests.support.broker import RunningBroker

OUTREACH, SECOND = 3, 9
ORIGIN = Origin(660, "3261121", 0.0)


def file_images(broker: RunningBroker, data: Path, count: int, *routers: int, size: int = 100_000) -> dict[str, bytes]:
    """File images whose files wait for some routers; give the files' names and contents."""
    files = {f"SL{number:012d}.DCM": os.urandom(size) for number in range(1, count + 1)}
    for name, content in files.items():
        file = data.joinpath("image1", *hashed_directories(name), name)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)

    def fill(connection: Connection) -> None:
        for number, name in enumerate(files, 1):
            facts = {"ien": number, "uid": f"1.2.{number}", "name": "X", "file_ref": name, "location": 1, "object_type": 100}
            connection.execute(insert(Image).values(**facts, patient=100, saved_at="3261121", saved_by=0))
            for router in routers:
                queue_copies(connection, number, Copies(router, 500, ("FULL",), ""), ORIGIN)

    broker.store.transact(fill)
    return files


def add_router(broker: RunningBroker) -> None:
    """Give the site a second router's location."""

    def add(connection: Connection) -> None:
        facts = {"name": "SECOND", "physical": "\\\\SECOND\\IN$\\", "path": "second", "kind": "ROUTER", "router": True}
        connection.execute(insert(NetworkLocation).values(ien=SECOND, online=True, site=1, hash=True, **facts))
        bump_site_version(connection)

    broker.store.transact(add)


def rows_of(broker: RunningBroker, statement: Select[Any]) -> list[Any]:
    return broker.store.read(lambda connection: list(connection.execute(statement)))


def statuses(broker: RunningBroker, router: int) -> set[str]:
    """Give the statuses that entries for a router have."""
    destination = f"{router};MAG(2005.2,"
    return {row.status for row in rows_of(broker, select(SendQueue.status).where(SendQueue.destination == destination))}


def copies_in(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.rglob("*.DCM") if file.is_file()}


def test_a_gateway_that_is_killed_again_and_again_copies_every_file_and_reports_it_once(
    tmp_path: Path, demo_broker: RunningBroker, start_process: StartProcess
) -> None:
    files = file_images(demo_broker, tmp_path, 40, OUTREACH)
    there = tmp_path / "outreach"
    for wanted in (3, 15, 27):
        process, _ = start_process(demo_broker.port)
        wait_for(lambda wanted=wanted: there.is_dir() and len(list(there.iterdir())) >= wanted)
        os.kill(process.pid, signal.SIGKILL)
        process.wait(10)
    start_process(demo_broker.port)
    wait_for(lambda: statuses(demo_broker, OUTREACH) == {"SENT"})
    assert copies_in(there) == files
    reported = rows_of(demo_broker, select(RoutedCopy.image, RoutedCopy.file, RoutedCopy.destination))
    assert sorted(reported) == [(number, f"\\{name}", OUTREACH) for number, name in enumerate(files, 1)]
    told = select(ImageEvent.uid, ImageEvent.outcome).where(ImageEvent.stage == "COPY", ImageEvent.image == 40)
    wait_for(lambda: rows_of(demo_broker, told) == [("1.2.40", "copied")])


def test_a_location_that_hangs_holds_up_no_other(
    tmp_path: Path, demo_broker: RunningBroker, make_gateway: Callable[..., Gateway]
) -> None:
    add_router(demo_broker)
    files = file_images(demo_broker, tmp_path, 5, OUTREACH, SECOND)
    first = tmp_path / "outreach"
    first.mkdir()
    pipe = first / f".{min(files)}.DEMOGW1.part"
    os.mkfifo(pipe)  # who opens it for writing hangs until somebody reads
    make_gateway(demo_broker.port)
    wait_for(lambda: statuses(demo_broker, SECOND) == {"SENT"})
    assert copies_in(tmp_path / "second") == files
    assert statuses(demo_broker, OUTREACH) == {"SENDING", "WAITING"}
    pipe.rename(first / "pipe")
    os.close(os.open(first / "pipe", os.O_RDONLY | os.O_NONBLOCK))
    wait_for(lambda: statuses(demo_broker, OUTREACH) == {"SENT"})
    assert copies_in(first) == files


def test_old_copies_are_purged_by_the_gateway(
    tmp_path: Path, demo_broker: RunningBroker, make_gateway: Callable[..., Gateway]
) -> None:
    file_images(demo_broker, tmp_path, 2, OUTREACH)
    gateway = make_gateway(demo_broker.port)
    wait_for(lambda: statuses(demo_broker, OUTREACH) == {"SENT"})
    gateway.stop()
    (old, _) = sorted((tmp_path / "outreach").iterdir())
    os.utime(old, (0, 0))
    older = update(RoutedCopy).where(RoutedCopy.image == 1).values(sent="3250101.12")
    demo_broker.store.transact(lambda connection: connection.execute(older))
    make_gateway(demo_broker.port)
    there = select(RoutedCopy.image).where(RoutedCopy.copy.is_not(None))
    wait_for(lambda: rows_of(demo_broker, there) == [(2,)])
    assert list(copies_in(tmp_path / "outreach")) == ["SL000000000002.DCM"]
