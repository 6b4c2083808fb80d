"""Transcoding: destinations take turns, and what was made is kept for its next try, so that no object waits in vain."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast

import pytest
from pydicom.data import get_testdata_file
from twisted.internet.defer import Deferred

from gateway_client.transcoding import SYNTAXES, Transcoder, Turns, turns
from gateway_client.transmission.object_file import ObjectFile

IMPLICIT = SYNTAXES["implicit"]


class FakeTranscoder:
    """Keeps what it is asked; an object is made when the test says so."""

    def __init__(self) -> None:
        self.asked: dict[str, Deferred[ObjectFile]] = {}

    def transcode(self, _reactor: object, one: ObjectFile, _syntaxes: Sequence[str]) -> Deferred[ObjectFile]:
        return self.asked.setdefault(one.path.name, Deferred())


class Site:
    """Turns for objects of a folder."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.transcoder = FakeTranscoder()
        self.turns = Turns(cast(Transcoder, self.transcoder))
        self.in_time = True
        self.open: list[ObjectFile] = []

    def object(self, name: str) -> ObjectFile:
        path = self.directory / name
        if not path.exists():
            shutil.copy(str(get_testdata_file("MR_small_implicit.dcm", download=False)), path)
        self.open.append(ObjectFile(path))
        return self.open[-1]

    def ask(self, destination: str, one: ObjectFile, *syntaxes: str) -> Deferred[ObjectFile | None]:
        wanted = syntaxes or (IMPLICIT,)
        return Deferred.fromCoroutine(self.turns.transcode(None, destination, one, wanted, lambda: self.in_time))

    def make(self, name: str) -> ObjectFile:
        """Let an object be made that is asked for."""
        made = self.object("made of " + name)
        self.transcoder.asked[name].callback(made)
        return made


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    yield site
    site.turns.close()
    for one in site.open:
        one.close()


def result(deferred: Deferred[ObjectFile | None]) -> ObjectFile | None:
    found: list[ObjectFile | None] = []
    deferred.addCallback(found.append)
    (one,) = found
    return one


def test_a_destination_has_one_process_at_a_time_and_leaves_the_other_to_others(site: Site) -> None:
    first, second = site.ask("A", site.object("1")), site.ask("A", site.object("2"))
    assert list(site.transcoder.asked) == ["1"]
    other, third = site.ask("B", site.object("3")), site.ask("C", site.object("4"))
    assert list(site.transcoder.asked) == ["1", "3"], "there are two"
    assert site.make("1") is result(first)
    assert list(site.transcoder.asked) == ["1", "3", "4"], "whoever waited longest for a process has it"
    assert site.make("3") is result(other)
    assert list(site.transcoder.asked) == ["1", "3", "4", "2"]
    assert [site.make(name) for name in ("4", "2")] == [result(third), result(second)]


def test_what_is_too_late_is_not_begun(site: Site) -> None:
    first, second = site.ask("A", site.object("1")), site.ask("A", site.object("2"))
    site.in_time = False
    site.make("1")
    assert result(first) is not None
    assert result(second) is None
    assert list(site.transcoder.asked) == ["1"]


def test_what_was_made_is_kept_for_the_same_object_and_destination(site: Site) -> None:
    one = site.object("1")
    site.ask("A", one)
    made = site.make("1")
    made.source = one
    assert site.turns.keep("A", made) is one
    assert site.turns.keep("A", one) is one, "it was not transcoded"
    site.ask("B", site.object("1")).addErrback(lambda _failure: None)
    assert result(site.ask("A", site.object("1"))) is made
    assert site.turns._kept == {}


def test_what_was_made_of_a_file_that_is_another_now_or_into_another_syntax_is_not_taken(site: Site) -> None:
    for syntaxes, changed in (((SYNTAXES["explicit"],), False), ((IMPLICIT,), True)):
        site.transcoder.asked.clear()
        one = site.object("1")
        site.ask("A", one)
        made = site.make("1")
        made.source = one
        site.turns.keep("A", made)
        site.transcoder.asked.clear()
        if changed:
            (site.directory / "1").write_bytes((site.directory / "1").read_bytes() + b"\0\0")
        again = site.ask("A", site.object("1"), *syntaxes)
        assert list(site.transcoder.asked) == ["1"]
        site.make("1")
        assert result(again) is not made


def test_few_objects_are_kept_the_last_ones(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def kept(names: Sequence[str]) -> list[str]:
        for name in names:
            one, made = site.object(name), site.object(f"made of {name}")
            made.source = one
            site.turns.keep("A", made)
        return [one.path.name[-1] for one in site.turns._kept.values()]

    monkeypatch.setattr(turns, "KEPT", 2)
    assert kept("123") == ["2", "3"]
    monkeypatch.setattr(turns, "KEPT_BYTES", 1)
    assert kept("4") == []
