"""Settings come from defaults, a file, the environment and the command line, the later over the earlier."""

from __future__ import annotations

import os
from ipaddress import ip_network
from pathlib import Path

import pytest

from runtime import Settings, SettingsError, load_settings


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.upper().startswith("MAGBROKER_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "magbroker.toml"
    path.write_text('broker_port = 1001\ntext_port = 1002\n\n[gateway]\nmachine = "FILEGW"\nlocation = 688\n')
    return path


def test_nothing_has_to_be_set() -> None:
    settings = load_settings()
    assert (settings.broker_port, settings.text_port, settings.gateway.dicom_port) == (9430, 9431, 11112)
    assert settings.broker_host == "127.0.0.1"
    assert settings.synchronous == "FULL"
    assert settings.database_url == f"sqlite:///{Path('var/magbroker.db').resolve()}"


def test_the_database_and_the_key_lie_in_the_data_directory(tmp_path: Path) -> None:
    settings = load_settings(data=tmp_path)
    assert settings.database_url == f"sqlite:///{tmp_path / 'magbroker.db'}"
    assert settings.site_key_path == tmp_path / "site.key"
    assert load_settings(data=tmp_path, site_key="/etc/site.key").site_key_path == Path("/etc/site.key")
    assert settings.gateway_directory.parent == tmp_path
    assert load_settings(data=tmp_path, database="postgresql+psycopg://h/d").database_url == "postgresql+psycopg://h/d"


def test_the_file_lies_under_the_environment_and_that_under_the_command_line(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings(file).broker_port == 1001
    monkeypatch.setenv("MAGBROKER_BROKER_PORT", "2001")
    settings = load_settings(file)
    assert (settings.broker_port, settings.text_port) == (2001, 1002)
    assert load_settings(file, broker_port=3001).broker_port == 3001
    assert load_settings(file, broker_port=None).broker_port == 2001


def test_tables_are_laid_over_each_other_key_by_key(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAGBROKER_GATEWAY__MACHINE", "ENVGW")
    gateway = load_settings(file, gateway={"batch": 4}).gateway
    assert (gateway.machine, gateway.location, gateway.batch) == ("ENVGW", 688, 4)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            '[gateway.destination."A"]\nquery_ae_title = "B"\n',
            r'query_ae_title of A needs host and port in \[gateway\.peer\."B"\]',
        ),
        (
            '[gateway.destination.A.priors]\narchive = "B"\n',
            r'priors\.archive of A needs host and port in \[gateway\.peer\."B"\]',
        ),
        (
            '[gateway.peer.B]\nhost = "b"\nport = 104\n[gateway.destination.A]\ndeidentify = "basic"\npriors = {archive = "B"}\n',
            r"priors of A come from the archive as they are",
        ),
        ("broker_prot = 1\n", r"Setting broker_prot in .*: there is no such setting; remove it or correct its name"),
        ("broker_port = 70000\n", r"Setting broker_port in .*less than or equal to 65535 \(MAGBROKER_BROKER_PORT overrides it\)"),
        ('[gateway]\nbatch = "many"\n', r"Setting gateway\.batch in .*\(MAGBROKER_GATEWAY__BATCH overrides it\)"),
        ('[gateway]\nae_title = "FAR TOO LONG A TITLE"\n', r"Setting gateway\.ae_title"),
        ('synchronous = "OFF"\n', r"Setting synchronous in .*'FULL' or 'NORMAL'"),
        ("broker_port =\n", r"is not TOML: .*line 1"),
        ('proxy_protocol_from = ["10.0.0.5", "haproxy"]\n', r"Setting proxy_protocol_from\.1 in .*not a valid IPv4 or IPv6"),
        ('proxy_protocol_from = ["10.0.0.5/8"]\n', r"Setting proxy_protocol_from\.0 in .*not a valid IPv4 or IPv6"),
        ("lock_seconds = 1\n", r"Setting lock_seconds in .*greater than or equal to 4"),
    ],
)
def test_a_bad_file_is_refused_with_the_key_and_the_way_out(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=problem):
        load_settings(path)


def test_everything_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text('[[gateway.listener]]\nmnemonic = "CT1"\nport = 0\nhosts = ["10.0.0.0/33"]\n[gateway.peer.CT1]\nport = -1\n')
    with pytest.raises(SettingsError) as told:
        load_settings(path)
    keys = [line.split()[1] for line in str(told.value).splitlines()]
    assert sorted(keys) == ["gateway.listener.0.hosts.0", "gateway.listener.0.port", "gateway.peer.CT1.port"]


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"none\.toml cannot be read: No such file"):
        load_settings(tmp_path / "none.toml")
    (tmp_path / "latin.toml").write_bytes(b'data = "\xe4"\n')
    with pytest.raises(SettingsError, match=r"latin\.toml is not TOML"):
        load_settings(tmp_path / "latin.toml")


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("MAGBROKER_BROKER_PORT", "no", r"Setting broker_port: .*\(MAGBROKER_BROKER_PORT overrides it\)"),
        ("MAGBROKER_GATEWAY", "no json", r"The environment variables MAGBROKER_\* cannot be read: .*gateway"),
        ("MAGBROKER_GATEWAY__NOTHING", "1", r"Setting gateway\.nothing: there is no such setting"),
    ],
)
def test_a_bad_variable_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str, problem: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=problem):
        load_settings()


def test_the_networks_of_proxies_come_from_a_variable_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAGBROKER_PROXY_PROTOCOL_FROM", '["10.0.0.5", "2001:db8::/32"]')
    assert load_settings().proxy_protocol_from == (ip_network("10.0.0.5/32"), ip_network("2001:db8::/32"))


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ('commitment = "new"', "new"),
        ('host = "ct1"', "go together"),
        ("port = 104", "go together"),
        ('commitment = "soon"', "'new', 'same' or 'next'"),
        ("prot = 104", "no such setting"),
    ],
)
def test_a_peer_that_could_not_be_called_is_refused(tmp_path: Path, table: str, problem: str) -> None:
    path = tmp_path / "magbroker.toml"
    path.write_text(f'[gateway.peer."CT1"]\n{table}\n')
    with pytest.raises(SettingsError, match=rf"gateway\.peer\.CT1.*{problem}"):
        load_settings(path)


def test_secrets_do_not_show() -> None:
    settings = load_settings(database="postgresql+psycopg://u:secret1@h/d", gateway={"access": "secret2", "verify": "secret3"})
    assert settings.gateway.verify == "secret3"
    assert "secret" not in repr(settings)


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Settings().broker_port = 1  # that is the promise
