"""Correcting: one object that cannot be corrected or removed keeps no other from it, nor tells its story again and again."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from gateway_client.acquisition.filing import Means
from gateway_client.correction import correcting
from gateway_client.correction.correct_list import SAME_AGAIN
from gateway_client.correction.correcting import DELETE_AGAIN, Correcting
from gateway_client.objects.modification import modify
from gateway_client.reception.spool import SpooledFile
from tests.unit.gateway_client.fakes import Desk

UIDS = ("1.2.1", "1.2.2")


class Person:
    """Somebody who corrects or deletes objects on the CORRECT list, each a study of its own."""

    def __init__(self, desk: Desk, status: str) -> None:
        self.desk = desk
        self.files: list[SpooledFile] = []
        for uid in UIDS:
            desk.imaging.refusals[uid] = ["STORE|-2 Image Association Problem||MAGDIR81|", "MSG|END|-4,PID ERROR"]
            self.files.append(desk.receive(uid))
        desk.step()
        assert set(desk.states().values()) == {"CORRECT"}
        desk.imaging.refusals.clear()
        self.listed = {
            number: f"CORRECT|{status}|{number}|{number}|NONE|CT1|/spool/{file.name}|1.2|NEW~NAME|666|1"
            for number, file in enumerate(self.files, 1)
        }
        desk.broker.handlers["MAG DICOM IMAGE PROCESSING"] = self.answer
        means = Means(desk.configuration, desk.spool, desk.journal, desk.clock, lambda: 0.5)
        self.correcting = Correcting(means)

    def answer(self, request: Sequence[str]) -> list[str]:
        """Answer a query, and take off the list what is answered."""
        if request[1].startswith("CORRECT|QUERY"):
            return [str(len(self.listed) + 1), *self.listed.values()]
        for line in request[1:]:
            if line.startswith("CORRECT|PROCESSED|"):
                self.listed.pop(int(line.split("|")[2]), None)
                return ["1"]
        return self.desk.imaging(request)

    def work(self) -> None:
        """Do what there is to do."""
        self.correcting.offline()
        while self.correcting.step(self.desk.broker) or self.desk.step():
            pass


def stories(desk: Desk) -> list[tuple[str, str]]:
    return [(event[0], event[5]) for event in desk.events() if event[2] == "CORRECT"]


def test_an_object_on_which_the_gateway_itself_fails_keeps_no_other_from_being_corrected(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = Person(desk, "FIXED")
    times: list[int] = []

    def fails(*arguments: object, **named: object) -> object:
        times.append(1)
        if len(times) == 1:
            raise RuntimeError("a fault")
        return modify(*arguments, **named)  # type: ignore[arg-type]  # whatever it was called with

    monkeypatch.setattr(correcting, "modify", fails)
    person.work()
    assert desk.states() == {"1.2.1": "CORRECT", "1.2.2": "FILED"}
    assert stories(desk) == [("1.2.1", "refused"), ("1.2.2", "corrected")]
    monkeypatch.undo()
    desk.clock.advance(SAME_AGAIN)
    person.work()
    assert desk.states() == {"1.2.1": "FILED", "1.2.2": "FILED"}


def test_what_cannot_be_corrected_for_the_same_reason_again_has_it_in_its_story_once(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = Person(desk, "FIXED")

    def fails(*_arguments: object, **_named: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(correcting, "modify", fails)
    for _ in range(3):
        person.work()
        desk.clock.advance(SAME_AGAIN)
    desk.step()
    assert stories(desk) == [("1.2.1", "refused"), ("1.2.2", "refused")]


def test_an_object_that_cannot_be_removed_keeps_no_other_from_it_and_is_removed_later(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = Person(desk, "DELETE")
    stubborn = desk.spool.path(person.files[0].name)

    def unlink(path: Path) -> None:
        if path == stubborn:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        os.unlink(path)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", unlink)
        person.work()
        assert desk.states() == {"1.2.1": "CORRECT"}
        assert stories(desk) == [("1.2.2", "deleted")]
    assert stubborn.exists()
    desk.clock.advance(DELETE_AGAIN)
    person.work()
    desk.step()
    assert (desk.states(), desk.spool.names()) == ({}, [])
    assert stories(desk) == [("1.2.2", "deleted"), ("1.2.1", "deleted")]
    assert person.listed == {}
