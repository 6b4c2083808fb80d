"""What CORRECT|QUERY answers, and what is to be done about each line of it (MAGDIR83)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import PurePosixPath

from gateway_client.acquisition.store_request import Station, clean
from gateway_client.correction.corrections import SETTLED, Correction, Values
from gateway_client.journal import State

#: Seconds after which a correction is tried again with the same values.
SAME_AGAIN = 300.0


@dataclass(frozen=True, slots=True)
class Listed:
    """One line: an image that somebody has corrected, or wants deleted.

    Its entry and that of its study's first image name it in the answer. `kind` is NONE for the first image of a study when it
    comes before the others, IMAGE for these, STUDY for the first one again, when the study is to leave the list.
    """

    entry: str
    study: str
    kind: str
    instrument: str
    path: str
    study_uid: str
    values: Values
    deleting: bool

    @property
    def name(self) -> str:
        """Name the file of the spool: the names say when it came, and are unique wherever the spool lies."""
        return PurePosixPath(self.path).name

    def processed(self, station: Station) -> str:
        """Write the answer to it."""
        pieces = (self.entry, self.study, self.kind, self.instrument, self.path, self.study_uid)
        return "|".join(("CORRECT", "PROCESSED", *pieces, clean(station.machine), str(station.location)))


class Step(Enum):
    """What is to be done about an image: ANSWER says that it was done, WAIT leaves it until it is asked about again."""

    CORRECT = "correct"
    DELETE = "delete"
    ANSWER = "answer"
    WAIT = "wait"


def query_line(station: Station) -> str:
    """Ask what was corrected."""
    return f"CORRECT|QUERY|{station.location}|{clean(station.machine)}"


def read_listed(lines: Sequence[str]) -> list[Listed]:
    """Read the answer to a query; the carets of a name stand there as tildes."""
    listed = []
    for line in lines[1:]:
        opcode, status, *pieces = line.split("|")
        if opcode != "CORRECT" or status not in ("FIXED", "DELETE"):
            continue
        entry, study, kind, instrument, path, uid, name, patient_id, accession = [*pieces, *[""] * 9][:9]
        values = Values(name.replace("~", "^").strip(), patient_id.strip(), accession.strip())
        listed.append(Listed(entry, study, kind, instrument, path, uid, values, status == "DELETE"))
    return listed


def decide(
    listed: Iterable[Listed], known: Mapping[str, tuple[State, Correction | None]], now: float
) -> list[tuple[Listed, Step]]:
    """Give the steps in the list's order, by the states of the files that the journal has.

    A study leaves the list only after all of its images that are listed with it.
    """
    steps: list[tuple[Listed, Step]] = []
    unfinished = set[str]()
    for one in listed:
        state, tried = known.get(one.name, (None, None))
        step = _to_delete(state) if one.deleting else _with_new_values(one, state, tried, now)
        if one.kind == "STUDY" and (step is not Step.ANSWER or one.study in unfinished):
            continue  # its first image is dealt with where it comes as NONE
        if step is not Step.ANSWER:
            unfinished.add(one.study)
        steps.append((one, step))
    return steps


def _to_delete(state: State | None) -> Step:
    """What is filed is not deleted any more, and what is not known here is gone."""
    if state in (State.CORRECT, State.REFUSED):
        return Step.DELETE
    return Step.ANSWER if state is None or state in SETTLED else Step.WAIT


def _with_new_values(listed: Listed, state: State | None, tried: Correction | None, now: float) -> Step:
    if state is not State.CORRECT:
        return Step.ANSWER if state in SETTLED else Step.WAIT
    same = tried is not None and tried.values == listed.values and now - tried.tried_at < SAME_AGAIN
    return Step.WAIT if same else Step.CORRECT
