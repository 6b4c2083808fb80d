"""`magbroker shell` at a terminal, and with input piped in, against a broker that runs."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from console.tasks import open_desk
from console.way import Way
from magbroker.client import BrokerClient
from runtime import free_port, load_settings
from tests.integration.test_how_to_pages import shows
from tests.support.certificates import Authority
from tests.support.services import DEMO_SITE, Services, magbroker
from tests.support.typist import Typist

OPTION, OTHERS, OK = "Select OPTION NAME: ", "Other parameters? NO// ", "OK to do this? NO// "
MANAGER, GATEWAY = ("DEMOMG1", "1MGR!@#$"), ("DEMOGW1", "1GWY!@#$")
FILE = {
    1: "3",
    2: "STORE1||660|GWA|RAD|CT1|F{0}|666001100|DEMO^PATIENT^ONE|021026-201|021026-201|20260210|093000|0|CT||<DICOM>|1|1"
    "|660|0|GW|",
    3: "STORE2|1.2|1.2.1|1.2.1.{0}|1.2.840.10008.5.1.4.1.1.2|0|1|ACME|X1|3260210.0931|V||",
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    folder = tmp_path_factory.mktemp("site")
    file = folder / "site.toml"
    codes = 'verify = "1VIW!@#$"\n'
    file.write_text(
        DEMO_SITE.read_text(encoding="utf-8").replace(codes, f"{codes}verify_changed = 2020-01-01\n"), encoding="utf-8"
    )
    services = Services(folder / "var", file, environment={"MAGBROKER_WEB_PORT": "0"})
    services.start(services.broker)
    yield services
    services.broker.stop()


def of_user(codes: tuple[str, str]) -> dict[str, str]:
    return {"MAGBROKER_ACCESS": codes[0], "MAGBROKER_VERIFY": codes[1]}


@contextmanager
def signed_on(site: Services, codes: tuple[str, str], **terminal: int) -> Iterator[Typist]:
    with Typist(["shell", "--data", str(site.directory)], of_user(codes), **terminal) as typist:
        typist.until(OPTION)
        yield typist


def piped(
    site: Services, *lines: str, codes: tuple[str, str] | None = None, options: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "console.cli.main", "shell", "--data", str(site.directory), *options],
        input="".join(f"{line}\n" for line in lines),
        env={**os.environ, "COLUMNS": "120", **(of_user(codes) if codes else {})},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def audited(site: Services) -> list[tuple[str, str, str]]:
    """Give who did what, with what outcome, the newest first."""
    with open_desk(Way(load_settings(None, data=site.directory))) as desk:
        return [(it["name"], it["action"], it["outcome"]) for it in desk.ask("MAGB AUDIT LIST")["actions"]]


def store_image(site: Services, number: int) -> None:
    with BrokerClient("127.0.0.1", site.broker_port) as client:
        client.sign_on(*GATEWAY)
        client.create_context("MAG DICOM GATEWAY FULL")
        stored = client.call("MAG DICOM IMAGE PROCESSING", {key: text.format(number) for key, text in FILE.items()})
        assert stored.lines[1].startswith("STORE|0|")


def test_somebody_signs_on_holds_a_destination_and_the_audit_knows_who(site: Services) -> None:
    with Typist(["shell", "--data", str(site.directory)]) as typist:
        assert "Every patient here is invented." in typist.until("ACCESS CODE: ")
        typist.type("DEMOMG1", "VERIFY CODE: ")
        assert "is wrong" in typist.type("WRONG1!@", "ACCESS CODE: ")
        typist.type("DEMOMG1", "VERIFY CODE: ")
        assert re.search(r"Good \w+ MANAGER,IRIS", typist.type("1MGR!@#$", OPTION))
        assert "DEMOMG1" not in typist.seen
        typist.type("exp h", "DESTINATION: ")
        typist.type("READING ROOM", "ENTRIES: ")
        assert "destination READING ROOM: held false to true" in typist.type("", OK)
        typist.type("y", OPTION)
        typist.type("EXPORT LIST", OTHERS)
        assert "READING ROOM MANAGER,IRIS" in " ".join(typist.type("", OPTION).split())
        typist.type("^")
        assert typist.ended() == 0
    assert audited(site)[0] == ("MANAGER,IRIS", "MAGB EXPORT HOLD", "done")


def test_enter_alone_is_the_owner_of_the_data_directory(site: Services) -> None:
    with Typist(["shell", "--data", str(site.directory)]) as typist:
        typist.until("ACCESS CODE: ")
        assert "You are the owner " in typist.type("", OPTION)
        typist.type("EXPORT REL", "DESTINATION: ")
        typist.type("READING ROOM", "ENTRIES: ")
        typist.type("", "(YES/NO): ")
        typist.type("", OK)
        typist.type("YES", OPTION)
        typist.press("\x04")  # Ctrl-D
        assert typist.ended() == 0
    name, action, outcome = audited(site)[0]
    assert (name.split()[0], action, outcome) == ("owner", "MAGB EXPORT RELEASE", "done")


def test_question_marks_lists_and_jumps_lead_through_the_options(site: Services) -> None:
    with signed_on(site, MANAGER, lines=2000) as typist:
        assert "EXPORT HOLD, LIST, RELEASE" in typist.type("?", OPTION)
        assert "Hold DESTINATION, for which nothing more is sent" in typist.type("??", OPTION)
        assert "needs the security key MAG SYSTEM" in typist.type("?EXPORT HOLD", OPTION)
        assert "Options of the menu Queues:" in typist.type("Queues", "Select Queues Option: ")
        typist.type("^", OPTION)
        assert "1   EXPORT HOLD" in typist.type("EXP", "CHOOSE 1-3: ")
        typist.type("1", "DESTINATION: ")
        assert "A transmit destination's name." in typist.type("?", "DESTINATION: ")
        assert "images" in typist.type("^STATUS", OPTION)
        typist.type("EXPORT HOLD", "DESTINATION: ")
        typist.press("READ\x03")  # Ctrl-C
        assert "Abandoned." in typist.until(OPTION)
        assert "There is no option 'NOSUCH'" in typist.type("NOSUCH", OPTION)
        typist.type("HALT")
        assert typist.ended() == 0


def test_tab_completes_and_the_up_key_brings_back_what_was_chosen_but_no_secret(site: Services) -> None:
    with signed_on(site, MANAGER) as typist:
        typist.press("EXPORT L\t")
        typist.until("EXPORT LIST")
        typist.type("", OTHERS)
        typist.type("", OPTION)
        typist.type("SECRET;1SECRET!", OPTION)
        typist.type("CALL RPC", "Select REMOTE PROCEDURE: ")
        typist.press("XUS AV C\t")
        typist.until("XUS AV CODE")
        typist.type("", "TYPE: ")
        typist.type("1", "VALUE: ")
        typist.type("DEMOMG1;HUSH", "TYPE: ")
        assert "(codes are masked)" in typist.type("", OPTION)
        assert "HUSH" not in typist.seen
        typist.press("\x1b[A")
        typist.until("CALL RPC")
        typist.press("\x1b[A")
        typist.until("EXPORT LIST")
        typist.type("", OTHERS)
        assert "held" in typist.type("", OPTION), "a session in which somebody called XUS AV CODE is begun again"
    history = site.directory / "shell_history"
    assert stat.S_IMODE(history.stat().st_mode) == 0o600
    assert history.read_text(encoding="utf-8").splitlines()[-3:] == ["EXPORT LIST", "CALL RPC", "EXPORT LIST"]
    assert not re.search("SECRET|HUSH|DEMOMG1", history.read_text(encoding="utf-8"))
    with signed_on(site, MANAGER) as typist:
        typist.press("\x1b[A")
        typist.until("EXPORT LIST")


def test_a_call_shows_its_bytes_both_ways_and_its_answer(site: Services) -> None:
    with signed_on(site, MANAGER, lines=200) as typist:
        typist.type("CONTEXT", "Select CONTEXT: ")
        assert "does not exist" in typist.type("NO SUCH CONTEXT", OPTION)
        typist.type("CONTEXT", "Select CONTEXT: ")
        typist.type("MAG DICOM GATEWAY FULL", OPTION)
        typist.type("CALL RPC", "Select REMOTE PROCEDURE: ")
        typist.type("MAG DICOM GET DOMAIN", "TYPE: ")
        answer = typist.type("", OPTION)
        assert "5b 58 57 42 5d 31 31 33 30 32 05 31 2e 31 30 38  [XWB]11302.1.108" in answer
        assert re.search(r"received 25 bytes after \d+\.\d ms", answer)
        assert "DEMO.MAGBROKER.EXAMPLE" in answer.split("The answer has 1 line:")[1]
        typist.type("CALL RPC", "Select REMOTE PROCEDURE: ")
        typist.type("MAGB EXPORT LIST", "(REQUEST, a list) TYPE: ")
        typist.type("LIST", "KEY=VALUE: ")
        assert "is not written as KEY=VALUE" in typist.type("nonsense", "KEY=VALUE: ")
        typist.type('"STATUS"=NONSENSE', "KEY=VALUE: ")
        typist.type("", "TYPE: ")
        assert "0^usage^STATUS is one of" in typist.type("", OPTION)
        typist.type("CALL RPC", "Select REMOTE PROCEDURE: ")
        typist.type("ZZ NOTHING", "TYPE: ")
        assert "The broker does not know this procedure" in typist.type("", OPTION)


def test_events_scroll_above_the_prompt_while_somebody_types(site: Services) -> None:
    with signed_on(site, MANAGER) as typist:
        typist.type("WATCH EVENTS", OPTION)
        typist.press("EXPORT ")
        typist.until("EXPORT ")
        store_image(site, 1)
        assert re.search(r"\d\d:\d\d:\d\d image \d+ \w+", typist.until("STORE"))
        assert typist.until("EXPORT ").endswith(f"{OPTION}EXPORT "), "the prompt stands below again, with what was typed"
        typist.type("LIST", OTHERS)
        typist.type("", OPTION)
        typist.type("WATCH STOP", OPTION)
        typist.type("^")
        assert typist.ended() == 0
    tokens = [it for it in audited(site) if "TOKEN" in it[1]]
    assert tokens[:2] == [("MANAGER,IRIS", "MAGB TOKEN END", "done"), ("MANAGER,IRIS", "MAGB TOKEN MAKE", "done")]


def test_a_flood_of_events_leaves_room_to_type(site: Services) -> None:
    with signed_on(site, MANAGER) as typist, BrokerClient("127.0.0.1", site.broker_port) as client:
        client.sign_on(*GATEWAY)
        client.create_context("MAGB GATEWAY")
        typist.type("WATCH EVENTS", OPTION)
        for _ in range(5):
            client.call("MAGB IMAGE EVENTS", {number: f"1.2.3.{number}^^FLOOD^^GW1^told^" for number in range(1, 401)})
            typist.until("FLOOD told GW1")
        assert re.search(r"\.\.\. and \d{3,4} more", typist.until(" more"))
        typist.press("EXP")
        typist.until("EXP")
        typist.type(" L", OTHERS)
        assert "entries" in typist.type("", OPTION)
    assert typist.seen.count("FLOOD") < 400


def test_the_owner_watches_over_the_socket_in_a_pipe_too(site: Services) -> None:
    command = [sys.executable, "-m", "console.cli.main", "shell", "--data", str(site.directory)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        running.stdin.write("WATCH EVENTS\n")
        running.stdin.flush()
        while "scroll by from now on" not in running.stdout.readline():
            assert running.poll() is None
        store_image(site, 2)
        line = running.stdout.readline()
        while "STORE" not in line:
            assert running.poll() is None
            line = running.stdout.readline()
        running.stdin.write("^\n")
        running.stdin.flush()
        assert running.wait(60) == 0


def test_scripts_pipe_lines_in_and_learn_by_the_exit_status_what_was_refused(site: Services) -> None:
    done = piped(site, "STATUS", "^")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Select OPTION NAME: STATUS\n" in done.stdout
    assert "\x1b" not in done.stdout
    refused = piped(site, "EXPORT HOLD", "NOWHERE", "", "STATUS")
    assert (refused.returncode, "There is no destination 'NOWHERE'" in refused.stdout) == (1, True)
    assert "images" in refused.stdout, "what comes after is done"
    assert piped(site, "EXPORT HOLD", "READING ROOM").returncode == 1, "the input ended amid an option"


def test_who_lacks_the_key_is_refused_in_words_and_the_audit_knows(site: Services) -> None:
    done = piped(site, "EXPORT HOLD", "READING ROOM", "", "^", codes=GATEWAY)
    assert (done.returncode, "GATEWAY,DICOM needs the security key MAG SYSTEM" in done.stdout) == (1, True)
    assert audited(site)[0] == ("GATEWAY,DICOM", "MAGB EXPORT HOLD", "key")
    listed = piped(site, "EXPORT LIST", "", "^", codes=GATEWAY)
    assert (listed.returncode, "no entries" in listed.stdout) == (0, True)


def test_codes_that_are_not_taken_end_it(site: Services) -> None:
    done = piped(site, "STATUS", codes=("DEMOMG1", "1WRONG!@"))
    assert (done.returncode, "is wrong" in done.stderr) == (1, True)


def test_who_has_several_divisions_is_asked_for_one(site: Services) -> None:
    done = piped(site, "LAKE", "^", codes=("DEMOTR1", "1TRV!@#$"))
    assert (done.returncode, "Select DIVISION: LAKE" in done.stdout) == (0, True)
    assert site.rows("SELECT division FROM sign_on_log ORDER BY ien DESC LIMIT 1") == [(661,)]


def test_the_page_shows_what_the_shell_says(tmp_path: Path) -> None:
    assert magbroker("site", "load", str(DEMO_SITE), "--data", str(tmp_path)).returncode == 0
    page = (DEMO_SITE.parents[1] / "docs" / "how-to" / "use-the-shell.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"^```transcript\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    prompt = re.compile(r"^(?:Select .*?:|[A-Z]+:(?: \S+//)?|CHOOSE .*?:|.*NO//) ?(.*)$")
    answers = [match[1] for line in shown.splitlines() if (match := prompt.match(line))]
    done = piped(Services(tmp_path, DEMO_SITE), *answers)
    said = done.stdout[done.stdout.index(OPTION) :]
    assert shows(shown.splitlines(), said), said


def test_an_expired_verify_code_is_changed_at_the_prompt(site: Services) -> None:
    with Typist(["shell", "--data", str(site.directory)], of_user(("DEMOVW1", "1VIW!@#$"))) as typist:
        typist.until("NEW VERIFY CODE: ")
        typist.type("short", "THE SAME AGAIN: ")
        assert "Enter 8-20 characters" in typist.type("short", "NEW VERIFY CODE: ")
        typist.type("2NEW!@#$", "THE SAME AGAIN: ")
        assert "These are two." in typist.type("2OTHER!@#$", "NEW VERIFY CODE: ")
        typist.type("2NEW!@#$", "THE SAME AGAIN: ")
        assert "VIEWER,MARY" in typist.type("2NEW!@#$", OPTION)
        assert "2NEW" not in typist.seen
    assert piped(site, "^", codes=("DEMOVW1", "2NEW!@#$")).returncode == 0


def test_a_broker_that_went_away_is_told_of_and_asked_again_when_it_is_back(site: Services) -> None:
    with signed_on(site, MANAGER) as typist:
        typist.type("WATCH QUEUES", OPTION)
        site.broker.stop()
        typist.until("The live feed is lost")
        typist.until(OPTION)
        assert "Is a broker running at" in typist.type("STATUS", OPTION)
        site.start(site.broker)
        typist.until("The live feed is there again.")
        typist.until(OPTION)
        shown = typist.type("STATUS", OPTION)
        assert "you are signed on again" in shown
        assert "images" in shown


def test_over_tls_the_session_lasts_and_events_come_too(tmp_path: Path) -> None:
    authority = Authority.create(tmp_path)
    certificate, key = authority.issue("localhost")
    port = free_port()
    web = {"MAGBROKER_WEB_PORT": str(free_port()), "MAGBROKER_WEB_TLS": "true"}
    tls = {"TLS_CERTIFICATE": str(certificate), "TLS_KEY": str(key), "BROKER_TLS_PORT": str(port)}
    serving = {**web, **{f"MAGBROKER_{name}": value for name, value in tls.items()}}
    site = Services(tmp_path / "var", DEMO_SITE, environment=serving)
    site.start(site.broker)
    options = ["--broker", f"localhost:{port}", "--tls", "--ca", str(authority.file), "--data", str(tmp_path / "none")]
    try:
        with Typist(["shell", *options], {**of_user(MANAGER), **web}) as typist:
            typist.until(OPTION)
            typist.type("STATUS", OPTION)
            assert "new session" not in typist.type("STATUS", OPTION)
            typist.type("WATCH EVENTS", OPTION)
            store_image(site, 1)
            typist.until("STORE")
    finally:
        site.broker.stop()


def test_without_a_broker_the_owner_works_on_the_database(tmp_path: Path) -> None:
    assert magbroker("site", "load", str(DEMO_SITE), "--data", str(tmp_path)).returncode == 0
    idle = Services(tmp_path, DEMO_SITE)
    lines = ("EXPORT HOLD", "READING ROOM", "", "YES", "WATCH EVENTS", "^")
    done = piped(idle, *lines, codes=MANAGER, options=("--owner",))  # --owner wins over codes
    assert (done.returncode, "there is nothing to watch" in done.stdout) == (1, True)
    assert audited(idle)[0][1:] == ("MAGB EXPORT HOLD", "done")
