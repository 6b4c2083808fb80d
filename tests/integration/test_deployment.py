"""What lies in deploy/ is right as far as it can be told here: units, HAProxy's configuration, the compose file.

systemd does not run here, and no containers: units are verified by systemd-analyze, the compose file is only read.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from configparser import ConfigParser
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from pydantic import BaseModel

from broker.timing import M2M_IDLE, silence
from console.cli.main import app
from fileman.site import SiteSettings
from runtime import GatewaySettings, Settings, load_settings
from tests.support.machines import PROGRAM
from xwb import encode_bye, encode_connect, encode_response

PROJECT = Path(__file__).parents[2]
DEPLOY = PROJECT / "deploy"
UNITS = DEPLOY / "systemd"
HAPROXY = DEPLOY / "haproxy" / "haproxy.cfg"
SERVICES = sorted(path.name for path in UNITS.glob("*.service"))
#: What `systemd-analyze security` calls an exposure that is all right ends here, times ten; a bare unit has 96.
EXPOSURE = 20


def check_command(words: list[str]) -> None:
    """Parse a `magbroker` command as the program does; an unknown verb or option is an error."""
    group: Any = typer.main.get_command(app)
    group.commands[words[0]].make_context(words[0], words[1:])


def check_variables(environment: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """See to it that every variable is a setting's, and has a value that it may have."""
    for name, value in environment.items():
        assert name.startswith("MAGBROKER_"), name
        model: type[BaseModel] = Settings
        *tables, last = name.removeprefix("MAGBROKER_").lower().split("__")
        for table in tables:
            assert table == "gateway", name
            model = GatewaySettings
        assert last in model.model_fields, name
        monkeypatch.setenv(name, value)
    load_settings()


# --- systemd


def unit(name: str) -> ConfigParser:
    """Read a unit; nothing that these units use stands twice in a section."""
    parser = ConfigParser(interpolation=None)
    parser.optionxform = str
    parser.read(UNITS / name, encoding="utf-8")
    return parser


def instance(name: str) -> str:
    return name.replace("@.", "@one.")


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the root of a machine: systemd's own units, ours, and something to run where the command would be."""
    root = tmp_path_factory.mktemp("machine")
    shutil.copytree("/usr/lib/systemd/system", root / "usr" / "lib" / "systemd" / "system", symlinks=True)
    shutil.copytree(UNITS, root / "etc" / "systemd" / "system", symlinks=True)
    command = root / "opt" / "magbroker" / "bin" / "magbroker"
    command.parent.mkdir(parents=True)
    command.write_text("#!/bin/sh\n", encoding="ascii")
    command.chmod(0o755)
    return root


def analyze(machine: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["systemd-analyze", f"--root={machine}", "--man=no", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_there_are_units_for_one_machine_and_for_many() -> None:
    assert SERVICES == [
        "magbroker-broker@.service",
        "magbroker-gateway@.service",
        "magbroker-taskman@.service",
        "magbroker.service",
    ]


@pytest.mark.parametrize("name", [*SERVICES, "magbroker.target"])
def test_systemd_has_nothing_to_say_against_a_unit(machine: Path, name: str) -> None:
    done = analyze(machine, "verify", instance(name))
    said = done.stderr.replace(str(machine), "")
    assert [line for line in said.splitlines() if "magbroker" in line] == []
    assert done.returncode == 0, said


def test_a_misspelt_unit_would_be_noticed(machine: Path, tmp_path: Path) -> None:
    copy = tmp_path / "machine"
    shutil.copytree(machine, copy, symlinks=True)
    file = copy / "etc" / "systemd" / "system" / "magbroker-.service.d" / "50-magbroker.conf"
    file.write_text(file.read_text(encoding="utf-8").replace("NoNewPrivileges", "NoNewPrivilege"), encoding="utf-8")
    for name in SERVICES:
        assert "Unknown key 'NoNewPrivilege'" in analyze(copy, "verify", instance(name)).stderr, name


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_can_do_little_harm(machine: Path, name: str) -> None:
    done = analyze(machine, "security", "--offline=yes", f"--threshold={EXPOSURE}", instance(name))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", SERVICES)
def test_a_unit_runs_a_command_there_is_in_a_directory_that_it_may_write(name: str) -> None:
    service = unit(name)["Service"]
    program, *words = shlex.split(service["ExecStart"])
    assert program == "/opt/magbroker/bin/magbroker"
    check_command(words)
    data = words[words.index("--data") + 1]
    assert data.removeprefix("/var/lib/") in service["StateDirectory"].split()
    assert unit(name)["Install"]["WantedBy"] == unit(name)["Unit"]["PartOf"] == "magbroker.target"


def test_the_services_user_is_made_by_sysusers(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    command = ["systemd-sysusers", f"--root={tmp_path}", str(DEPLOY / "sysusers.d" / "magbroker.conf")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    made = (tmp_path / "etc" / "passwd").read_text(encoding="ascii").splitlines()
    shared = ConfigParser(interpolation=None)
    shared.read(UNITS / "magbroker-.service.d" / "50-magbroker.conf", encoding="utf-8")
    assert [line.split(":")[0] for line in made] == [shared["Service"]["User"]] == [shared["Service"]["Group"]]


# --- HAProxy

ADDRESSES = {"BROKER1": "192.0.2.11:9430", "BROKER2": "192.0.2.12:9430"}
TLS_ADDRESSES = {"BROKER1_TLS": "192.0.2.11:9440", "BROKER2_TLS": "192.0.2.12:9440"}


def check_haproxy(**told: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "HAPROXY_USER": "root", **told}
    return subprocess.run(
        [PROGRAM, "-c", "-f", str(HAPROXY)], capture_output=True, text=True, timeout=60, check=False, env=environment
    )


@pytest.mark.parametrize("told", [ADDRESSES, {**ADDRESSES, **TLS_ADDRESSES}], ids=["plain", "with TLS"])
def test_haproxy_takes_its_configuration_without_a_warning(told: dict[str, str]) -> None:
    done = check_haproxy(**told)
    assert (done.returncode, done.stdout.strip()) == (0, "Configuration file is valid"), done.stderr
    assert "WARNING" not in done.stderr


def test_haproxy_wants_to_be_told_every_broker() -> None:
    done = check_haproxy(BROKER1=ADDRESSES["BROKER1"])
    assert done.returncode == 1
    assert "'server' expects <name> and <addr>" in done.stderr


def test_the_health_check_says_what_clients_say_and_wants_what_brokers_answer() -> None:
    text = HAPROXY.read_text(encoding="utf-8")
    sent = [bytes.fromhex(found) for found in re.findall(r"tcp-check send-binary (\w+)", text)]
    expected = [bytes.fromhex(found) for found in re.findall(r"tcp-check expect binary (\w+)", text)]
    assert sent == [encode_connect(b"127.0.0.1", b"haproxy"), encode_bye()]
    assert expected == [encode_response(b"accept"), encode_response(b"#BYE#")]


def test_the_configuration_names_every_variable_that_it_is_told_by() -> None:
    text = HAPROXY.read_text(encoding="utf-8")
    used = set(re.findall(r'"\$\{(\w+)', text)) | set(re.findall(r"defined\((\w+)\)", text))
    named = set(re.findall(r"[A-Z][A-Z0-9_]{2,}", "".join(re.findall(r"^#   (.{28})", text, re.MULTILINE))))
    assert named == used


@pytest.mark.parametrize("side", ["client", "server"])
def test_haproxy_is_more_patient_than_any_broker(side: str) -> None:
    (seconds,) = re.findall(rf"timeout {side} (\d+)s", HAPROXY.read_text(encoding="utf-8"))
    assert int(seconds) >= max(M2M_IDLE, silence(SiteSettings().broker_timeout)) + 60


# --- containers


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    return read


def ours(compose: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give the services that run our image."""
    yield from ((name, service) for name, service in compose["services"].items() if service["image"] == "magbroker")


def test_the_compose_file_has_the_services_of_a_small_site(compose: dict[str, Any]) -> None:
    verbs = {name: service["command"][0] for name, service in ours(compose)}
    assert verbs == {
        "broker1": "broker",
        "broker2": "broker",
        "taskman1": "taskman",
        "taskman2": "taskman",
        "gateway": "gateway",
    }
    assert set(compose["services"]) - set(verbs) == {"postgres", "haproxy"}


def test_the_compose_file_speaks_of_commands_settings_and_files_that_there_are(
    compose: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for _name, service in ours(compose):
        check_command(service["command"])
        with monkeypatch.context() as patched:
            filled = {name: re.sub(r"\$\{\w+:\?[^}]*\}", "x", value) for name, value in service["environment"].items()}
            check_variables(filled, patched)
        assert (DEPLOY / service["build"]["context"] / service["build"]["dockerfile"]).is_file()
    for service in compose["services"].values():
        for source, *_rest in (volume.split(":") for volume in service.get("volumes", ())):
            assert source in compose["volumes"] or (DEPLOY / source).is_file(), source


def test_the_compose_files_proxy_finds_the_brokers_and_they_trust_it_alone(compose: dict[str, Any]) -> None:
    services = compose["services"]
    at = {name: services[name]["networks"]["site"]["ipv4_address"] for name in ("haproxy", "broker1", "broker2")}
    assert services["haproxy"]["environment"] == {f"BROKER{number}": f"{at[f'broker{number}']}:9430" for number in (1, 2)}
    for name in ("broker1", "broker2"):
        assert services[name]["environment"]["MAGBROKER_PROXY_PROTOCOL_FROM"] == f'["{at["haproxy"]}"]'
    assert check_haproxy(**services["haproxy"]["environment"]).returncode == 0


def test_the_image_holds_every_package() -> None:
    text = (DEPLOY / "Containerfile").read_text(encoding="utf-8")
    copied = {source for line in re.findall(r"^COPY (.*)$", text, re.MULTILINE) for source in line.split()[:-1]}
    setup = ConfigParser()
    setup.read(PROJECT / "setup.cfg", encoding="utf-8")
    packages = {name.partition(".")[0] for name in setup["options"]["packages"].split()}
    assert copied == {*(packages - {"magbroker_data"}), "data", "LICENSE", "README.md", "pyproject.toml", "setup.cfg"}
    assert all((PROJECT / source).exists() for source in copied)


# --- the page

PAGE = (PROJECT / "docs" / "how-to" / "run-on-several-machines.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_the_pages_environment_is_what_brokers_and_haproxy_take(monkeypatch: pytest.MonkeyPatch) -> None:
    environment, addresses = (dict(line.split("=", 1) for line in shlex.split(text)) for text in blocks("ini"))
    check_variables(environment, monkeypatch)
    assert load_settings().proxy_protocol_from
    assert check_haproxy(**addresses).returncode == 0


def test_the_pages_settings_are_settings(tmp_path: Path) -> None:
    files = blocks("toml")
    assert len(files) == 2
    for number, text in enumerate(files):
        path = tmp_path / f"{number}.toml"
        path.write_text(re.sub(r"^# (?=\w+ =)", "", text, flags=re.MULTILINE), encoding="utf-8")
        load_settings(path)


def test_the_page_speaks_of_commands_units_and_files_that_there_are() -> None:
    commands = [line for text in blocks("") for line in text.splitlines() if line]
    ran = [shlex.split(line.partition("/opt/magbroker/bin/magbroker ")[2]) for line in commands if "/bin/magbroker " in line]
    assert len(ran) == 1
    check_command(ran[0])
    (started,) = [line.split("--now ")[1].split() for line in commands if "systemctl enable" in line]
    assert {re.sub(r"@.*", "@", name) for name in started} == {"magbroker.target", "magbroker-broker@", "magbroker-taskman@"}
    assert all((UNITS / name).exists() or (UNITS / f"{name.partition('@')[0]}@.service").exists() for name in started)
    for path in re.findall(r"deploy/[\w./-]+\w", PAGE):
        assert (PROJECT / path).exists(), path
