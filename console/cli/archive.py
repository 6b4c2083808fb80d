"""`magbroker archive`: what is kept or never archived, what operators are asked for, media put on line and off."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.markup import escape

from console.cli.task_verbs import Outcome, Room, asked, verb
from console.errors import WrongUsage
from console.tasks.screens import plain_table

app = typer.Typer(no_args_is_help=True, help="See and steer short-term and long-term storage: rules, media, operator requests.")

StudyOption = Annotated[str, typer.Option("--study", metavar="UID", help="A Study Instance UID.")]
PatientOption = Annotated[str, typer.Option("--patient", metavar="DFN", help="A patient's DFN.")]
NoteOption = Annotated[str, typer.Option("--note", help="Why, to be kept with it.")]
LabelArgument = Annotated[str, typer.Argument(metavar="LABEL", help="A medium's label, or the name of a location without one.")]


@verb(app, "keep", changes=True)
def _keep(room: Room, study: StudyOption = "", patient: PatientOption = "", note: NoteOption = "") -> Outcome:
    """Keep the images of a study or patient on line: they are copied to long-term storage and never released."""
    return _rule(room, "KEEP", "kept on line", study, patient, note)


@verb(app, "release", changes=True)
def _release(room: Room, study: StudyOption = "", patient: PatientOption = "", note: NoteOption = "") -> Outcome:
    """Treat the images of a study or patient as any other, whatever their headers say."""
    return _rule(room, "RELEASE", "archived and released as others are", study, patient, note)


@verb(app, "never-archive", changes=True)
def _never_archive(room: Room, study: StudyOption = "", patient: PatientOption = "", note: NoteOption = "") -> Outcome:
    """Copy no image of a study or patient to long-term storage; they stay where they are."""
    return _rule(room, "NEVER-ARCHIVE", "never archived", study, patient, note)


@verb(app, "default", changes=True)
def _default(room: Room, study: StudyOption = "", patient: PatientOption = "", note: NoteOption = "") -> Outcome:
    """Take back what was said of a study or patient: what the images' headers say counts again."""
    return _rule(room, "DEFAULT", "archived as their headers say", study, patient, note)


def _rule(room: Room, rule: str, said: str, study: str, patient: str, note: str) -> Outcome:
    if bool(study) == bool(patient):
        raise WrongUsage("Say --study or --patient.")
    scope, subject = ("STUDY", study) if study else ("PATIENT", patient)
    answer = room.desk.ask("MAGB ARCHIVE RULE", asked(scope=scope, subject=subject, rule=rule, note=note))
    again = f"; {answer['queued']} are queued to be copied" if answer["queued"] else ""
    return Outcome(answer, escape(f"images of {scope.lower()} {subject} are {said}{again}"))


@verb(app, "list")
def _list(room: Room, limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many of each.")] = 100) -> Outcome:
    """List rules for studies and patients, media, how many images wait to come back, long-term copies that are at fault."""
    found = room.desk.ask("MAGB ARCHIVE LIST", asked(limit=limit))
    shown: list[RenderableType] = []
    if found["rules"]:
        table = plain_table("for", "rule", "since", "by", "note")
        for one in found["rules"]:
            subject = f"{one['scope'].lower()} {one['subject']}"
            table.add_row(
                escape(subject), one["rule"], room.screens.when(one["set_at"]), escape(one["set_by"]), escape(one["note"])
            )
        shown.append(table)
    table = plain_table("location", "label", "kind", "state")
    for one in found["media"]:
        table.add_row(escape(one["name"]), escape(one["label"]), one["kind"], "on line" if one["online"] else "off line")
    recalls = found["recalls"]
    shown += [table, f"{recalls['WAITING']} images wait to come back, {recalls['FAILED']} could not"]
    shown += [escape(f"at fault: {one['reason']}") for one in found["faults"]]
    return Outcome(found, Group(*shown))


@verb(app, "recheck", changes=True)
def _recheck(room: Room, images: Annotated[list[int], typer.Argument(metavar="IMAGE...", help="Image numbers.")]) -> Outcome:
    """Have long-term copies read again that were found at fault, once they are mended."""
    answer = room.desk.ask("MAGB ARCHIVE RECHECK", asked(images=",".join(map(str, images))))
    return Outcome(answer, f"{answer['images']} images are looked at again when room is needed")


@verb(app, "requests")
def _requests(
    room: Room, closed: Annotated[bool, typer.Option("--closed", help="Show those that were answered, too.")] = False
) -> Outcome:
    """List the media that operators are asked to put on line: who asked first, when, how many images wait."""
    found = room.desk.ask("MAGB ARCHIVE REQUESTS", asked(closed=int(closed)))
    if not found["requests"]:
        return Outcome(found, "no medium is asked for")
    table = plain_table("medium", "location", "asked by", "since", "images", "answered")
    for one in found["requests"]:
        table.add_row(
            escape(one["label"]),
            escape(one["name"]),
            escape(one["asked_by"]),
            room.screens.when(one["asked_at"]),
            str(one["images"]),
            _answered(room, one),
        )
    return Outcome(found, table)


def _answered(room: Room, one: dict[str, Any]) -> str:
    return escape(f"{room.screens.when(one['closed_at'])} by {one['closed_by']}") if one["closed_at"] else ""


@verb(app, "mount", changes=True)
def _mount(room: Room, label: LabelArgument) -> Outcome:
    """Say that a medium is on line now: images that are waited for come back from it, and its request is closed."""
    answer = room.desk.ask("MAGB ARCHIVE MOUNT", asked(label=label))
    return Outcome(answer, escape(f"{label} is on line" + (", as was asked" if answer["asked_for"] else "")))


@verb(app, "unmount", changes=True)
def _unmount(room: Room, label: LabelArgument) -> Outcome:
    """Say that a medium is off line now."""
    return Outcome(room.desk.ask("MAGB ARCHIVE UNMOUNT", asked(label=label)), escape(f"{label} is off line"))
