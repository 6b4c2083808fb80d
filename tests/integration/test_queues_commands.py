"""`magbroker queues`: the owner of a database, or a user, holds, releases and lists what is to be sent."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import Connection, update

from fileman import Store
from fileman.files import DicomExportImage
from rules.evaluator.queueing import Object, Origin, Study, queue_objects
from tests.support.services import DEMO_SITE, Services, magbroker
from tests.support.terminal import Terminal


def queue_image(connection: Connection, destination: str) -> None:
    origin = Origin(660, "3261121.12", datetime.fromisoformat("2026-11-21T12:00").timestamp())
    queue_objects(connection, [Object(2, Study(destination, 1, "1.2.3", 500), "021026-201")], origin)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Load the demo site, with one image waiting for the reading room."""
    folder = tmp_path_factory.mktemp("site")
    assert magbroker("site", "load", str(DEMO_SITE), "--data", str(folder)).returncode == 0
    with closing(Store(f"sqlite:///{folder / 'magbroker.db'}")) as store:
        store.transact(lambda connection: queue_image(connection, "READING ROOM"))
    return folder


@pytest.fixture
def data(tmp_path: Path, loaded: Path) -> Path:
    """Give a data directory of its own."""
    return Path(shutil.copytree(loaded, tmp_path / "var"))


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Terminal:
    return Terminal(monkeypatch, capsys)


def test_a_destination_is_held_shown_and_released(data: Path) -> None:
    def queues(*arguments: str) -> str:
        run = magbroker("queues", *arguments, "--data", str(data))
        assert run.returncode == 0, run.stderr
        return run.stdout

    assert queues("hold", "--destination", "READING ROOM") == "READING ROOM is held, with 1 entry\n"
    listed = queues("exports", "--status", "HOLD")
    assert "READING ROOM is held since" in listed
    assert "1^1" in listed
    assert "READING ROOM" in magbroker("status", "--data", str(data)).stdout
    state = json.loads(magbroker("status", "--json", "--data", str(data)).stdout)
    assert (state["held"], state["exports"]) == (["READING ROOM"], {"HOLD": 1})
    assert json.loads(queues("release", "--destination", "READING ROOM", "--json")) == {"entries": 1}
    assert queues("hold", "1^1") == "1 entry held\n"
    assert queues("release", "1^1", "--failed") == "1 entry released\n"
    assert queues("exports") == "no entry has status FAIL\n"
    assert queues("hold", "--destination", "RESEARCH") == "RESEARCH is held, with 0 entries\n", "one that has none"
    assert queues("release", "--destination", "RESEARCH") == "RESEARCH is released, with 0 entries\n"


@pytest.mark.parametrize("verb", ["hold", "release"])
@pytest.mark.parametrize(
    ("wanted", "status", "said"),
    [
        (("--destination", "READING ROM"), 3, "There is no destination 'READING ROM'. Did you mean READING ROOM? There are: "),
        (("--destination", "reading room"), 3, "Did you mean READING ROOM?"),
        (("7^7", "999^1"), 3, "There is no such entry: 7^7, 999^1."),
        (("1^1", "7^7"), 1, "7^7 is not {}: there is no such entry"),
        (("2^1",), 1, "2^1 is not {}: its status is SUCCESS"),
    ],
)
def test_what_is_not_there_or_over_is_told_by_words_and_exit_status(
    terminal: Terminal, data: Path, verb: str, wanted: tuple[str, ...], status: int, said: str
) -> None:
    with closing(Store(f"sqlite:///{data / 'magbroker.db'}")) as store:
        store.transact(lambda connection: queue_image(connection, "RESEARCH"))
        over = update(DicomExportImage).where(DicomExportImage.export == 2).values(status="SUCCESS")
        store.transact(lambda connection: connection.execute(over))
    run = terminal.run("queues", verb, *wanted, "--data", data)
    assert run.status == status
    assert said.format("held" if verb == "hold" else "released") in run.words
    assert terminal.run("status", "--json", "--data", data).words.count("READING ROM") == 0, "nothing is held by the wrong name"


@pytest.fixture
def broker(data: Path) -> Iterator[Path]:
    """Run a broker; give its data directory."""
    services = Services(data, DEMO_SITE)
    services.start(services.broker)
    yield data
    services.broker.stop()


def test_a_signed_on_user_does_what_the_owner_does(terminal: Terminal, broker: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"DATA": str(broker), "ACCESS": "DEMOMG1", "VERIFY": "1MGR!@#$"}.items():
        monkeypatch.setenv(f"MAGBROKER_{name}", value)
    held = terminal.run("queues", "hold", "--destination", "READING ROOM")
    assert (held.out, held.err, held.status) == ("READING ROOM is held, with 1 entry\n", "", 0)
    assert "by MANAGER,IRIS" in terminal.run("queues", "exports").words
    assert terminal.run("queues", "release", "1^1").status == 0
    assert terminal.run("queues", "hold", "7^7").status == 3
    assert terminal.run("queues", "release", "--destination", "NOSUCH").status == 3
    assert terminal.run("rules", "versions", "--location", "660").status == 0
    refused = terminal.run("queues", "hold", "1^1", "--access", "DEMOGW1", "--verify", "1GWY!@#$")
    assert (refused.status, "MAG SYSTEM" in refused.words) == (1, True)


def test_what_is_meant_has_to_be_said(data: Path) -> None:
    run = magbroker("queues", "hold", "--data", str(data))
    assert (run.returncode, "Traceback" in run.stderr) == (2, False)
    assert "Either DESTINATION or ENTRIES" in run.stderr
