"""The page on DICOMweb says what is so: its commands do what they show, its program is the example's."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from string import Template

from PIL import Image
from pydicom import dcmread

from tests.integration.web.dicomweb.conftest import SLICES, Filled
from tests.support.dicom import make_slices
from tests.support.shown import blocks_of, commands_in, shows

DOCS = Path(__file__).parents[4] / "docs"
PAGE, EXAMPLE = DOCS / "how-to" / "use-dicomweb.md", DOCS / "examples" / "dicomweb_study.py"


def commands() -> list[tuple[str, list[str]]]:
    return [command for kind, text in blocks_of(PAGE) if kind == "console" for command in commands_in(text)]


def test_the_program_on_the_page_is_the_examples_and_does_what_is_shown(filled: Filled, tmp_path: Path) -> None:
    (code,) = (text for kind, text in blocks_of(PAGE) if kind == "python")
    assert code in EXAMPLE.read_text(encoding="utf-8")
    make_slices(tmp_path / "slices", 3)
    (tmp_path / "fetched").mkdir()
    ((command, shown),) = (it for it in commands() if it[0].startswith("python "))
    words = command.replace("$URL", filled.site.url).replace("$TOKEN", filled.site.token).split()
    run = [sys.executable, str(EXAMPLE), *words[2:]]
    done = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert shows(shown, done.stdout), done.stdout
    assert {path.stem for path in (tmp_path / "fetched").iterdir()} == {
        str(dcmread(path).SOPInstanceUID) for path in (tmp_path / "slices").iterdir()
    }


def test_the_commands_on_the_page_fetch_what_they_say(filled: Filled, tmp_path: Path) -> None:
    one = filled.slices[0]
    names = {"URL": filled.site.url, "TOKEN": filled.site.token, "STUDY": str(one.StudyInstanceUID)}
    names |= {"SERIES": str(one.SeriesInstanceUID), "INSTANCE": str(one.SOPInstanceUID)}
    curl = shutil.which("curl")
    assert curl is not None
    said = []
    for command in (command for command, _shown in commands() if command.startswith("curl ")):
        words = shlex.split(Template(command).substitute(names))
        done = subprocess.run([curl, *words[1:], "--fail-with-body"], cwd=tmp_path, capture_output=True, timeout=60, check=False)
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        said.append(done.stdout)
    assert [len(json.loads(text)) for text in said[2:4]] == [2, SLICES + 1], "series and instances of the study"
    assert dcmread(tmp_path / "one.dcm").PixelData == one.PixelData == (tmp_path / "frame").read_bytes()
    assert (tmp_path / "study.multipart").read_bytes().count(b"DICM") >= SLICES + 1
    for name, side in (("picture.jpg", 64), ("bone.png", 512), ("small.jpg", 128)):
        with Image.open(tmp_path / name) as picture:
            assert picture.size == (side, side)
