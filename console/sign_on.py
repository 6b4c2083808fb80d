"""Signing on to a running broker as a command line says it: which broker, whose codes, TLS or not."""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from dataclasses import dataclass, replace

from console.addresses import parse_address
from console.ciphers import ciphers_of
from console.complaints import CONTEXT_REFUSALS, SIGN_ON_REFUSALS, Complaint, advised
from console.errors import ConsoleError, WrongUsage
from console.way import Way
from runtime import format_address, read_run_file
from xwb import CHARSET, BrokerClient, Cipher, ConnectionLost, Observe, SecurityRefused, SignOn, SignOnRefused

#: Seconds that an answer may take.
TIMEOUT = 30.0


class VerifyCodeExpired(ConsoleError):
    """The verify code has expired and must be changed before this user can work (XUS CVC)."""


@dataclass(frozen=True, slots=True)
class Door:
    """Where a broker is, and what its sessions are opened with."""

    host: str
    port: int
    codes: tuple[str, str]
    cipher: Cipher
    tls: ssl.SSLContext | None = None
    timeout: float = TIMEOUT
    observe: Observe | None = None

    @property
    def address(self) -> str:
        """The broker's address as it is written."""
        return format_address(self.host, self.port)

    def intro(self, name: str) -> list[str]:
        """Give what the site says to whoever comes (XUS INTRO MSG). Raises ConnectionLost."""
        with self._client(name) as client:
            client.call("XUS SIGNON SETUP")
            return client.call("XUS INTRO MSG").lines

    def greeted(self, name: str) -> tuple[BrokerClient, SignOn]:
        """Connect and sign on; `name` is how the client introduces itself.

        Raises ConsoleError for what is refused, in words that say what to do, and ConnectionLost.
        """
        client = self._client(name).connect()
        try:
            signed = client.sign_on(*self.codes)
            if signed.verify_must_change:
                raise VerifyCodeExpired
        except SignOnRefused as error:
            client.close()
            if error.verify_must_change:
                raise VerifyCodeExpired from error
            raise explained(error.text, SIGN_ON_REFUSALS, "The broker refuses the sign-on") from error
        except ConsoleError:
            client.close()
            raise
        return client, signed

    def change_verify_code(self, name: str, new: str) -> Door:
        """Change the verify code, an expired one too (XUS CVC), and give the door for the new one.

        Raises ConsoleError with the broker's words where it does not take the code, and ConnectionLost.
        """
        with self._client(name) as client:
            try:
                client.sign_on(*self.codes)
            except SignOnRefused as error:
                if not error.verify_must_change:
                    raise explained(error.text, SIGN_ON_REFUSALS, "The broker refuses the sign-on") from error
            pieces = [self.cipher.encipher(code.encode(CHARSET, "replace")) for code in (self.codes[1], new, new)]
            verdict = client.call("XUS CVC", b"^".join(pieces)).lines
        if verdict[:1] != ["0"]:
            raise ConsoleError(" ".join(verdict[1:]).strip() or "The broker does not take this verify code.")
        return replace(self, codes=(self.codes[0], new))

    def signed_on(self, name: str, context: str = "") -> BrokerClient:
        """Connect, sign on, and enter a context unless it is empty. Raises as `greeted` does."""
        client, _signed = self.greeted(name)
        if context:
            try:
                enter_context(client, context)
            except ConsoleError:
                client.close()
                raise
        return client

    def _client(self, name: str) -> BrokerClient:
        return BrokerClient(
            self.host, self.port, timeout=self.timeout, cipher=self.cipher, name=name, tls=self.tls, observe=self.observe
        )

    def lost(self, error: ConnectionLost, besides: str = "--broker names another one.") -> ConsoleError:
        """Say what a lost connection means, and what to do."""
        where = self.address
        return ConsoleError(
            f"{error} Is a broker running at {where}? 'magbroker doctor {where}' says what is wrong there; {besides}"
        )


def enter_context(client: BrokerClient, context: str) -> None:
    """Enter a context; an empty one is none. Raises ConsoleError in words that say what to do; none is entered then."""
    try:
        client.create_context(context)
    except SecurityRefused as error:
        raise explained(error.text, CONTEXT_REFUSALS, "The broker refuses the context") from error


def door(way: Way, codes: tuple[str, str], *, timeout: float = TIMEOUT) -> Door:
    """Find the broker that is named, that runs on the data directory, or that the settings tell of."""
    host, port = _address(way)
    return Door(host, port, codes, ciphers_of(way.settings)[0], _tls(way), timeout)


def explained(text: str, complaints: Iterable[Complaint], otherwise: str) -> ConsoleError:
    """Say in words what a broker's refusal means, and what to do."""
    return ConsoleError(advised(text, complaints, otherwise).replace("--cipher-table", "the setting cipher_table"))


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
    return trust(way) if way.tls else None


def trust(way: Way) -> ssl.SSLContext:
    """Give what a broker's certificate is checked by. Raises ConsoleError where --ca is none."""
    try:
        return ssl.create_default_context(cafile=way.authority)
    except OSError as error:
        raise ConsoleError(
            f"{way.authority} cannot be used as a certificate authority (PEM): {error.strerror or error}."
        ) from error
