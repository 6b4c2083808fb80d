"""DCMTK's storescu with presentation contexts of one transfer syntax each: nothing is converted, whatever the peer prefers."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from gateway_client.objects.part10 import read_meta
from tests.support.dicom import NO_DELAY

_PROFILE = """
[[TransferSyntaxes]]
[Only]
TransferSyntax1 = {syntax}
[[PresentationContexts]]
[Contexts]
{contexts}
[[Profiles]]
[Exact]
PresentationContexts = Contexts
"""


def store_exactly(directory: Path, title: str, port: int, files: Sequence[Path]) -> str:
    """Send objects over one association for each transfer syntax of theirs; give what was said. Fails when one is not taken."""
    by_syntax: dict[str, list[tuple[str, Path]]] = {}
    for path in files:
        meta = read_meta(path)
        by_syntax.setdefault(meta.transfer_syntax, []).append((meta.sop_class_uid, path))
    said = ""
    for syntax, objects in by_syntax.items():
        classes = dict.fromkeys(sop_class for sop_class, _ in objects)
        contexts = "\n".join(f"PresentationContext{place} = {uid}\\Only" for place, uid in enumerate(classes, 1))
        profile = directory / f"{syntax}.cfg"
        profile.write_text(_PROFILE.format(syntax=syntax, contexts=contexts), encoding="ascii")
        command = ["storescu", "-v", "-xf", str(profile), "Exact", "-aec", title, "127.0.0.1", str(port)]
        command += [str(path) for _, path in objects]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, env=NO_DELAY)
        said += done.stdout + done.stderr
        assert done.returncode == 0, said
    return said
