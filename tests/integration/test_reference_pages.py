"""The reference pages and the page on opening a broker say what is so: settings and defaults, answers, files that load."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import typer
from pydantic import BaseModel

from console.cli.main import app
from console.command_reference import verbs_of
from console.file_reference import file_reference
from console.packs import load_packs
from console.real_broker import RealBroker, SiteTemplate
from console.rpc_reference import facts_of, reference
from fileman.site import SiteSettings
from gateway_client import check_destinations
from gateway_client.archive.entities import EntityRole, entities_of
from gateway_client.dictionaries import Extractor
from gateway_client.journal import State
from runtime import (
    AlertSettings,
    ArchiveSettings,
    AtnaSettings,
    CoerceSettings,
    DeidentificationSettings,
    EntitySettings,
    ListenerSettings,
    MailSettings,
    ModalitySettings,
    Settings,
    UserApplicationSettings,
    WebhookSettings,
    WorklistSettings,
    load_settings,
)
from runtime.archive_settings import (
    CommitmentEntitySettings,
    LongTermSettings,
    ReceiverSettings,
    SenderSettings,
    ServiceToolSettings,
    ShortTermSettings,
)
from runtime.settings import DestinationSettings, GatewaySettings, PeerSettings, PriorSettings, TaskManSettings
from tests.support.services import magbroker

DOCS = Path(__file__).parents[2] / "docs"
SETTINGS = (DOCS / "reference" / "settings.md").read_text(encoding="utf-8")
#: The entities of an archive in the order of the page.
ENTITIES: list[type[BaseModel]] = [
    ReceiverSettings,
    SenderSettings,
    CommitmentEntitySettings,
    ShortTermSettings,
    LongTermSettings,
    ServiceToolSettings,
]
SPOKEN = re.compile(r"^```nc\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TOML = re.compile(r"^```toml\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def rows(section: str) -> dict[str, str]:
    """Give what a section's table says of each name: its default; several names in a row have as many, or share one."""
    said = {}
    for line in section.splitlines():
        if not line.startswith("| `"):
            continue
        names, defaults = (re.findall(r"`([^`]*)`", cell) for cell in line.split("|")[1:3])
        if len(defaults) < len(names):
            defaults = (defaults or [""]) * len(names)
        said |= dict(zip(names, defaults, strict=True))
    return said


def defaults(model: type[BaseModel], *besides: str) -> dict[str, str]:
    """Give the defaults of a model as the page writes them."""
    written = {}
    for name, field in model.model_fields.items():
        value = field.get_default(call_default_factory=True)
        written[name] = "" if value in (None, "", (), {}) else str(value).lower() if isinstance(value, bool) else str(value)
    return {name: value for name, value in written.items() if name not in besides}


def test_the_pages_of_actions_and_commands_say_what_there_is() -> None:
    written = {name: magbroker("rpc", name).stdout for name in ("actions", "commands")}
    for name, page in written.items():
        assert page == (DOCS / "reference" / f"{name}.md").read_text(encoding="utf-8"), f"magbroker rpc {name} > its page"
    for words, _command in verbs_of(group := typer.main.get_command(app), typer.Context(group)):
        assert f"## magbroker {' '.join(words)}\n" in written["commands"]


def test_every_command_says_what_it_does() -> None:
    group = typer.main.get_command(app)
    silent = [words for words, command in verbs_of(group, typer.Context(group)) if not command.help]
    assert silent == []


def test_the_page_has_every_setting_with_its_default() -> None:
    sections = re.split(r"^###? .*$", SETTINGS, flags=re.MULTILINE)
    general, gateway, peer, destination, priors, archive, every, *entities, taskman, alerts, mail, webhook, atna, site = sections
    assert rows(general) == defaults(Settings, "gateway", "taskman", "alerts", "atna")
    assert rows(gateway) == defaults(GatewaySettings)
    assert rows(peer) == defaults(PeerSettings)
    assert rows(destination) == defaults(DestinationSettings)
    assert rows(priors) == defaults(PriorSettings) | {"archive": ""}
    assert rows(archive) == dict.fromkeys(ArchiveSettings.model_fields, "")
    assert rows(every) == defaults(EntitySettings)
    for section, model in zip(entities, ENTITIES, strict=True):
        assert rows(section) == defaults(model, *(EntitySettings.model_fields if issubclass(model, EntitySettings) else ()))
    assert rows(taskman) == defaults(TaskManSettings)
    assert rows(alerts) == defaults(AlertSettings)
    assert rows(atna) == defaults(AtnaSettings)
    assert rows(mail) == defaults(MailSettings) | {"sender": "", "to": ""}
    assert rows(webhook) == defaults(WebhookSettings) | {"url": ""}
    assert rows(site) == defaults(SiteSettings)


def test_the_page_on_what_is_sent_has_every_key_with_its_default_and_its_settings_load(tmp_path: Path) -> None:
    page = (DOCS / "how-to" / "change-what-is-sent.md").read_text(encoding="utf-8")
    _, coercion, deidentification = re.split(r"^## (?:Coerce|De-identify).*$", page, flags=re.MULTILINE)
    assert rows(coercion) == defaults(CoerceSettings) | {"attribute": ""}
    assert rows(deidentification) == defaults(DeidentificationSettings)
    for number, text in enumerate(TOML.findall(page)):
        path = tmp_path / f"{number}.toml"
        path.write_text(text, encoding="utf-8")
        check_destinations(load_settings(path).gateway.destination)


def test_the_page_on_dictionaries_has_every_key_of_their_tables() -> None:
    page = (DOCS / "reference" / "dictionaries.md").read_text(encoding="utf-8")
    _, *sections = re.split(r"^## .*$", page, flags=re.MULTILINE)
    tables: list[type[BaseModel]] = [ListenerSettings, ModalitySettings, WorklistSettings, UserApplicationSettings]
    for section, table in zip(sections, tables, strict=True):
        cells = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
        assert sorted(re.findall(r"`([^`]*)`", "".join(cells))) == sorted(table.model_fields)


def test_the_page_on_accession_number_codes_has_each_once() -> None:
    page = (DOCS / "reference" / "accession-codes.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE) == [code.value for code in Extractor]


def test_the_page_on_objects_has_every_state() -> None:
    page = (DOCS / "reference" / "acquisition.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)) == {state.value for state in State}


def test_the_page_has_every_file_and_field_that_may_be_read() -> None:
    assert (DOCS / "reference" / "files.md").read_text(encoding="utf-8") == file_reference()


def netcat(folder: Path, typed: str) -> list[str]:
    """Type lines at a broker of the demo site and give those that it answers."""
    with RealBroker(SiteTemplate(folder / "template"), folder / "broker") as broker:
        command = ["nc", "-N", "127.0.0.1", str(broker.text_port)]
        done = subprocess.run(command, input=typed, capture_output=True, text=True, timeout=30, check=True)
    return done.stdout.splitlines()


def test_the_text_transport_answers_as_the_page_shows(tmp_path: Path) -> None:
    (shown,) = SPOKEN.findall((DOCS / "reference" / "transports.md").read_text(encoding="utf-8"))
    typed = "".join(line[1:].removeprefix(" ") + "\n" for line in shown.splitlines() if line.startswith(">"))
    expected = [line for line in shown.splitlines() if not line.startswith(">")]
    answers = netcat(tmp_path, typed)
    assert len(answers) == len(expected), answers
    for said, line in zip(answers, expected, strict=True):
        assert said == line or (line.endswith("...") and said.startswith(line.removesuffix("..."))), answers


def test_the_lines_of_the_readme_are_answered(tmp_path: Path) -> None:
    readme = (DOCS.parent / "README.md").read_text(encoding="utf-8")
    (typed,) = re.findall(r"^```\n\$ nc [^\n]*\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)
    answers = netcat(tmp_path, typed)
    assert [line.split()[0] for line in answers if line.startswith(("OK ", "ERROR "))] == ["OK"] * typed.count("\n")
    assert answers[-1] == "DEMO.MAGBROKER.EXAMPLE"


def test_the_settings_files_on_the_page_are_settings_files(tmp_path: Path) -> None:
    files = TOML.findall((DOCS / "how-to" / "open-a-broker.md").read_text(encoding="utf-8"))
    assert len(files) == 2
    for number, text in enumerate(files):
        path = tmp_path / f"{number}.toml"
        path.write_text(text, encoding="utf-8")
        assert load_settings(path) != load_settings()


def test_the_page_of_procedures_is_what_the_registry_says() -> None:
    """`magbroker rpc reference --no-installed-packs` writes it."""
    page = (DOCS / "reference" / "rpcs.md").read_text(encoding="utf-8")
    assert page == reference(facts_of(load_packs([], installed=False)))


def test_the_settings_of_the_page_on_archives_load(tmp_path: Path) -> None:
    page = (DOCS / "how-to" / "run-an-archive.md").read_text(encoding="utf-8")
    texts = TOML.findall(page)
    assert len(texts) == 3
    for number, text in enumerate(texts):
        path = tmp_path / f"{number}.toml"
        path.write_text(text, encoding="utf-8")
        assert entities_of(load_settings(path).gateway.archive)


def test_the_locations_on_the_page_on_archives_are_those_of_the_example_whose_gateway_is_set_up_for_it() -> None:
    page = (DOCS / "how-to" / "run-an-archive.md").read_text(encoding="utf-8")
    (text,) = re.findall(r"^```\n(\[\[imaging_site.*?)^```$", page, re.MULTILINE | re.DOTALL)
    site = tomllib.loads((DOCS / "examples" / "archive.toml").read_text(encoding="utf-8"))
    for table, entries in tomllib.loads(text).items():
        assert [{key: it[key] for key in entry} for it, entry in zip(site[table], entries, strict=True)] == entries
    gateway = load_settings(DOCS / "examples" / "archive-gateway.toml").gateway
    assert (gateway.access, gateway.verify) in {(it["access"], it["verify"]) for it in site["user"]}
    assert gateway.machine in {it["gateway"] for it in site["transmit_destination"]}


def test_the_page_on_archives_has_the_entities_with_their_titles_and_ports(tmp_path: Path) -> None:
    page = (DOCS / "how-to" / "run-an-archive.md").read_text(encoding="utf-8")
    path = tmp_path / "archive.toml"
    path.write_text(TOML.findall(page)[0], encoding="utf-8")
    for role, entity in entities_of(load_settings(path).gateway.archive).items():
        name = "service tool" if role is EntityRole.SERVICE_TOOL else role.replace("_", "-")
        assert f"\n| {name} | {entity.ae_title} | {entity.port or ''}".rstrip() in page
