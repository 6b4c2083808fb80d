"""What a person does with patients: look them up by any number, change what is known of one, make two one.

Everybody who may use the context may look; a change takes the key MAG SYSTEM. Messages of HL7 (ADT^A08, ADT^A40) do the same.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import date
from typing import Any

from sqlalchemy import bindparam, select

from fileman import (
    Person,
    amend_person,
    list_persons,
    lock_patients,
    merge_persons,
    merged_into,
    merged_of_name,
    merged_person,
    others_known_by,
    person_of,
    persons_known_by,
    survivor_of,
    to_fileman,
)
from fileman.files import Image
from rpcs.actions import parameters as takes
from rpcs.actions.action import Act, action
from rpcs.actions.errors import BadRequest, NotFound, RefusedAction
from rpcs.actions.rules import KEY
from rpcs.text_corrections import queue_correction

#: Patients that are listed at once.
MOST_LISTED = 500
#: Characters that DICOM has room for (LO, PN), and some that none of these values has.
VALUE_LIMIT = 64
_NOT_IN_A_VALUE = set("|\\^~=")
SEXES = ("M", "F", "O")
_WITH_FILES = select(Image.ien).where(Image.patient == bindparam("patient_"), Image.file_ref != "").order_by(Image.ien)
_FIELDS = ("name", "ssn", "birth_date", "sex", "icn")


def ssn_of(text: str) -> str:
    """Give a number as PATIENT (#2) has it, without what it is written with; another ID as it is."""
    bare = text.replace("-", "").replace(" ", "")
    return bare if bare.rstrip("P").isdecimal() else text


@action(
    "MAGB PATIENT LIST",
    takes.text("NAME", "What the name begins with, FAMILY,GIVEN."),
    takes.text("SSN", "The social security number, or whatever else is the patient's ID; of one who was merged, too."),
    takes.number("DFN", "The entry of PATIENT (#2); of one who was merged, too."),
    takes.after(),
    takes.limit(MOST_LISTED),
    lists={
        "entries": ("dfn", "name", "ssn", "birth_date", "sex", "icn"),
        "merged": ("dfn", "name", "ssn", "into", "merged_by", "merged_at"),
    },
)
def patient_list(act: Act) -> dict[str, Any]:
    """List patients by name, LIMIT at most, behind the one of DFN AFTER: those whose NAME begins so, or of an SSN or DFN.

    Who was merged is found as the survivor; `merged` tells under which name and numbers he was known. Dates of birth are
    FileMan's. `next` is what to give as AFTER for the next page, and null on the last.
    """
    name, most = act.text("NAME").upper(), act.number("LIMIT")
    if act.text("SSN") or act.text("DFN"):
        found = _known(act, name)
        merged = [it for person in found for it in merged_into(act.connection, person.dfn)]
        return {"entries": found, "merged": merged, "next": None}
    after = act.number("AFTER")
    page = list_persons(act.connection, name, after, most + 1)
    merged = merged_of_name(act.connection, name) if name and not after else []
    return {"entries": page[:most], "merged": merged, "next": page[most - 1].dfn if len(page) > most else None}


def _known(act: Act, name: str) -> list[Person]:
    found = persons_known_by(act.connection, "ssn", ssn_of(act.text("SSN"))) if act.text("SSN") else []
    if act.text("DFN"):
        person = survivor_of(act.connection, act.number("DFN"))
        found = [it for it in ([person] if person is not None else []) if not act.text("SSN") or it in found]
    return [it for it in found if it.name.startswith(name)]


@action(
    "MAGB PATIENT UPDATE",
    takes.number("DFN", "The entry of PATIENT (#2).", required=True),
    takes.text("NAME", "The new name, FAMILY,GIVEN MIDDLE."),
    takes.text("BIRTH DATE", "The new date of birth, 1950-01-31."),
    takes.choice("SEX", "The new sex.", SEXES),
    takes.text("SSN", "The new social security number, or whatever else is the patient's ID."),
    takes.text("ICN", "The new integration control number."),
    writes=True,
    key=KEY,
)
def patient_update(act: Act) -> dict[str, Any]:
    """Change what PATIENT (#2) says of patient DFN: NAME, BIRTH DATE, SEX, SSN, ICN; what is left out stays.

    The worklist and the answers to queries tell it from then on; objects that are on file stay as they came, and so do the
    names of their entries. Refused where another patient has the SSN or ICN: MAGB PATIENT MERGE makes two patients one.
    """
    dfn = act.number("DFN")
    lock_patients(act.connection, dfn)
    before = _on_file(act, "DFN")
    given = {
        "name": _name(act.text("NAME")),
        "ssn": ssn_of(_value(act, "SSN")),
        "birth_date": _birth_date(act.text("BIRTH DATE")),
        "sex": act.text("SEX"),
        "icn": _value(act, "ICN"),
    }
    if not any(given.values()):
        raise BadRequest("NAME, BIRTH DATE, SEX, SSN or ICN says what is to be changed.")
    after = Person(dfn, *(given[name] or getattr(before, name) for name in _FIELDS))
    changed = [name for name in _FIELDS if getattr(after, name) != getattr(before, name)]
    if others := others_known_by(act.connection, dfn, *(getattr(after, it) if it in changed else "" for it in ("ssn", "icn"))):
        raise RefusedAction(
            f"{others[0].name} (patient {others[0].dfn}) has this number; MAGB PATIENT MERGE makes two patients one."
        )
    if changed:
        amend_person(act.connection, before, after, act.now)
        old, new = asdict(before), asdict(after)
        act.changed(f"patient {dfn}", {name: old[name] for name in changed}, {name: new[name] for name in changed})
    return {**asdict(after), "changed": changed}


@action(
    "MAGB PATIENT MERGE",
    takes.number("DFN", "The entry of PATIENT (#2) that is to be no more.", required=True),
    takes.number("INTO", "The entry of the same patient that stays.", required=True),
    writes=True,
    key=KEY,
    destroys="Nothing parts the two patients again. Merge them?",
)
def patient_merge(act: Act) -> dict[str, Any]:
    """Make all that is of patient DFN patient INTO's, exams, images, studies, notes, rules, worklist; DFN is no more then.

    What PATIENT (#2) said of INTO stays. By the numbers of DFN, INTO is found from then on, by people, by queries for other
    patient IDs, and when an object comes that still bears them. The stories of the images tell it.
    """
    dfn, into = act.number("DFN"), act.number("INTO")
    if dfn == into:
        raise RefusedAction(f"DFN and INTO are the same patient, {dfn}.")
    lock_patients(act.connection, dfn, into)
    person, survivor = _on_file(act, "DFN"), _on_file(act, "INTO")
    images = act.connection.execute(_WITH_FILES, {"patient_": dfn}).scalars().all()
    counts = merge_persons(act.connection, person, survivor, act.caller.name, act.now)
    act.changed(f"patient {dfn}", asdict(person), None)
    act.changed(f"patient {into}", None, {"merged": dfn, **asdict(counts)})
    tasks = queue_correction(act.connection, images, act.caller.duz, act.now)
    return {"into": survivor, **asdict(counts), "text_files": tasks}


def _on_file(act: Act, name: str) -> Person:
    """Give the patient that a parameter names. Raises NotFound, and RefusedAction for one who was merged."""
    dfn = act.number(name)
    person = person_of(act.connection, dfn)
    if person is not None:
        return person
    if (merged := merged_person(act.connection, dfn)) is not None:
        raise RefusedAction(f"Patient {dfn} was merged into patient {merged.into} by {merged.merged_by}.")
    raise NotFound(f"There is no patient {dfn}; MAGB PATIENT LIST finds patients by name.")


def _name(text: str) -> str:
    """Give a name as VistA writes it. Raises BadRequest."""
    family, comma, given = text.upper().partition(",")
    name = f"{' '.join(family.split())},{' '.join(given.split())}" if text else ""
    if text and not (comma and family.strip() and given.strip()):
        raise BadRequest(f"NAME is written FAMILY,GIVEN MIDDLE, not {text[: takes.REPEATED]!r}.")
    return _checked("NAME", name)


def _value(act: Act, name: str) -> str:
    return _checked(name, act.text(name).strip())


def _checked(name: str, text: str) -> str:
    if len(text) > VALUE_LIMIT:
        raise BadRequest(f"{name} has more than {VALUE_LIMIT} characters.")
    if not text.isprintable() or _NOT_IN_A_VALUE & set(text):
        raise BadRequest(f"{name} has characters that no such value has: {text!r}.")
    return text


def _birth_date(text: str) -> str:
    try:
        return to_fileman(date.fromisoformat(text)) if text else ""
    except ValueError:
        raise BadRequest(f"BIRTH DATE is written 1950-01-31, not {text[: takes.REPEATED]!r}.") from None
