"""A client that somebody else wrote works: vavista-rpc from PyPI, as it comes."""

from __future__ import annotations

import logging

from vavista_rpc.brokerRPC3 import VistARPCConnection

from tests.support.broker import RunningBroker


class QuietLogger:
    """The client asks for a logger of its own kind; this one hands on to the standard one."""

    def __getattr__(self, name: str) -> object:
        log = logging.getLogger("vavista-rpc")
        return lambda *arguments, **_options: log.debug("%s %s", name, arguments)


def test_vavista_rpc_signs_on_creates_a_context_and_calls(oracle_broker: RunningBroker) -> None:
    connection = VistARPCConnection("127.0.0.1", oracle_broker.port, "FAKEDOC1", "1DOC!@#$", "MAG WINDOWS", QuietLogger())
    assert connection.invokeRPC("MAG DICOM GET VERSION", []) == "54,138,221,221-T7"
