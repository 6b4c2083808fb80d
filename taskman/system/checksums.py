"""Imaging checksums (CHECK^MAGVCHK): what is installed here, told by a task that a gateway asks for once a day."""

from __future__ import annotations

import hashlib
from importlib import resources

from fileman import site_settings, to_fileman
from taskman.context import TaskContext
from taskman.routines import routine

#: The packages whose modules are told of.
PACKAGES = ("fileman", "rpcs", "rules", "taskman", "xwb")


@routine("CHECK^MAGVCHK")
def checksums(task: TaskContext) -> None:
    """Say the domain, the day, the patches and a checksum of each of our packages. No mail leaves this system."""
    settings = task.store.read(site_settings)
    for line in (f"SID={settings.domain}", f"DT={to_fileman(task.clock.now().date())}", "IP=VistA"):
        task.say(line)
    for patch in settings.patches:
        task.say(f"PAT={patch}")
    for package in PACKAGES:
        task.say(f"RTN={package}")
        task.say(f"CHK={_checksum(package)}")


def _checksum(package: str) -> str:
    """Sum a package's modules up."""
    digest = hashlib.sha256()
    for file in sorted(resources.files(package).iterdir(), key=lambda it: it.name):
        if file.name.endswith(".py"):
            digest.update(file.read_bytes())
    return digest.hexdigest()[:16]
