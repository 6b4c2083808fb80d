"""The demo as `make run` starts it, on ports of its own, with its samples sent: where browsers and commands try things."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from console.processes import Child
from runtime import free_port
from tests.support.waiting import until

_PORTS = ("BROKER_PORT", "TEXT_PORT", "SINK_PORT", "WEB_PORT", "GATEWAY__DICOM_PORT")
_READY = "Ctrl-C ends everything."


@dataclass(frozen=True)
class Demo:
    """A demo that runs: its data directory, the environment that tells its ports, and what it printed."""

    data: Path
    environment: Mapping[str, str]
    printed: Path

    def port(self, name: str) -> int:
        """Give a port by the name of its setting."""
        return int(self.environment[f"MAGBROKER_{name}"])

    @property
    def address(self) -> str:
        """Where the web console is."""
        return f"http://127.0.0.1:{self.port('WEB_PORT')}"


@contextmanager
def running_demo(folder: Path, **settings: str) -> Iterator[Demo]:
    """Run a demo until every sample came where it belongs."""
    ports = {f"MAGBROKER_{name}": str(free_port()) for name in _PORTS}
    environment = {**ports, "MAGBROKER_GATEWAY__CORRECT_SECONDS": "1", **settings}
    printed = folder / "up.log"
    up = Child("demo", ["up", "--demo", "--data", str(folder / "var")], int(ports["MAGBROKER_WEB_PORT"]), printed, environment)
    up.start()
    try:
        until(lambda: _READY in printed.read_text(encoding="utf-8"), "the samples came", 120)
        yield Demo(folder / "var", environment, printed)
    finally:
        up.stop()
