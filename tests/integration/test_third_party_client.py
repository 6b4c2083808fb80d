"""Clients that other people wrote work as they come: vavista-rpc (PyPI), @vistadataproject/vista-client (npm)."""

from __future__ import annotations

import json
import logging
import subprocess
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from vavista_rpc.brokerRPC3 import VistARPCConnection

from fileman.files import SignOnLog
from tests.support.broker import RunningBroker
from tests.support.waiting import until

CLIENTS = Path(__file__).parents[1] / "clients"


class QuietLogger:
    """The client asks for a logger of its own kind; this one hands on to the standard one."""

    def __getattr__(self, name: str) -> object:
        log = logging.getLogger("vavista-rpc")
        return lambda *arguments, **_options: log.debug("%s %s", name, arguments)


def vavista(broker: RunningBroker, context: str, verify: str = "1DOC!@#$") -> VistARPCConnection:
    return VistARPCConnection("127.0.0.1", broker.port, "FAKEDOC1", verify, context, QuietLogger())


def test_vavista_rpc_signs_on_creates_a_context_and_calls(oracle_broker: RunningBroker) -> None:
    connection = vavista(oracle_broker, "MAG WINDOWS")
    assert connection.invokeRPC("MAG DICOM GET VERSION", []) == "54,138,221,221-T7"


def test_vavista_rpc_passes_literals_and_reads_lines_and_refusals(oracle_broker: RunningBroker) -> None:
    connection = vavista(oracle_broker, "ZZ ORACLE TEST")
    assert connection.invokeRPC("ZZ ORACLE SINGLE", ["caret^and |pipe"]) == "[caret^and |pipe]"
    assert connection.invokeRPC("ZZ ORACLE ARRAY", ["x"]) == "one\r\n\r\nx\r\nlast\r\n"
    assert connection.invokeRPC("ZZ ORACLE PARAMS", ["1", "2", "3"]) == "P1=1\r\nP2=2\r\nP3=3\r\n"
    assert "doesn't exist on the server." in connection.invokeRPC("NO SUCH RPC", [])
    assert connection.invokeRPC("ZZ ORACLE SINGLE", ["still here"]) == "[still here]"


def test_vavista_rpc_passes_lists(oracle_broker: RunningBroker) -> None:
    connection = vavista(oracle_broker, "ZZ ORACLE TEST")
    answer = connection.invokeRPC("ZZ ORACLE PARAMS", ["first", {"2": "two", "10": "ten", '"KEY"': "v"}])
    assert answer == 'P1=first\r\nP2=\r\nP2(2)=two\r\nP2(10)=ten\r\nP2("KEY")=v\r\nP3 undefined\r\n'


def test_vavista_rpc_takes_leave_without_a_message_around_it(oracle_broker: RunningBroker) -> None:
    connection = vavista(oracle_broker, "ZZ ORACLE TEST")
    connection.invokeRPC("XWB IM HERE", [])
    listening = connection.sock.dup()  # the client closes its own end when it is let go
    del connection
    listening.settimeout(20)
    assert listening.recv(100) == b"\0\0#BYE#\x04"
    assert listening.recv(100) == b"", "the broker closes"
    listening.close()
    signed_off = select(SignOnLog.signed_off)
    until(lambda: all(oracle_broker.store.read(lambda it: it.execute(signed_off).scalars().all())), "signed off")


def test_vavista_rpc_tells_a_wrong_pair_and_an_unknown_context(oracle_broker: RunningBroker) -> None:
    with pytest.raises(Exception, match="Not a valid ACCESS CODE/VERIFY CODE pair"):
        vavista(oracle_broker, "MAG WINDOWS", "WRONG1!").invokeRPC("XWB IM HERE", [])
    with pytest.raises(Exception, match="does not exist on server"):
        vavista(oracle_broker, "NO SUCH CONTEXT").invokeRPC("XWB IM HERE", [])


def vista_client(broker: RunningBroker, *calls: tuple[Any, ...]) -> dict[str, Any]:
    """Run calls with the client from npm; give its results (name, value, raw answer) and its context."""
    command = ["node", str(CLIENTS / "calls.js"), "127.0.0.1", str(broker.port)]
    done = subprocess.run(command, input=json.dumps(calls), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def enciphered(text: str) -> dict[str, str]:
    return {"type": "ENCRYPT", "value": text}


def test_vista_client_of_npm_signs_on_calls_and_takes_leave(oracle_broker: RunningBroker) -> None:
    answer = vista_client(
        oracle_broker,
        ("TCPConnect", ["localhost", 0, "localhost"]),
        ("XUS SIGNON SETUP", []),
        ("XUS AV CODE", [enciphered("FAKEDOC1;1DOC!@#$")], {"context": [{"name": "DUZ", "index": 0}]}),
        ("XUS GET USER INFO", []),
        ("XWB CREATE CONTEXT", [enciphered("ZZ ORACLE TEST")]),
        ("ZZ ORACLE SINGLE", ["{{DUZ}} {{MESSAGE}}"]),
        ("ZZ ORACLE ARRAY", ["x"]),
        ("ZZ ORACLE PARAMS", [{"type": "REFERENCE", "value": "DUZ"}, {"1": "one", "2": "two"}]),
        ("XWB IM HERE", [], {"repeat": 3}),
        ("NO SUCH RPC", []),
        ("#BYE#", []),
    )
    results = answer["results"]
    assert [name for name, _value, _raw in results].count("XWB IM HERE") == 3
    values = {name: value for name, value, _raw in results}
    assert values["TCPConnect"] == "accept"
    assert values["XUS SIGNON SETUP"][6] == "ORACLE.DOMAIN.EXT"
    assert values["XUS GET USER INFO"][:2] == ["9001", "ALEXANDER,ROBERT"]
    assert values["XWB CREATE CONTEXT"] == "1"
    assert values["ZZ ORACLE SINGLE"] == "[9001 from a template]"
    assert values["ZZ ORACLE ARRAY"][:4] == ["one", "", "x", "last"]
    assert values["ZZ ORACLE PARAMS"][:4] == ["P1=9001", "P2=", "P2(1)=one", "P2(2)=two"]
    assert "doesn't exist on the server." in str(values["NO SUCH RPC"])
    assert answer["context"]["DUZ"] == "9001"
    assert results[-1][0] == "#BYE#"
