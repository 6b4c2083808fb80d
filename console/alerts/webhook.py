"""Messages as JSON by HTTP POST, signed where the settings have a secret."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

from console.alerts.errors import NotTold, Refused
from console.alerts.message import Message
from console.alerts.tls import client_context
from runtime import WebhookSettings

#: Names the message, the same when it is sent again; and the HMAC-SHA-256 of the body under the secret.
ID_HEADER, SIGNATURE_HEADER = "X-Magbroker-Message", "X-Magbroker-Signature"
#: Statuses that mean: not now.
_LATER = frozenset({408, 425, 429})


def signature(secret: str, body: bytes) -> str:
    """Sign a body: `sha256=` and the HMAC in hexadecimal digits."""
    return f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"


@dataclass(frozen=True, slots=True)
class Webhook:
    """Posts messages to a URL."""

    settings: WebhookSettings

    def tell(self, message: Message) -> str:
        """Post a message. Raises NotTold, and Refused where it is no use to try again; redirections are not followed."""
        body = json.dumps(message.facts()).encode()
        headers = {"Content-Type": "application/json", "User-Agent": "magbroker", **self.settings.headers}
        headers[ID_HEADER] = message.id
        if self.settings.secret:
            headers[SIGNATURE_HEADER] = signature(self.settings.secret, body)
        parts = urlsplit(self.settings.url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection = self._connection(parts.scheme, parts.hostname or "", parts.port)
        try:
            connection.request("POST", target, body, headers)
            status, reason = (answer := connection.getresponse()).status, answer.reason
        except (OSError, HTTPException, ValueError) as error:
            raise NotTold(f"{parts.hostname} does not answer: {error or type(error).__name__}") from error
        finally:
            connection.close()
        if not 200 <= status < 300:
            kind = Refused if 400 <= status < 500 and status not in _LATER else NotTold
            raise kind(f"{parts.hostname} answers {status} {reason[:60]}")
        return ""

    def _connection(self, scheme: str, host: str, port: int | None) -> HTTPConnection:
        timeout = self.settings.timeout_seconds
        if scheme == "https":
            return HTTPSConnection(host, port, timeout=timeout, context=client_context(self.settings.authorities))
        return HTTPConnection(host, port, timeout=timeout)
