"""DCMTK's findscu, which asks what a file asks for."""

from __future__ import annotations

import subprocess
from pathlib import Path

from pydicom import Dataset, dcmread

from tests.support.dicom import NO_DELAY


def findscu(port: int, title: str, query: Path, folder: Path, model: str = "-W") -> list[Dataset]:
    """Ask by an information model, as findscu calls it; give the matches, which lie in a folder that it makes."""
    folder.mkdir(parents=True)
    command = ["findscu", model, "-X", "-od", str(folder), "-aec", title, "127.0.0.1", str(port), str(query)]
    run = subprocess.run(command, capture_output=True, text=True, env=NO_DELAY, timeout=60, check=False)
    assert (run.returncode, "E: " in run.stdout + run.stderr) == (0, False), run.stdout + run.stderr
    return [dcmread(path, force=True) for path in sorted(folder.glob("rsp*.dcm"))]
