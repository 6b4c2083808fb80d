"""Pictures of the objects of a medium, and the page that shows them, beside the file-set."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from console.media.directory import Record
from console.media.errors import MediaError, NoFileSet
from console.media.medium import Medium, Tell
from console.media.page import GENERATOR, make_page
from runtime import sync_directory, write_file
from taskman.pictures import Kind, Painter, PictureFile

PAGE = "INDEX.HTM"
#: Bytes in which a page says what made it.
_HEAD = 4096
_FOLDERS = {Kind.ABSTRACT: ("VIEWER", "SMALL"), Kind.PAGE: ("VIEWER", "LARGE")}
#: Records of objects that have pixels.
_PICTURED = {"IMAGE", "RT DOSE"}


def write_page(medium: Medium, tell: Tell = lambda path: None) -> bool:
    """Paint the objects of a medium that have no pictures yet, and write its page. Raises MediaError, NoPainter and OSError.

    An object that cannot be painted gets a placeholder. `tell` hears of each object. False: nothing was done, the medium has
    another program's page.
    """
    file = medium.root / PAGE
    if file.exists() and f'content="{GENERATOR}"'.encode() not in file.read_bytes()[:_HEAD]:
        return False
    with Painter() as painter:
        for record in medium.objects():
            tell(Path(*record.file_id))
            if record.type in _PICTURED:
                _paint(painter, medium, record)
    write_file(file, make_page(medium.directory, lambda record: _addresses(medium, record)))
    sync_directory(medium.root)
    return True


def _paint(painter: Painter, medium: Medium, record: Record) -> None:
    missing = [PictureFile(kind, file) for kind, file in _files(medium, record).items() if not file.exists()]
    if not missing:
        return
    try:
        source = medium.file(record)
    except NoFileSet:
        return
    painted = painter.paint(source, missing)
    if painted.failed:
        raise MediaError(painted.failed)


def _files(medium: Medium, record: Record) -> dict[Kind, Path]:
    *folders, name = record.file_id
    return {kind: medium.root.joinpath(*above, *folders, f"{name}.JPG") for kind, above in _FOLDERS.items()}


def _addresses(medium: Medium, record: Record) -> tuple[str, str] | None:
    files = _files(medium, record) if record.type in _PICTURED else {}
    if not files or not all(file.is_file() for file in files.values()):
        return None
    small, large = (quote(files[kind].relative_to(medium.root).as_posix()) for kind in _FOLDERS)
    return small, large
