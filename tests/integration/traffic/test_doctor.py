"""The doctor says in plain words what is wrong with a broker, and with what is none."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pynetdicom import AE

from broker import Limits, Listener
from console.doctor import Doctor, Plan, State, Step
from runtime import SystemClock, TLSFiles, free_port, server_context
from tests.integration.traffic.conftest import MakeBroker
from tests.integration.traffic.sockets import accept, connect, listening, port_of
from tests.support.broker import RunningBroker
from tests.support.certificates import Authority
from tests.support.services import magbroker
from xwb import BrokerClient, Cipher

CODES = ("FAKEDOC1", "1DOC!@#$")
TIMEOUT = 5.0


def plan(port: int, **settings: Any) -> Plan:
    return replace(Plan("127.0.0.1", port, codes=CODES, timeout=TIMEOUT), **settings)


def examine(of: Plan) -> dict[str, Step]:
    return {step.name: step for step in Doctor(of).examine()}


def wrong(of: Plan) -> Step:
    """Give the step that failed; those after it were not tried."""
    steps = list(Doctor(of).examine())
    bad = [number for number, step in enumerate(steps) if step.state is State.BAD]
    assert len(bad) == 1, steps
    assert {(step.state, step.found) for step in steps[bad[0] + 1 :]} <= {(State.SKIPPED, "not tried")}
    assert steps[bad[0]].advice
    return steps[bad[0]]


@contextmanager
def peer(answer: bytes, *, first: bool = False) -> Iterator[int]:
    """Listen as something that is no broker: it answers what comes, or speaks first, and closes; gives the port."""
    with listening() as listener:
        closing = threading.Event()

        def serve() -> None:
            while not closing.is_set():
                try:
                    with accept(listener) as connection:
                        if first or connection.recv(4096):
                            connection.sendall(answer)
                except OSError:
                    continue

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield port_of(listener)
        finally:
            closing.set()
            connect(port_of(listener)).close()
            thread.join(10)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.create(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def tls_port(make_broker: MakeBroker, authority: Authority) -> int:
    certificate, key = authority.issue("localhost")
    listener = Listener(0, tls=server_context(TLSFiles(certificate, key)))
    return make_broker(listeners={"broker_tls": listener}).service.ports["broker_tls"]


def test_all_is_well(broker: RunningBroker) -> None:
    steps = examine(plan(broker.port, context="ZZ ORACLE TEST", rpc="ZZ ORACLE ARRAY"))
    assert {name: step.state for name, step in steps.items()} == {
        "host": State.GOOD,
        "port": State.GOOD,
        "TLS": State.SKIPPED,
        "broker": State.GOOD,
        "system": State.GOOD,
        "sign-on": State.GOOD,
        "context": State.GOOD,
        "call": State.GOOD,
        "procedure": State.GOOD,
        "clock": State.SKIPPED,
    }
    assert "ORACLE.DOMAIN.EXT, a test system" in steps["system"].found
    assert steps["sign-on"].found == "signed on as user 9001"
    assert "XWB IM HERE answers in" in steps["call"].found


def test_without_sign_on_the_connection_is_examined_only(broker: RunningBroker) -> None:
    steps = examine(plan(broker.port, codes=None, sign_on=False))
    assert steps["system"].state is State.GOOD
    assert steps["sign-on"].state is State.SKIPPED
    assert all(step.state is not State.BAD for step in steps.values())


@pytest.mark.parametrize(("hours", "state"), [(0, State.GOOD), (5, State.WARNING)])
def test_the_broker_s_clock_is_shown_and_one_that_differs_is_noted(broker: RunningBroker, hours: int, state: State) -> None:
    class Here(SystemClock):
        """A clock elsewhere."""

        def now(self) -> datetime:
            return super().now() + timedelta(hours=hours)

    step = examine(plan(broker.port, context="XWB BROKER EXAMPLE", clock=Here()))["clock"]
    assert step.state is state
    assert "from here" in step.found


def test_a_closed_port() -> None:
    port = free_port()
    step = wrong(plan(port))
    assert (step.name, step.found) == ("port", f"Nothing listens on port {port} of 127.0.0.1.")
    assert "Is the broker started?" in step.advice


def test_a_closed_tls_port() -> None:
    step = wrong(plan(free_port(), tls=True))
    assert step.name == "port"
    assert step.found.startswith("The TLS port is closed")
    assert "broker_tls_port" in step.advice


def test_an_unknown_host() -> None:
    step = wrong(plan(9430, host="no-such-host.invalid"))
    assert (step.name, step.found) == ("host", "The host no-such-host.invalid is not known.")


@pytest.mark.parametrize(
    ("answer", "first", "said"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", False, "web server"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", True, "SSH server"),
        (b"220 mail.example ESMTP\r\n", True, "mail or file server"),
        (b"\x0bMSH|^~\\&|", False, "HL7"),
        (b"what?\r\n", False, "no RPC broker: 'what?"),
        (b"", False, "does not answer as an RPC broker does"),
    ],
)
def test_a_port_of_something_else(answer: bytes, first: bool, said: str) -> None:
    with peer(answer, first=first) as port:
        step = wrong(plan(port))
    assert step.name == "broker"
    assert said in step.found


def test_the_text_port(broker: RunningBroker) -> None:
    step = wrong(plan(broker.text_port))
    assert "text transport" in step.found


def test_a_dicom_port() -> None:
    entity = AE()
    entity.add_supported_context("1.2.840.10008.1.1")
    server = entity.start_server(("127.0.0.1", 0), block=False)
    try:
        step = wrong(plan(server.socket.getsockname()[1], timeout=1.0))
    finally:
        server.shutdown()
    assert step.name == "broker"
    assert "DICOM" in step.found + step.advice


def test_a_port_that_keeps_silent() -> None:
    with listening() as listener:
        step = wrong(plan(port_of(listener), timeout=0.2))
    assert step.name == "broker"
    assert "does not answer as an RPC broker does" in step.found
    assert "DICOM" in step.advice


def test_a_tls_port_spoken_to_in_clear(tls_port: int) -> None:
    step = wrong(plan(tls_port))
    assert step.name == "broker"
    assert step.found == "The port speaks TLS, and was spoken to in clear."
    assert "--tls" in step.advice


def test_a_port_in_clear_spoken_to_in_tls(broker: RunningBroker) -> None:
    step = wrong(plan(broker.port, tls=True))
    assert step.name == "TLS"
    assert "a broker answers there in clear" in step.found


def test_tls_with_a_certificate_that_is_trusted(tls_port: int, authority: Authority) -> None:
    steps = examine(plan(tls_port, host="localhost", tls=True, authority=authority.file))
    assert steps["TLS"].state is State.GOOD
    assert "certificate of localhost" in steps["TLS"].found
    assert steps["call"].state is State.GOOD


def test_a_certificate_that_is_not_trusted(tls_port: int) -> None:
    step = wrong(plan(tls_port, host="localhost", tls=True))
    assert step.name == "TLS"
    assert "not trusted" in step.found
    assert "--ca" in step.advice


def test_a_certificate_of_another_host(tls_port: int, authority: Authority) -> None:
    step = wrong(plan(tls_port, tls=True, authority=authority.file))
    assert step.name == "TLS"
    assert "is for another" in step.found


def test_an_authority_that_is_none(tls_port: int, tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("nothing\n")
    step = wrong(plan(tls_port, tls=True, authority=tmp_path / "empty.pem"))
    assert "holds no certificate authority" in step.found
    step = wrong(plan(tls_port, tls=True, authority=tmp_path / "none.pem"))
    assert "none.pem cannot be read: No such file" in step.found
    for file in ("certificate", "key"):
        step = wrong(plan(tls_port, tls=True, **{file: tmp_path / "none.pem"}))
        assert "none.pem cannot be read: No such file" in step.found


def test_a_broker_that_wants_a_client_certificate(make_broker: MakeBroker, authority: Authority) -> None:
    certificate, key = authority.issue("localhost")
    context = server_context(TLSFiles(certificate, key, client_authorities=authority.file))
    strict = make_broker(listeners={"broker_tls": Listener(0, tls=context)})
    step = wrong(plan(strict.service.ports["broker_tls"], host="localhost", tls=True, authority=authority.file))
    assert "client certificate (--cert, --key)" in step.advice


def test_a_client_certificate_is_shown(make_broker: MakeBroker, authority: Authority, tmp_path: Path) -> None:
    certificate, key = authority.issue("localhost")
    context = server_context(TLSFiles(certificate, key, client_authorities=authority.file))
    port = make_broker(listeners={"broker_tls": Listener(0, tls=context)}).service.ports["broker_tls"]
    own, own_key = authority.issue("client")
    asked = plan(port, host="localhost", tls=True, authority=authority.file)
    assert examine(replace(asked, certificate=own, key=own_key))["call"].state is State.GOOD
    both = tmp_path / "both.pem"
    both.write_bytes(own.read_bytes() + own_key.read_bytes())
    assert examine(replace(asked, certificate=both))["call"].state is State.GOOD
    step = wrong(replace(asked, certificate=own, key=key))
    assert "are no certificate and its key" in step.found
    (tmp_path / "other").mkdir()
    stranger, stranger_key = Authority.create(tmp_path / "other").issue("client")
    step = wrong(replace(asked, certificate=stranger, key=stranger_key))
    assert "certificate" in step.advice


def test_files_for_tls_without_it_are_refused(authority: Authority) -> None:
    for options in (("--ca", str(authority.file)), ("--tls", "--key", str(authority.file))):
        run = magbroker("doctor", "127.0.0.1:1", "--no-sign-on", *options)
        assert run.returncode == 1
        assert "--tls" in run.stderr or "--cert" in run.stderr


def test_a_procedure_that_cannot_be_called_is_not_looked_for_in_a_log(broker: RunningBroker) -> None:
    step = wrong(plan(broker.port, context="ZZ ORACLE TEST", rpc="X" * 300))
    assert step.name == "procedure"
    assert "Nothing was sent" in step.advice


def test_a_broker_that_rejects(make_broker: MakeBroker) -> None:
    step = wrong(plan(make_broker({"logons_inhibited": True}).port))
    assert step.name == "broker"
    assert "logons are inhibited, or it is full" in step.found


def test_a_full_broker(make_broker: MakeBroker) -> None:
    full = make_broker(limits=Limits(sessions=2))
    with BrokerClient("127.0.0.1", full.port), BrokerClient("127.0.0.1", full.port):
        assert "it is full" in wrong(plan(full.port)).found


@pytest.mark.parametrize(
    ("codes", "said"),
    [
        (("FAKEDOC1", "WRONG1!X"), "access code or the verify code is wrong"),
        (("FAKEEXP1", "1EXP!@#$"), "verify code has expired"),
        (("FAKETRM1", "1TRM!@#$"), "terminated"),
        (("FAKEDIS1", "1DIS!@#$"), "DISUSER"),
        (("FAKELCK1", "1LCK!@#$"), "locked out"),
        (("FAKENUL1", ""), "no verify code"),
    ],
)
def test_codes_that_are_refused(broker: RunningBroker, codes: tuple[str, str], said: str) -> None:
    step = wrong(plan(broker.port, codes=codes))
    assert step.name == "sign-on"
    assert said in step.found
    assert not any(code and code in step.found + step.advice for code in codes)


def test_another_cipher_table_is_hinted_at(broker: RunningBroker) -> None:
    shifted = Cipher([bytes(range(32 + row, 94)) + bytes(range(32, 32 + row)) for row in range(1, 21)])
    step = wrong(plan(broker.port, cipher=shifted))
    assert "cipher table" in step.advice


def test_a_locked_address(make_broker: MakeBroker) -> None:
    strict = make_broker({"signon_attempts": 1})
    step = wrong(plan(strict.port, codes=("FAKEDOC1", "WRONG1!X"), timeout=15.0))
    assert "address is locked" in step.found


def test_no_codes(broker: RunningBroker) -> None:
    step = wrong(plan(broker.port, codes=None))
    assert step.name == "sign-on"
    assert "MAGBROKER_ACCESS" in step.advice


@pytest.mark.parametrize(
    ("codes", "context", "said"),
    [
        (CODES, "NO SUCH CONTEXT", "There is no such context (option) there"),
        (("FAKEVIEW1", "1VIE!@#$"), "MAG DICOM GATEWAY FULL", "not given to this user"),
        (CODES, "ZZ ORACLE OUT OF ORDER", "out of order"),
        (CODES, "ZZ ORACLE LOCKED", "A key decides"),
    ],
)
def test_contexts_that_are_refused(broker: RunningBroker, codes: tuple[str, str], context: str, said: str) -> None:
    step = wrong(plan(broker.port, codes=codes, context=context))
    assert step.name == "context"
    assert said in step.found


@pytest.mark.parametrize(
    ("context", "rpc", "said"),
    [
        ("ZZ ORACLE TEST", "MAG DICOM GET DOMAIN", "not registered to the context"),
        ("ZZ ORACLE TEST", "NO SUCH RPC", "does not know this procedure"),
        ("ZZ ORACLE TEST", "ZZ ORACLE INACTIVE", "inactive"),
        ("", "MAG DICOM GET DOMAIN", "No context is entered"),
    ],
)
def test_procedures_that_are_refused(broker: RunningBroker, context: str, rpc: str, said: str) -> None:
    step = wrong(plan(broker.port, context=context, rpc=rpc))
    assert step.name == "procedure"
    assert said in step.found


@pytest.mark.parametrize("rpc", ["ZZ ORACLE ERROR", "ZZ ORACLE APPERR"])
def test_a_procedure_that_fails_without_parameters_is_there(broker: RunningBroker, rpc: str) -> None:
    step = examine(plan(broker.port, context="ZZ ORACLE TEST", rpc=rpc))["procedure"]
    assert step.state is State.WARNING
    assert "is there and may be called" in step.found


def test_the_command_says_it_with_its_exit_status_and_never_shows_a_code(broker: RunningBroker) -> None:
    address = f"127.0.0.1:{broker.port}"
    environment = {"MAGBROKER_ACCESS": CODES[0], "MAGBROKER_VERIFY": CODES[1]}
    well = magbroker("doctor", address, "--context", "ZZ ORACLE TEST", environment=environment)
    assert (well.returncode, well.stderr) == (0, "")
    assert "All is well." in well.stdout
    bad = magbroker("doctor", address, "--context", "NOPE", "--json", environment=environment)
    assert bad.returncode == 1
    found = json.loads(bad.stdout)
    assert found["well"] is False
    assert [step["name"] for step in found["steps"] if step["state"] == "bad"] == ["context"]
    unknown = magbroker("doctor", address, "--no-sign-on")
    assert unknown.returncode == 0
    malformed = magbroker("doctor", "127.0.0.1")
    assert malformed.returncode == 2
    assert "HOST:PORT" in malformed.stderr
    for run in (well, bad, unknown):
        assert not any(code in run.stdout + run.stderr for code in CODES)
