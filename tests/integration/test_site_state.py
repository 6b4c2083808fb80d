"""`site snapshot` and `site reset` beside a running broker, on both engines: sessions go on in the site as it was."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from twisted.internet import reactor

from console.errors import ConsoleError
from console.serving import compose, prepare
from console.site_state import SiteState
from fileman import BadSiteKey, Fault, SiteKey, Store, read_faults, set_fault
from rpcs import STANDARD
from runtime import FixedClock, Settings, SystemClock
from tests.conftest import ORACLE_SITE
from tests.support.broker import RunningBroker
from tests.support.services import DEMO_SITE
from xwb import BrokerClient, Cipher, SecurityRefused, SignOnRefused

DOCTOR = ("FAKEDOC1", "1DOC!@#$")


@pytest.fixture
def state(database_url: str, site_key: SiteKey, tmp_path: Path) -> Iterator[SiteState]:
    """Open the database as a command does, with a store of its own, and load the recorded VistA's site."""
    settings = Settings(data=tmp_path, database=database_url)
    store = Store(database_url)
    state = SiteState(settings, store, site_key, SystemClock(), {procedure.name for procedure in STANDARD})
    state.load(ORACLE_SITE)
    yield state
    store.close()


@pytest.fixture
def broker(state: SiteState) -> Iterator[RunningBroker]:
    store = Store(state.store.url)
    broker = RunningBroker(store, state.key)
    yield broker
    broker.stop()
    store.close()


def enciphered(text: str) -> str:
    return Cipher.standard().encipher(text.encode()).decode("iso-8859-1")


def change_code(broker: RunningBroker, old: str, new: str) -> str:
    with BrokerClient("127.0.0.1", broker.port) as client:
        client.sign_on("FAKEDOC1", old)
        return client.call("XUS CVC", "^".join(map(enciphered, (old, new, new)))).lines[0]


def test_a_named_state_comes_back_under_a_session(state: SiteState, broker: RunningBroker) -> None:
    with broker.client() as client:
        kept = state.snapshot("before")
        assert kept == state.settings.data / "snapshots" / "before.snapshot"
        assert client.call("MAG DICOM GET MACHINE ID", "NEWGW").text == "B"
        number = client.call("MAG DICOM GET MACHINE ID", "NEWGW").text
        state.reset("before")
        assert client.call("MAG DICOM GET MACHINE ID", "NEWGW").text == "B", "nobody knows it any more"
        assert client.call("MAG DICOM GET MACHINE ID", "NEWGW").text == number


def test_a_reset_brings_back_codes_and_forgets_locks_and_faults(state: SiteState, broker: RunningBroker) -> None:
    assert change_code(broker, "1DOC!@#$", "2NEW!@#$") == "0"
    with pytest.raises(SignOnRefused):
        broker.client(*DOCTOR, context="MAG WINDOWS")
    state.store.transact(lambda connection: set_fault(connection, Fault("inhibited-logons")))
    state.reset(None)
    broker.client(*DOCTOR, context="MAG WINDOWS").close()
    assert state.store.read(read_faults) == []


def test_a_reset_to_another_site_file_is_what_the_next_one_goes_back_to(state: SiteState, broker: RunningBroker) -> None:
    with broker.client() as client:
        assert state.reset(str(DEMO_SITE)) == DEMO_SITE
        assert client.call("MAG DICOM GET DOMAIN").text == "DEMO.MAGBROKER.EXAMPLE"
        state.snapshot(str(state.settings.data / "demo.state"))
        state.reset(str(ORACLE_SITE))
        assert client.call("MAG DICOM GET DOMAIN").text == "ORACLE.DOMAIN.EXT"
        state.reset(str(state.settings.data / "demo.state"))
        state.reset(None)
        assert client.call("MAG DICOM GET DOMAIN").text == "ORACLE.DOMAIN.EXT"


def test_a_session_goes_on_in_a_site_without_its_user_but_holds_no_keys_there(state: SiteState, broker: RunningBroker) -> None:
    """VistA has DUZ and context in the partition; menus and keys it looks up at every call (^XUSEC)."""
    site = ORACLE_SITE.read_text(encoding="utf-8")
    programmer = '[[user]]\nduz = 999\nname = "PROGRAMMER,ONE"\naccess = "PROG9"\nverify = "1PRG!@#$"\nkeys = ["XUPROGMODE"]\n'
    with_him = state.settings.data / "with.toml"
    with_him.write_text(site + programmer, encoding="utf-8")
    state.reset(str(with_him))
    with BrokerClient("127.0.0.1", broker.port) as client:
        client.sign_on("PROG9", "1PRG!@#$")
        assert client.call("XUS ALLKEYS").lines == ["XUPROGMODE"]
        state.reset(str(ORACLE_SITE))
        with pytest.raises(SecurityRefused, match="context has not been created"):
            client.call("MAG DICOM GET DOMAIN")
        assert client.call("XUS GET USER INFO").lines[0] == "999"
        state.reset(str(with_him))
        assert client.call("MAG DICOM GET DOMAIN").text == "ORACLE.DOMAIN.EXT"


def test_what_there_is_not_is_told(state: SiteState) -> None:
    with pytest.raises(ConsoleError, match="there are no snapshots in"):
        state.reset("none")
    state.snapshot("one")
    state.snapshot("two")
    with pytest.raises(ConsoleError, match="the snapshots one, two"):
        state.reset("none")
    (state.settings.data / "site-file.toml").unlink()
    with pytest.raises(ConsoleError, match="name one to go back to"):
        state.reset(None)


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("", "neither a name"),
        ("my state", "neither a name"),
        ("x" * 101, "neither a name"),
        ("./precious.toml", "a site file"),
        ("other.TOML", "a site file"),
    ],
)
def test_a_state_is_kept_only_where_a_reset_finds_it(
    state: SiteState, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConsoleError, match=said):
        state.snapshot(target)


def test_what_the_site_file_said_is_kept_without_clear_codes(state: SiteState) -> None:
    file = state.settings.data / "site-file.toml"
    assert "1DOC!@#$" not in file.read_text(encoding="utf-8")
    assert file.stat().st_mode & 0o077 == 0
    assert state.snapshot("x").stat().st_mode & 0o077 == 0


def test_a_broker_that_starts_with_faults_warns_and_names_its_packs(state: SiteState, caplog: pytest.LogCaptureFixture) -> None:
    state.store.transact(lambda connection: set_fault(connection, Fault("slow-answer", "XWB IM HERE", 2.0)))
    settings = state.settings.model_copy(update={"broker_port": 0, "text_port": 0})
    with caplog.at_level(logging.INFO):
        serving = compose(settings, reactor, packs=["tests.oracle.pack"])
    serving.store.close()
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert warnings == ["a fault is set: slow-answer rpc=XWB IM HERE seconds=2; 'magbroker fault clear' clears it"]
    assert "RPC packs: tests.oracle.pack" in caplog.messages


def test_a_database_that_has_a_site_is_not_filled_again(state: SiteState, broker: RunningBroker) -> None:
    before = state.store.site_version()
    assert state.fill(DEMO_SITE) is None
    assert state.store.site_version() == before
    state.reset(None)
    with broker.client() as client:
        assert client.call("MAG DICOM GET DOMAIN").text == "ORACLE.DOMAIN.EXT"


def test_a_broker_with_another_key_than_the_site_does_not_start(state: SiteState, tmp_path: Path) -> None:
    elsewhere = state.settings.model_copy(update={"data": tmp_path / "elsewhere", "database": state.store.url})
    with pytest.raises(BadSiteKey, match=r"there is none at .*elsewhere/site\.key: copy it there from another broker"):
        compose(elsewhere, reactor)
    assert not elsewhere.site_key_path.exists(), "a new key would be in the way of the right one"
    SiteKey.load_or_create(elsewhere.site_key_path)
    with pytest.raises(BadSiteKey, match=r"elsewhere/site\.key is not the key of the site in the database: copy it"):
        compose(elsewhere, reactor)


def test_brokers_share_a_key_file_and_a_worker_needs_none(state: SiteState, tmp_path: Path) -> None:
    elsewhere = state.settings.model_copy(update={"data": tmp_path / "elsewhere", "database": state.store.url})
    sharing = elsewhere.model_copy(update={"site_key": state.settings.site_key_path, "broker_port": 0, "text_port": 0})
    for settings, with_broker in ((sharing, True), (elsewhere, False)):
        serving = compose(settings, reactor, with_broker=with_broker)
        serving.store.close()
    assert not elsewhere.site_key_path.exists()


@pytest.mark.parametrize(("ahead", "said"), [(600, " s ahead of the"), (-600, " s behind the"), (0, "")])
def test_a_clock_that_is_not_the_databases_is_told_of(
    state: SiteState, caplog: pytest.LogCaptureFixture, ahead: int, said: str
) -> None:
    clock = FixedClock(SystemClock().now() + timedelta(seconds=ahead))
    prepare(state.settings, state.store, None, STANDARD, clock)
    told = [message for message in caplog.messages if "this machine's clock" in message]
    assert len(told) == (said != "" and not state.store.sqlite)
    assert all(said in message for message in told)
