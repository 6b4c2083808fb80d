"""How a command comes to a broker or a database, as its options say it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from console.errors import WrongUsage
from runtime import Settings


@dataclass(frozen=True, slots=True)
class Way:
    """How to come to a broker, as the command line says it. Without codes nobody is signed on."""

    settings: Settings
    access: str | None = None
    verify: str | None = None
    broker: str | None = None
    tls: bool = False
    authority: Path | None = None

    @property
    def codes(self) -> tuple[str, str] | None:
        """The access and the verify code; None without. Raises WrongUsage for one without the other, and for odd options."""
        if (self.access is None) != (self.verify is None):
            raise WrongUsage("Give both --access and --verify (MAGBROKER_ACCESS, MAGBROKER_VERIFY), or neither.")
        if self.authority is not None and not self.tls:
            raise WrongUsage("--ca is for TLS: say --tls too.")
        return None if self.access is None or self.verify is None else (self.access, self.verify)
