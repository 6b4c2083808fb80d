"""Each action by each way as viewer, operator and manager: allowed or refused alike, and audited alike."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from console.cli.families import GROUPS
from console.reactor_thread import in_reactor, reactor
from console.shell.asking import asked_always
from console.web import web_service
from console.web.openapi import path_of
from console.web.pages.panels import form_path
from fileman import SiteKey, Store, apply_site, parse_site
from fileman.files import AuditChange, AuditRecord
from rpcs.actions import ACTIONS, DRY_RUN, ActionError, Kind, Parameter, answer_of, context_of
from runtime import FixedClock
from tests.integration.rpcs.conftest import BASE, NOON
from tests.integration.rpcs.test_every_action import CASES, SITE, Site
from tests.integration.rpcs.two_users import User
from tests.support.broker import RunningBroker
from tests.support.http import Web
from tests.support.pages import PageVisitor
from tests.support.templates import Templates
from tests.support.terminal import Terminal
from xwb import BrokerClient

VIEWER = User(11, "VIEWER,VERA", "VIEW11", "1VERA!@#$")
OPERATOR = User(12, "OPERATOR,OLA", "OPER12", "1OLAO!@#$")
MANAGER = User(13, "MANAGER,MIA", "MANA13", "1MIAM!@#$")
ROLES: Mapping[User, tuple[str, ...]] = {
    VIEWER: (),
    OPERATOR: ("MAG SYSTEM", "ZTMQ"),
    MANAGER: ("MAG SYSTEM", "ZTMQ", "XUMGR"),
}
CONTEXTS = ("MAGB GATEWAY", "MAGB TASKMAN")
#: The words of commands that are written by hand; all others are made of what the action declares.
WORDS: Mapping[str, str] = {
    "FAULT CLEAR": "fault clear {fault}",
    "FAULT LIST": "fault list",
    "FAULT SET": "fault set {fault} accession={accession}",
    "ARCHIVE MOUNT": "archive mount {label}",
    "ARCHIVE RECHECK": "archive recheck {images}",
    "ARCHIVE RULE": "archive keep --patient {subject}",
    "ARCHIVE UNMOUNT": "archive unmount {label}",
    "EXPORT HOLD": "queues hold --destination {destination}",
    "EXPORT RELEASE": "queues release --destination {destination}",
    "RULES PUBLISH": "rules publish {file} --location {location}",
    "RULES ROLLBACK": "rules rollback --location {location}",
    "RULES START": "rules start --location {location}",
    "RULES STOP": "rules stop --location {location}",
    "TASK CLEAN": "tasks delete --finished-before {days} --yes",
    "TASK DELETE": "tasks delete {numbers} --yes",
    "TASK DEQUEUE": "tasks dequeue {numbers}",
    "TASK ERRORS CLEAR": "tasks errors --clear --yes",
    "TASK FLAG CLEAR": "tasks flags --clear {name}",
    "TASK REQUEUE": "tasks requeue {numbers}",
    "TASK SCHEDULE ADD": "tasks schedule add {option} --frequency {frequency}",
    "TASK SCHEDULE EDIT": "tasks schedule pause {ien}",
    "TASK SCHEDULE REMOVE": "tasks schedule remove {ien}",
    "TASK SCHEDULE RUN": "tasks schedule run {ien}",
    "TASK START": "tasks start {what}",
    "TASK STOP": "tasks stop {numbers}",
    "WORKLIST FEED": "worklist import {table}",
    "ARCHIVE LIST": "archive list",
    "ARCHIVE REQUESTS": "archive requests",
    "AUDIT LIST": "audit list",
    "EXPORT LIST": "queues exports",
    "RULES EXPLAIN": "rules explain {image}",
    "RULES SHOW": "rules show {version}",
    "RULES VERSIONS": "rules versions --location {location}",
    "STATUS": "status",
    "TASK ERRORS": "tasks errors",
    "TASK FLAGS": "tasks flags",
    "TASK LIST": "tasks list",
    "TASK MONITOR": "tasks monitor --once",
    "TASK SCHEDULE LIST": "tasks schedule list",
    "TASK SCHEDULE PREVIEW": "tasks schedule preview {frequency}",
    "TASK SHOW": "tasks show {number}",
    "WORKLIST LIST": "worklist list",
}
#: What is asked of actions that only look and have to be told something; what there is not is missing for all alike.
LOOKS: Mapping[str, dict[str, object]] = {
    "DESTINATION ECHO": {"destination": "NOWHERE"},
    "LOCATION CHECK": {"ien": 1},
    "QUEUE LIST": {"queue": "EXPORT"},
    "CORRECT CANDIDATES": {"study": 1},
    "IMAGE SHOW": {"image": 1},
    "IMAGE STORY": {"image": 1},
    "CONTEXT SHOW": {"name": "MAIN"},
    "DESTINATION SHOW": {"ien": 1},
    "INSTITUTION SHOW": {"ien": 660},
    "LOCATION SHOW": {"ien": 1},
    "PLACE SHOW": {"ien": 1},
    "USER SHOW": {"duz": 1},
    "RULES EXPLAIN": {"image": 1},
    "RULES SHOW": {"version": "abc"},
    "RULES VERSIONS": {"location": 660},
    "TASK SCHEDULE PREVIEW": {"frequency": "1D"},
    "TASK SHOW": {"number": 1},
}
#: What needs a key although some of it does not: everyone's errors do, one's own do not.
OF_OTHERS = {"TASK ERRORS": "ZTMQ"}
#: Actions that no command of its own asks for: what a command asks first, before it does something.
NO_COMMAND = {"TASK CLEAN COUNT"}
_KINDS = {2: "usage", 3: "missing"}
#: What the shell says of what there is not.
_SHELL_SAYS = ("There is no ", "were asked about image")

Way = Callable[["Everyone", User, str, dict[str, object]], str]


@dataclass
class Everyone:
    """A broker with its web on a site of three users, and the ways by which they ask."""

    site: Site
    broker: RunningBroker
    port: int
    terminal: Terminal
    folder: Path

    def rpc(self, user: User, name: str, asked: dict[str, object]) -> str:
        """Call the procedure."""
        procedure = f"MAGB {name}"
        request = {key.upper().replace("_", " "): str(value) for key, value in asked.items()}
        with self.broker.client(user.access, user.verify, context_of(procedure)) as client:
            try:
                answer_of(client.call(procedure, request).text)
            except ActionError as error:
                return error.kind
        return "done"

    def api(self, user: User, name: str, asked: dict[str, object]) -> str:
        """Ask over HTTP."""
        action = ACTIONS[f"MAGB {name}"]
        signed = Web(self.port).post("/api/sign-on", access=user.access, verify=user.verify)
        web = Web(self.port, token=signed.body["token"])
        values = {"rows": asked["rows1"]} if "rows1" in asked else asked
        done = web.post(path_of(action), **values) if action.writes else web.get(path_of(action), **values)
        return "done" if done.status == 200 else str(done.body["error"])

    def page(self, user: User, name: str, asked: dict[str, object]) -> str:
        """Fill in the form of the console."""
        action = ACTIONS[f"MAGB {name}"]
        visitor = PageVisitor(self.port)
        assert visitor.sign_on(user.access, user.verify).status == 303
        values = {"rows": asked["rows1"]} if "rows1" in asked else asked
        path = form_path(action.name, {})
        sure = {"sure": 1} if action.destroys else {}
        shown = visitor.post(path, part=True, **values, **sure) if action.writes else visitor.get(path, part=True, **values)
        assert shown.status == 200, shown.text
        return shown.refused or ("done" if not action.writes or 'class="done"' in shown.text else shown.text)

    def command(self, user: User, name: str, asked: dict[str, object]) -> str:
        """Type the command."""
        codes = ("--access", user.access, "--verify", user.verify, "--broker", f"127.0.0.1:{self.broker.port}")
        said = self.terminal.run(*self._words(name, asked), *codes, "--data", self.folder)
        if said.status == 1 and "needs the security key" in said.err:
            return "key"
        return _KINDS.get(said.status, "done" if said.status == 0 else f"{said.status} {said.words}")

    def shell(self, user: User, name: str, asked: dict[str, object]) -> str:
        """Choose the option in the shell and answer what it asks."""
        script = self.folder / "script"
        script.write_text("".join(f"{line}\n" for line in self._answers(name, asked)), encoding="utf-8")
        codes = ("--access", user.access, "--verify", user.verify, "--broker", f"127.0.0.1:{self.broker.port}")
        with script.open(encoding="utf-8") as lines:
            self.terminal.monkeypatch.setattr("sys.stdin", lines)
            said = self.terminal.run("shell", *codes, "--data", self.folder)
        if said.status and "needs the security key" in said.words:
            return "key"
        if said.status and any(mark in said.words for mark in _SHELL_SAYS):
            return "missing"
        return "done" if said.status == 0 else f"{said.status} {said.words}"

    def _answers(self, name: str, asked: dict[str, object]) -> list[str]:
        action = ACTIONS[f"MAGB {name}"]
        takes = [it for it in action.takes.values() if it.name != DRY_RUN]
        always = asked_always(action)
        others = [it for it in takes if it not in always]
        wanted = any(it.key in asked for it in others)
        lines = [name, *(self._answer(it, asked) for it in always)]
        if others:
            lines += ["YES", *(self._answer(it, asked) for it in others)] if wanted else [""]
        return [*lines, *(["YES"] if action.writes else []), "^"]

    def _answer(self, it: Parameter, asked: dict[str, object]) -> str:
        value = asked.get(it.key, asked.get(f"{it.key}1", ""))
        if it.kind is Kind.FLAG:
            return {"1": "YES", "0": "NO"}.get(str(value), "")
        if "\n" not in str(value) and it.kind is not Kind.PIECES:
            return str(value)
        (self.folder / it.key).write_text(str(value), encoding="utf-8")
        return f"<{self.folder / it.key}"

    def _words(self, name: str, asked: dict[str, object]) -> list[str]:
        if name not in WORDS:
            return made_words(name, asked)
        files = {"file": self.folder / "rules.rule", "table": self.folder / "steps.csv"}
        files["file"].write_text(str(asked.get("text", "")), encoding="utf-8")
        if "rows1" in asked:
            row = json.loads(str(asked["rows1"]))[0][1]
            files["table"].write_text(f"{','.join(row)}\n{','.join(row.values())}\n", encoding="utf-8")
        return [word.format(**{**asked, **files}) for word in WORDS[name].split()]


def made_words(name: str, asked: dict[str, object]) -> list[str]:
    """Give the words of a command that is made of what an action declares: arguments first, then options."""
    takes = {it.key: it for it in ACTIONS[f"MAGB {name}"].takes.values()}
    group, verb = next((group, verb) for group, verbs in GROUPS.items() for verb, it in verbs.items() if it == name)
    words = [group, verb, *(str(asked[key]) for key, it in takes.items() if it.required)]
    for key, value in asked.items():
        if not takes[key].required:
            words += [takes[key].flag] if takes[key].kind is Kind.FLAG else [takes[key].flag, str(value)]
    return [*words, *(["--yes"] if ACTIONS[f"MAGB {name}"].destroys else [])]


WAYS: Mapping[str, Way] = {
    "rpc": Everyone.rpc,
    "api": Everyone.api,
    "page": Everyone.page,
    "command": Everyone.command,
    "shell": Everyone.shell,
}


def site_text() -> str:
    """Give the site of the actions' cases with three users more, who may use both contexts."""
    lines = [BASE.format(settings="", user="", context="", more=SITE)]
    lines.append(f'[[context]]\nname = "MAGB TASKMAN"\nrpcs = {json.dumps([name for name in ACTIONS if " TASK " in name])}\n')
    for user, keys in ROLES.items():
        facts = {"duz": user.duz, "name": user.name, "access": user.access, "verify": user.verify, "divisions": [660]}
        facts |= {"contexts": list(CONTEXTS), "keys": list(keys)}
        lines.append("[[user]]\n" + "\n".join(f"{name} = {json.dumps(value)}" for name, value in facts.items()))
    return "\n".join(lines)


@pytest.fixture
def everyone(
    templates: Templates,
    session_key_path: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Everyone]:
    """Serve a copy of the site."""
    key, clock = SiteKey.load_or_create(session_key_path), FixedClock(NOON)

    def fill(store: Store) -> None:
        store.transact(lambda connection: apply_site(connection, parse_site(site_text()), key, clock.now()))

    store = templates.open(f"sqlite:///{tmp_path / 'magbroker.db'}", "every way", fill)
    broker = RunningBroker(store, key, clock=clock)
    service = web_service(broker.service.hub, reactor, tmp_path, 0)
    in_reactor(service.start)
    clients: dict[User, BrokerClient] = {}

    def ask(user: User, name: str, /, **asked: object) -> Any:
        if user not in clients:
            clients[user] = broker.client(user.access, user.verify, "MAGB GATEWAY")
        request = {key.upper().replace("_", " "): str(value) for key, value in asked.items()}
        return answer_of(clients[user].call(f"MAGB {name}", request).text)

    terminal = Terminal(monkeypatch, capsys)
    yield Everyone(Site(store, clock, ask), broker, service.ports["web"], terminal, tmp_path)
    for client in clients.values():
        client.bye()
    in_reactor(service.stop)
    broker.stop()
    store.close()


def records(store: Store) -> list[tuple[Any, ...]]:
    """Give what the audit has: action, outcome, who, and what was changed."""
    columns = (AuditRecord.ien, AuditRecord.action, AuditRecord.outcome, AuditRecord.name)
    rows = store.read(lambda it: it.execute(select(*columns).order_by(AuditRecord.ien)).all())
    changes = select(AuditChange.record, AuditChange.subject).order_by(AuditChange.record, AuditChange.number)
    told = store.read(lambda it: it.execute(changes).all())
    return [(*row[1:], tuple(subject for record, subject in told if record == row.ien)) for row in rows]


def may(user: User, name: str) -> bool:
    """Tell whether a user holds the key of an action."""
    key = ACTIONS[f"MAGB {name}"].key or OF_OTHERS.get(name)
    return not key or key in ROLES[user]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", CASES)
def test_what_changes_something_is_done_refused_and_audited_alike(everyone: Everyone, name: str, way: str) -> None:
    case = CASES[name]
    asked = {**case.asked, **case.before(everyone.site)}
    ask = WAYS[way]
    refused = [user for user in ROLES if not may(user, name)]
    for user in refused:
        before = len(records(everyone.site.store))
        assert ask(everyone, user, name, asked) == "key"
        assert records(everyone.site.store)[before:] == [(f"MAGB {name}", "key", user.name, ())]
    doer = next(user for user in ROLES if may(user, name)) if ACTIONS[f"MAGB {name}"].key else MANAGER
    before = len(records(everyone.site.store))
    assert ask(everyone, doer, name, asked) == "done"
    (record,) = records(everyone.site.store)[before:]
    assert record[:3] == (f"MAGB {name}", "done", doer.name)
    assert record[3][0].startswith(case.subject)
    assert len(refused) < len(ROLES), "a manager may do everything"


@pytest.mark.parametrize("name", [name.removeprefix("MAGB ") for name, action in ACTIONS.items() if not action.writes])
def test_what_only_looks_is_shown_or_refused_alike(everyone: Everyone, name: str) -> None:
    asked = LOOKS.get(name, {})
    for user in ROLES:
        told = {
            way: ask(everyone, user, name, asked) for way, ask in WAYS.items() if not (way == "command" and name in NO_COMMAND)
        }
        assert len(set(told.values())) == 1, told
        assert may(user, name) is (told["rpc"] != "key"), told
    assert records(everyone.site.store) == [], "looking is not written down"


def test_every_action_has_a_command() -> None:
    made = {procedure for verbs in GROUPS.values() for procedure in verbs.values()}
    known = {name.removeprefix("MAGB ") for name in ACTIONS}
    assert made | set(WORDS) | NO_COMMAND == known
    assert not made & set(WORDS), "a command is made or written, not both"
