"""A site file read: TOML into values, every error with its line."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from pydantic import ValidationError

from fileman.errors import SiteFileError
from fileman.site.checks import contradictions
from fileman.site.site_file import Check, SiteFile

_HEADER = re.compile(r"""\s*\[{1,2}\s*["']?([A-Za-z0-9_-]+)["']?\s*\]{1,2}""")
_KEY = re.compile(r"""\s*["']?([A-Za-z0-9_-]+)["']?\s*=""")
_TOML_LINE = re.compile(r"at line (\d+)")


def read_site_file(path: Path, *checks: Check) -> SiteFile:
    """Read and check a site file, also by what those who call know more of. Raises SiteFileError with the first error's line."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise SiteFileError(f"cannot be read: {error.strerror}", source=str(path)) from error
    except UnicodeDecodeError as error:
        raise SiteFileError(f"is not UTF-8 text: {error.reason} at byte {error.start}", source=str(path)) from error
    return parse_site(text, str(path), *checks)


def parse_site(text: str, source: str = "site file", *checks: Check) -> SiteFile:
    """Check the text of a site file; see `read_site_file`."""
    try:
        tables = tomllib.loads(text)
    except ValueError as error:  # a number with more digits than Python reads is one, too
        line = _TOML_LINE.search(str(error))
        raise SiteFileError(f"this is not TOML: {error}", int(line[1]) if line else None, source) from error
    except RecursionError as error:
        raise SiteFileError("its arrays or tables stand too deep in one another", None, source) from error
    try:
        site = SiteFile.model_validate(tables)
    except ValidationError as error:
        first = error.errors()[0]
        raise SiteFileError(problem(first["loc"], first["type"], first["msg"]), _line(text, first["loc"]), source) from error
    for check in (contradictions, *checks):
        for location, what in check(site):
            raise SiteFileError(what, _line(text, location), source)
    return site


def problem(location: tuple[int | str, ...], kind: str, message: str) -> str:
    """Say what is wrong with a value, by the names that lead to it."""
    name = ".".join(str(part) for part in location if isinstance(part, str))
    if kind == "extra_forbidden":
        return f"{name} is not known here"
    if kind == "missing":
        return f"{name} is missing"
    return f"{name}: {message.removeprefix('Value error, ')}"


def _line(text: str, location: tuple[int | str, ...]) -> int | None:
    """Find the line of a key: the n-th table of its name, then the key in it; a missing key gives its table's line."""
    table = str(location[0])
    wanted = next((part for part in location[1:] if isinstance(part, int)), 0)
    keys = [part for part in location[1:] if isinstance(part, str)]
    inside, seen, header, top = False, -1, None, True
    for number, line in enumerate(text.splitlines(), start=1):
        if top and (match := _KEY.match(line)) and match[1] == table:
            return number
        if match := _HEADER.match(line):
            top = False
            if match[1] == table:
                seen += 1
            inside = match[1] == table and seen == wanted
            header = number if inside else header
        elif inside and keys and (match := _KEY.match(line)) and match[1] == keys[0]:
            return number
    return header
