"""The DICOM CORRECT list from a gateway's side: how many studies wait, and putting a damaged list in order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import bindparam, func, select, update

from fileman import lock_for_transaction
from fileman.files import DicomFailedImage
from rpcs.call import Call
from rpcs.registry import Access, literal, procedure
from xwb import m_number

_COUNT = select(func.count()).where(
    DicomFailedImage.location == bindparam("location_"),
    DicomFailedImage.study_uid != "",
    DicomFailedImage.machine == bindparam("machine_"),
    DicomFailedImage.first_of_study.is_(True),
    DicomFailedImage.removed.is_(False),
)
_ALL = (
    select(
        DicomFailedImage.ien,
        DicomFailedImage.location,
        DicomFailedImage.study_uid,
        DicomFailedImage.related_to,
        DicomFailedImage.related_sequence,
        DicomFailedImage.last_related,
        DicomFailedImage.first_of_study,
    )
    .where(DicomFailedImage.removed.is_(False))
    .order_by(DicomFailedImage.ien)
)
_PUT = (
    update(DicomFailedImage)
    .where(DicomFailedImage.ien == bindparam("entry"))
    .values(
        related_to=bindparam("under"),
        related_sequence=bindparam("place"),
        last_related=bindparam("last"),
        first_of_study=bindparam("first"),
    )
)


@procedure(
    "MAG DICOM INCORRECT IMAGE CT",
    access=Access.READS,
    routine="CORRECT^MAGDRPC8",
    parameters=(literal("LOCATION", 30, required=True), literal("MACHID", 30, required=True)),
    version=3,
)
def incorrect_image_count(call: Call) -> str:
    """Answer how many studies of a gateway at a location wait to be corrected: those whose first image came from it.

    `-1,No Location Specified` and `-2,No Gateway Specified` are the errors.
    """
    location, machine = call.text(0), call.text(1)
    if not m_number(location):
        return "-1,No Location Specified"
    if not machine:
        return "-2,No Gateway Specified"
    return str(call.connection.execute(_COUNT, {"location_": location, "machine_": machine}).scalar_one())


@procedure(
    "MAG DICOM CORRECT VALIDATE",
    access=Access.WRITES,
    routine="VALIDATE^MAGDLBV",
    parameters=(literal("MENU", 5),),
    word_wrap=False,
    version=3,
)
def correct_validate(call: Call) -> str:
    """Put the CORRECT list in order and answer how many entries it has.

    An entry that hangs under one which is gone is its study's first again, or hangs under that; of several first ones of a
    study the one with images under it stays, and the others hang under it.
    """
    lock_for_transaction(call.connection, "correct list")
    entries = {row["ien"]: dict(row) for row in call.connection.execute(_ALL).mappings()}
    changes = [
        {
            "entry": ien,
            "under": wanted["related_to"],
            "place": wanted["related_sequence"],
            "last": wanted["last_related"],
            "first": wanted["first_of_study"],
        }
        for ien, wanted in _in_order(entries).items()
        if wanted != entries[ien]
    ]
    if changes:
        call.connection.execute(_PUT, changes)
    return str(len(entries))


def _in_order(entries: Mapping[int, Mapping[str, Any]]) -> dict[int, dict[str, Any]]:
    """Give every entry as it should be."""
    wanted = {ien: dict(entry) for ien, entry in entries.items()}
    for entry in wanted.values():
        if entry["related_to"] not in wanted:
            entry |= {"related_to": None, "related_sequence": None, "first_of_study": True}
    under: dict[int, list[int]] = defaultdict(list)
    for ien, entry in wanted.items():
        if entry["related_to"] is not None:
            under[entry["related_to"]].append(ien)
    for study in _studies(wanted.values()):
        first = next((ien for ien in study if ien in under), study[0])
        for other in study:
            if other != first:
                for ien in (other, *under.pop(other, ())):
                    last = wanted[first]["last_related"] = wanted[first]["last_related"] + 1
                    wanted[ien] |= {"related_to": first, "related_sequence": last, "last_related": 0, "first_of_study": False}
    return wanted


def _studies(entries: Iterable[Mapping[str, Any]]) -> list[list[int]]:
    """Give the first entries of each study and location that has several."""
    firsts: dict[tuple[str, str], list[int]] = defaultdict(list)
    for entry in entries:
        if entry["first_of_study"] and entry["study_uid"]:
            firsts[entry["location"], entry["study_uid"]].append(entry["ien"])
    return [found for found in firsts.values() if len(found) > 1]
