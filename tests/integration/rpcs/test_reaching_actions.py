"""`MAGB DESTINATION ECHO`, `MAGB LOCATION CHECK`: what the site names answers or does not, and nobody else waits for it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pynetdicom import AE, evt
from pynetdicom.sop_class import Verification
from sqlalchemy import update

from console.tasks.owners_desk import owners_desk
from fileman import bump_site_version
from fileman.files import NetworkLocation, TransmitDestination
from rpcs import storage_folders, verification
from rpcs.actions import ACTIONS, BadRequest, NotFound, RefusedAction, answer_of
from runtime import Settings, free_port
from tests.integration.rpcs.conftest import MakeBroker
from tests.integration.rpcs.two_users import UNA, site_of_two_users
from tests.support.broker import RunningBroker
from xwb import BrokerClient

SITE = (
    site_of_two_users("MAGB GATEWAY", ACTIONS, "MAG SYSTEM")
    + """
[[network_location]]
ien = 1
name = "RAID1"
physical = '\\\\ARCHIVE\\IMAGE1$\\'
high_watermark = "0%"

[[transmit_destination]]
ien = 1
name = "ARCHIVE"
ae_title = "ARCHIVE"
host = "127.0.0.1"
port = 11113
location = 660
gateway_ae_title = "GW AT 660"

[[transmit_destination]]
ien = 2
name = "TWICE"
ae_title = "A"
host = "127.0.0.1"
port = 104
location = 660

[[transmit_destination]]
ien = 3
name = "TWICE"
ae_title = "B"
host = "127.0.0.1"
port = 104
location = 688
"""
)

Ask = Callable[..., Any]


@pytest.fixture
def broker(make_broker: MakeBroker) -> RunningBroker:
    return make_broker(more=SITE)


@pytest.fixture
def una(broker: RunningBroker) -> Iterator[Ask]:
    """Ask as somebody who holds no key."""
    with broker.client(UNA.access, UNA.verify, "MAGB GATEWAY") as client:
        yield asking(client)


def asking(client: BrokerClient) -> Ask:
    def ask(name: str, /, **asked: object) -> Any:
        request = {key.upper(): str(value) for key, value in asked.items()}
        return answer_of(client.call(f"MAGB {name}", request).text)

    return ask


def lies_at(broker: RunningBroker, **values: object) -> None:
    """Change where the destination is, or the location."""
    file = NetworkLocation if "path" in values else TransmitDestination

    def change(connection: Any) -> None:
        connection.execute(update(file).where(file.ien == 1).values(**values))
        bump_site_version(connection)

    broker.store.transact(change)


class Provider:
    """A real application entity that answers C-ECHO with a status."""

    def __init__(self, status: int = 0x0000, title: str = "ARCHIVE") -> None:
        self.callers: list[str] = []
        self._ae = AE(title)
        self._ae.add_supported_context(Verification)
        self._ae.require_called_aet = True
        handlers = [(evt.EVT_C_ECHO, lambda event: self._heard(event, status))]
        self.server = self._ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
        self.port = self.server.server_address[1]

    def _heard(self, event: Any, status: int) -> int:
        self.callers.append(event.assoc.requestor.ae_title.strip())
        return status


@pytest.fixture
def provider() -> Iterator[Provider]:
    made = Provider()
    yield made
    made.server.shutdown()


def test_a_destination_that_answers_says_what_it_is(broker: RunningBroker, una: Ask, provider: Provider) -> None:
    lies_at(broker, port=provider.port)
    told = una("DESTINATION ECHO", destination="ARCHIVE")
    assert (told["answered"], told["status"], told["reason"]) == (True, "0000", "")
    assert told["implementation"].startswith("PYNETDICOM")
    assert told["implementation_uid"]
    assert told["maximum_pdu"] > 0
    assert 0 < told["milliseconds"] < 5000
    assert provider.callers == ["GW AT 660"], "asked as its gateway would"
    una("DESTINATION ECHO", destination="1", calling="SOMEBODY")
    assert provider.callers[1:] == ["SOMEBODY"]


def test_a_destination_that_refuses_or_is_not_there_is_told_with_the_reason(
    broker: RunningBroker, una: Ask, provider: Provider
) -> None:
    lies_at(broker, port=provider.port, ae_title="OTHER")
    told = una("DESTINATION ECHO", destination="ARCHIVE")
    assert (told["answered"], told["status"]) == (False, "")
    assert told["reason"] == f"OTHER at 127.0.0.1:{provider.port} rejected the association: called AE title not recognized"
    lies_at(broker, port=free_port())
    told = una("DESTINATION ECHO", destination="ARCHIVE")
    assert (told["answered"], told["maximum_pdu"]) == (False, None)
    assert "ARCHIVE" in told["reason"] or "OTHER" in told["reason"]


def test_a_destination_that_answers_with_another_status_has_answered(broker: RunningBroker, una: Ask) -> None:
    provider = Provider(status=0x0122)
    try:
        lies_at(broker, port=provider.port)
        told = una("DESTINATION ECHO", destination="ARCHIVE")
    finally:
        provider.server.shutdown()
    assert (told["answered"], told["status"]) == (True, "0122")


@pytest.fixture
def silent() -> Iterator[int]:
    """Listen on a port and say nothing."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(8)
        yield int(listener.getsockname()[1])


def test_a_silent_destination_is_waited_for_so_long_and_others_are_served_meanwhile(
    broker: RunningBroker, una: Ask, silent: int
) -> None:
    lies_at(broker, port=silent)
    told: list[Any] = []
    with broker.client(UNA.access, UNA.verify, "MAGB GATEWAY") as other:
        thread = threading.Thread(target=lambda: told.append(asking(other)("DESTINATION ECHO", destination="ARCHIVE", seconds=1)))
        thread.start()
        lies_at(broker, host="127.0.0.1")  # the writer has no transaction of it
        assert una("DESTINATION LIST")["entries"]
        thread.join(20)
    assert (told[0]["answered"], told[0]["reason"]) == (False, f"ARCHIVE at 127.0.0.1:{silent} did not answer within 1 s.")
    assert told[0]["milliseconds"] >= 1000


def test_no_more_than_two_are_asked_at_once(broker: RunningBroker, una: Ask, provider: Provider) -> None:
    lies_at(broker, port=provider.port)
    for _ in range(verification.AT_ONCE):
        verification._ROOM.acquire()
    try:
        with pytest.raises(RefusedAction, match="ask again"):
            una("DESTINATION ECHO", destination="ARCHIVE")
    finally:
        verification._ROOM.release(verification.AT_ONCE)
    assert una("DESTINATION ECHO", destination="ARCHIVE")["answered"]


@pytest.mark.parametrize(
    ("name", "asked", "error", "why"),
    [
        ("DESTINATION ECHO", {"destination": "ARCHIV"}, NotFound, "ARCHIVE"),
        ("DESTINATION ECHO", {"destination": "TWICE"}, BadRequest, "2 .any gateway., 3"),
        ("DESTINATION ECHO", {"destination": "ARCHIVE", "seconds": 11}, BadRequest, "SECONDS"),
        ("DESTINATION ECHO", {"destination": "ARCHIVE", "calling": "X" * 17}, BadRequest, "CALLING"),
        ("DESTINATION ECHO", {}, BadRequest, "DESTINATION is needed"),
        ("LOCATION CHECK", {"ien": 9}, NotFound, "no network location 9"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_asked(
    una: Ask, name: str, asked: dict[str, object], error: type[Exception], why: str
) -> None:
    with pytest.raises(error, match=why):
        una(name, **asked)


def test_a_location_is_told_whether_it_is_there_and_has_room(broker: RunningBroker, una: Ask, tmp_path: Path) -> None:
    lies_at(broker, path=str(tmp_path))
    told = una("LOCATION CHECK", ien=1)
    assert (told["there"], told["writable"], told["reason"]) == (True, True, "")
    assert (told["machine"], told["path"], told["name"]) == (socket.gethostname(), str(tmp_path), "RAID1")
    assert 0 < told["free"] < told["total"]
    assert told["over"] > 0, "its watermark is 0%"


def test_a_location_that_is_not_there_is_told_with_the_reason(broker: RunningBroker, una: Ask, tmp_path: Path) -> None:
    lies_at(broker, path=str(tmp_path / "nowhere"))
    told = una("LOCATION CHECK", ien=1)
    assert (told["there"], told["reason"], told["free"]) == (False, "It is not there.", None)
    file = tmp_path / "file"
    file.write_bytes(b"")
    lies_at(broker, path=str(file))
    assert una("LOCATION CHECK", ien=1)["reason"] == "It is no folder."


def test_a_share_that_hangs_keeps_nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    hung = threading.Event()
    monkeypatch.setattr(storage_folders, "_look", lambda *_arguments: hung.wait(20))
    for _ in range(storage_folders.AT_ONCE):
        assert storage_folders.look_at(tmp_path, 0.01).reason == "It does not answer within 0.01 s."
    assert "Other folders" in storage_folders.look_at(tmp_path, 0.01).reason
    hung.set()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_owner_asks_without_a_broker(broker: RunningBroker, database_url: str, tmp_path: Path, provider: Provider) -> None:
    lies_at(broker, port=provider.port)
    lies_at(broker, path="image1")
    (tmp_path / "image1").mkdir()
    broker.stop()
    with owners_desk(Settings(data=tmp_path, database=database_url)) as desk:
        assert desk.ask("MAGB DESTINATION ECHO", {"DESTINATION": "ARCHIVE"})["answered"]
        assert desk.ask("MAGB LOCATION CHECK", {"IEN": "1"})["path"] == str(tmp_path / "image1")
