"""A client on the M-to-M wire, as VA DICOM gateways are."""

from __future__ import annotations

import socket

from xwb import Cipher, Literal, M2MAnswer, M2MAnswerDecoder, Parameter, encode_m2m_call


class Gateway:
    """A client on the M-to-M wire."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.decoder = M2MAnswerDecoder()

    def ask(self, document: bytes) -> M2MAnswer:
        """Send a document and wait for its answer."""
        self.socket.sendall(document)
        while (answer := self.decoder.next_event()) is None:
            data = self.socket.recv(65536)
            assert data, "the broker closed without an answer"
            self.decoder.receive_data(data)
        return answer

    def call(self, name: str, *parameters: Parameter) -> M2MAnswer:
        """Call a procedure."""
        return self.ask(encode_m2m_call(name.encode(), parameters))

    def sign_on(self, verify: str = "1GWY!@#$") -> M2MAnswer:
        """Sign the gateway's user on."""
        self.call("XUS SIGNON SETUP")
        return self.call("XUS AV CODE", Literal(Cipher.standard().encipher(f"FAKEGW1;{verify}".encode(), 3, 9)))

    def enter(self, context: str) -> M2MAnswer:
        """Enter a context."""
        return self.call("XWB CREATE CONTEXT", Literal(Cipher.standard().encipher(context.encode(), 3, 9)))

    def is_closed(self) -> bool:
        """Wait for the broker to close; nothing more may come."""
        ended = self.socket.recv(100) == b""
        self.socket.close()
        return ended
