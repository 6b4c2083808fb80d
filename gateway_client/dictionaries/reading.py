"""All dictionaries of a gateway: the files of a directory, and the tables of the settings beside them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from gateway_client.dictionaries import instrument, modality, user_application, worklist
from gateway_client.dictionaries.entries import DictionaryError, Line, Problem, decode, raise_any, read_lines
from gateway_client.dictionaries.instrument import Instrument, check_instruments, read_instruments
from gateway_client.dictionaries.modality import Modalities, check_modalities, read_modalities
from gateway_client.dictionaries.tables import listener_lines, modality_lines, user_application_lines, worklist_lines
from gateway_client.dictionaries.user_application import UserApplication, check_user_applications, read_user_applications
from gateway_client.dictionaries.worklist import Worklist, check_worklists, read_worklists
from runtime import GatewaySettings

FILES = (instrument.FILE, modality.FILE, worklist.FILE, user_application.FILE)
_Found = TypeVar("_Found")


@dataclass(frozen=True, slots=True)
class Dictionaries:
    """What all of them say; without any, one rule for all equipment."""

    instruments: tuple[Instrument, ...] = ()
    modalities: Modalities = field(default_factory=Modalities)
    worklists: tuple[Worklist, ...] = ()
    user_applications: tuple[UserApplication, ...] = ()


def read_dictionaries(settings: GatewaySettings) -> Dictionaries:
    """Read what the settings name. Raises DictionaryError with the problems of all files and tables."""
    files = _read_files(settings.dictionaries)
    problems: list[Problem] = []

    def collect(read: Callable[[], _Found], otherwise: _Found) -> _Found:
        try:
            return read()
        except DictionaryError as error:
            problems.extend(error.problems)
            return otherwise

    found = Dictionaries(
        collect(lambda: _instruments(files[instrument.FILE], settings), ()),
        collect(lambda: _modalities(files[modality.FILE], settings), Modalities()),
        collect(lambda: _worklists(files[worklist.FILE], settings), ()),
        collect(lambda: _user_applications(files[user_application.FILE], settings), ()),
    )
    raise_any(problems)
    return found


def _read_files(directory: Path | None) -> dict[str, list[Line]]:
    """Read the dictionaries of a directory, whatever the case of their names; one that is missing has no lines."""
    if directory is None:
        return {name: [] for name in FILES}
    try:
        paths = {path.name.upper(): path for path in sorted(directory.iterdir())}
    except OSError as error:
        raise DictionaryError([Problem(str(directory), f"the directory cannot be read: {error.strerror}.")]) from error
    return {name: _read_file(paths[name]) if name in paths else [] for name in FILES}


def _read_file(path: Path) -> list[Line]:
    try:
        return read_lines(decode(path.read_bytes()), str(path))
    except OSError as error:
        raise DictionaryError([Problem(str(path), f"the file cannot be read: {error.strerror}.")]) from error


def _instruments(lines: list[Line], settings: GatewaySettings) -> tuple[Instrument, ...]:
    """Give the instruments of the file and of the tables; a table takes the place of the file's entry of its mnemonic."""
    filed = read_instruments(lines)
    known = {entry.record.mnemonic: entry.record for entry in filed}
    tables = read_instruments(listener_lines(settings.listener, known))
    replaced = {entry.record.mnemonic for entry in tables}
    entries = [*(entry for entry in filed if entry.record.mnemonic not in replaced), *tables]
    check_instruments(entries)
    return tuple(entry.record for entry in entries)


def _modalities(lines: list[Line], settings: GatewaySettings) -> Modalities:
    return check_modalities(read_modalities([*lines, *modality_lines(settings.modality)]))


def _worklists(lines: list[Line], settings: GatewaySettings) -> tuple[Worklist, ...]:
    entries = read_worklists([*lines, *worklist_lines(settings.worklist)])
    check_worklists(entries)
    return tuple(entry.record for entry in entries)


def _user_applications(lines: list[Line], settings: GatewaySettings) -> tuple[UserApplication, ...]:
    entries = read_user_applications([*lines, *user_application_lines(settings.user_application)])
    check_user_applications(entries)
    return tuple(entry.record for entry in entries)
