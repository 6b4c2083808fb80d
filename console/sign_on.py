"""Signing on to a running broker as a command line says it: which broker, whose codes, TLS or not."""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from dataclasses import dataclass

from console.addresses import parse_address
from console.ciphers import ciphers_of
from console.complaints import CONTEXT_REFUSALS, SIGN_ON_REFUSALS, Complaint, explain
from console.errors import ConsoleError, WrongUsage
from console.way import Way
from runtime import format_address, read_run_file
from xwb import BrokerClient, Cipher, ConnectionLost, SecurityRefused, SignOnRefused

#: Seconds that an answer may take.
TIMEOUT = 30.0


@dataclass(frozen=True, slots=True)
class Door:
    """Where a broker is, and what its sessions are opened with."""

    host: str
    port: int
    codes: tuple[str, str]
    cipher: Cipher
    tls: ssl.SSLContext | None = None
    timeout: float = TIMEOUT

    @property
    def address(self) -> str:
        """The broker's address as it is written."""
        return format_address(self.host, self.port)

    def signed_on(self, name: str, context: str = "") -> BrokerClient:
        """Connect, sign on, and enter a context unless it is empty; `name` is how the client introduces itself.

        Raises ConsoleError for what is refused, in words that say what to do, and ConnectionLost.
        """
        client = BrokerClient(self.host, self.port, timeout=self.timeout, cipher=self.cipher, name=name, tls=self.tls).connect()
        try:
            if client.sign_on(*self.codes).verify_must_change:
                raise ConsoleError("The verify code must be changed before this user can work (XUS CVC).")
            if context:
                client.create_context(context)
        except SignOnRefused as error:
            client.close()
            raise explained(error.text, SIGN_ON_REFUSALS, "The broker refuses the sign-on") from error
        except SecurityRefused as error:
            client.close()
            raise explained(error.text, CONTEXT_REFUSALS, "The broker refuses the context") from error
        except ConsoleError:
            client.close()
            raise
        return client

    def lost(self, error: ConnectionLost, besides: str = "--broker names another one.") -> ConsoleError:
        """Say what a lost connection means, and what to do."""
        where = self.address
        return ConsoleError(
            f"{error} Is a broker running at {where}? 'magbroker doctor {where}' says what is wrong there; {besides}"
        )


def door(way: Way, codes: tuple[str, str], *, timeout: float = TIMEOUT) -> Door:
    """Find the broker that is named, that runs on the data directory, or that the settings tell of."""
    host, port = _address(way)
    return Door(host, port, codes, ciphers_of(way.settings)[0], _tls(way), timeout)


def explained(text: str, complaints: Iterable[Complaint], otherwise: str) -> ConsoleError:
    """Say in words what a broker's refusal means, and what to do."""
    found, advice = explain(text, complaints, otherwise)
    return ConsoleError(f"{found} {advice.replace('--cipher-table', 'the setting cipher_table')}")


def _address(way: Way) -> tuple[str, int]:
    if way.broker is not None:
        return parse_address(way.broker)
    settings = way.settings
    everywhere = settings.broker_host in ("", "0.0.0.0", "::")
    host = "127.0.0.1" if everywhere else settings.broker_host
    running = read_run_file(settings.data) or {}
    name, port = ("broker_tls_port", settings.broker_tls_port) if way.tls else ("broker_port", settings.broker_port)
    chosen = running.get(name, port)
    if not chosen:
        raise WrongUsage("No TLS port is known: name the broker, --broker HOST:PORT.")
    return host, int(chosen)


def _tls(way: Way) -> ssl.SSLContext | None:
    if not way.tls:
        return None
    try:
        return ssl.create_default_context(cafile=way.authority)
    except OSError as error:
        raise ConsoleError(
            f"{way.authority} cannot be used as a certificate authority (PEM): {error.strerror or error}."
        ) from error
