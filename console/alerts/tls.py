"""The client's side of TLS to those who are told."""

from __future__ import annotations

import ssl
from pathlib import Path

from console.alerts.errors import NotTold


def client_context(authorities: Path | None) -> ssl.SSLContext:
    """Make a context that checks certificates and names, by the system's authorities or those of a file. Raises NotTold."""
    try:
        return ssl.create_default_context(cafile=None if authorities is None else str(authorities))
    except (OSError, ssl.SSLError) as error:
        raise NotTold(f"The authorities in {authorities} cannot be read: {error}") from error
