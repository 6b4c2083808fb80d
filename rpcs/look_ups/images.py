"""Images: their fields, their group, their study, and the UIDs under which they go out."""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import bindparam, select, update

from fileman import FILE_POINTERS, UID_LENGTH, lock_for_transaction, rejected_among
from fileman.files import Image
from rpcs.call import Call
from rpcs.dictionary import IMAGE, Entry
from rpcs.file_find import NO_LOCATION, find_file
from rpcs.look_ups.integrity import check_integrity, is_deleted
from rpcs.numbers import entry_number
from rpcs.registry import Access, literal, procedure
from xwb import ResultType, m_number, m_text

_UID = re.compile(r"[0-9.]{1,64}")

_MEMBERS = (
    select(Image.ien)
    .where(Image.parent == bindparam("group"), Image.group_sequence.is_not(None))
    .order_by(Image.group_sequence, Image.ien)
)
_FILES = select(
    *FILE_POINTERS,
    Image.uid,
    Image.saved_at,
).where(Image.ien == bindparam("ien"))
_BY_UID = select(Image.ien, Image.patient, Image.parent, Image.saved_at).where(Image.uid == bindparam("uid")).order_by(Image.ien)
_BY_SERIES = select(Image.ien, Image.parent).where(Image.series_uid == bindparam("uid")).order_by(Image.ien)
_EXPORT_UID = select(Image.export_uid).where(Image.ien == bindparam("ien"))
_UID_TAKEN = select(Image.ien).where(Image.uid == bindparam("uid")).limit(1)
_EXPORT_UID_TAKEN = select(Image.ien).where(Image.export_uid == bindparam("uid")).limit(1)
_SET_EXPORT_UID = update(Image).where(Image.ien == bindparam("image")).values(export_uid=bindparam("new_uid"))

#: How an image's files are named in an answer.
_NAMED = {"FULL": "Full", "BIG": "Big", "ABSTRACT": "Abstract"}


@procedure(
    "MAG DICOM GET BASIC IMAGE",
    returns=ResultType.ARRAY,
    access=Access.READS,
    routine="IMAGE^MAGDRPC2",
    parameters=(literal("D0", 30, required=True),),
    version=3,
)
def basic_image(call: Call) -> list[str]:
    """Answer a count and `field^value[^value in words]` of every field that an image has, by name; then its files.

    `-1` for what is no entry number, `-2` for an entry that is not there, `-3` for a deleted image.
    """
    text = call.text(0)
    if not m_number(text):
        return [f"-1,Invalid IEN ({text})"]
    ien = entry_number(text)
    if is_deleted(call.connection, ien):
        return [f"-3,Image #{text} has been deleted."]
    entry = IMAGE.entry(call, ien)
    if entry is None:
        return [f'-2,No data for "{text}".']
    lines = _fields(call, entry)
    files = call.connection.execute(_FILES, {"ien": ien}).one()
    for file_type, label in _NAMED.items():
        found = find_file(call.site.locations, files, file_type)
        if not found.missing:
            lines += [f"{label} FileName^{found.name}", f"{label} Path+FileName^{found.path}"]
    members = len(call.connection.execute(_MEMBERS, {"group": ien}).all())
    if members:
        lines.append(f"# Images^{members}")
    return [str(len(lines)), *lines]


def _fields(call: Call, entry: Entry) -> list[str]:
    lines = []
    for one in sorted(IMAGE.fields, key=lambda field: field.label):
        internal, external = entry.values(call, one)
        if internal:
            lines.append(f"{one.label}^{internal}" + (f"^{external}" if external != internal else ""))
    return lines


@procedure(
    "MAG DICOM GET IMAGE GROUP",
    returns=ResultType.ARRAY,
    access=Access.READS,
    routine="GRPIMG^MAGDRPC2",
    parameters=(literal("D0", 30, required=True),),
    version=3,
)
def image_group(call: Call) -> list[str]:
    """Answer a count and the images of a group, in its order; 0 for what is no group.

    Where image, group and report do not belong together the only line is `0^` and what is wrong.
    """
    ien = entry_number(call.text(0))
    verdict = check_integrity(call.connection, ien)
    if not verdict.startswith("1^"):
        return [verdict]
    members = call.connection.execute(_MEMBERS, {"group": ien}).scalars().all()
    return [str(len(members)), *map(str, members)]


@procedure(
    "MAG STUDY UID QUERY",
    returns=ResultType.ARRAY,
    access=Access.READS,
    routine="STUDY^MAGDQR04",
    parameters=(literal("UID", 64, required=True), literal("PRMUID", 1)),
    word_wrap=False,
    version=3,
)
def study_uid_query(call: Call) -> list[str]:
    """Answer how many images a study or series has, and `image^path^user^password^path of the text file` of each.

    With PRMUID 1 whatever is found is answered; with 2 the oldest and with 3 the newest of images that share a UID; else
    such an image is `image^-14,...`, and a study of several patients `-13,Duplicate Study UID`. Rejected images are left out.
    """
    uid = call.text(0)
    if not uid:
        return ["-1,No UID specified."]
    if not _UID.fullmatch(uid):
        return [f'-2,Invalid UID format: "{uid}".']
    keep = call.text(1) if call.text(1) in ("1", "2", "3") else "0"
    found = call.connection.execute(_BY_UID, {"uid": uid}).all()
    if keep != "1" and len({row.patient for row in found if row.patient}) > 1:
        return ["-13,Duplicate Study UID"]
    images: list[int] = []
    for row in (*found, *call.connection.execute(_BY_SERIES, {"uid": uid})):
        if row.parent:
            images.append(row.ien)
        else:
            images += call.connection.execute(_MEMBERS, {"group": row.ien}).scalars()
    rejected = rejected_among(call.connection, images)
    lines = [line for image in images if image not in rejected and (line := _described(call, image, keep))]
    return [f"{len(lines)} image{'' if len(lines) == 1 else 's'} found", *lines]


def _described(call: Call, image: int, keep: str) -> str:
    """Describe one image of a study; nothing for one that an older or a newer image of the same UID stands for."""
    if not check_integrity(call.connection, image).startswith("1^"):
        return f"{image}^-13,Questionable Integrity"
    files = call.connection.execute(_FILES, {"ien": image}).one()
    if files.uid and keep != "1":
        same = {row.ien: row.saved_at.partition(".")[0] for row in call.connection.execute(_BY_UID, {"uid": files.uid})}
        if len(same) > 1 and keep == "0":
            return f'{image}^-14,Multiple images with UID="{files.uid}".'
        if len(same) > 1 and same[image] != (min if keep == "2" else max)(same.values()):
            return ""
    where = call.site.locations.get(files.location or 0)
    user, password = (where.user, call.environment.key.decipher(where.password)) if where is not None else ("", "")
    big, full, text = (find_file(call.site.locations, files, file_type) for file_type in ("BIG", "FULL", "TEXT"))
    shown, beside = (NO_LOCATION if found.missing else found.path for found in (full if big.missing else big, text))
    return f"{image}^{shown}^{user}^{password}^{beside}"


@procedure(
    "MAG NEW SOP INSTANCE UID",
    access=Access.WRITES,
    routine="NEWUID^MAGDRPC9",
    parameters=(literal("OLD", 64, required=True), literal("NEW", 64, required=True), literal("IMAGE", 10)),
    formals=("OLD", "NEW", "IMAGE", "DBTYPE"),
    word_wrap=False,
    version=3,
)
def new_sop_instance_uid(call: Call) -> str:
    """Give an image the UID under which its corrected object goes out, and answer it; one that it has stays.

    The UID is NEW, or the next one after it that no image has. `-2` without an image, `-3` where no valid UID can be made.
    The database of DBTYPE NEW holds nothing here.
    """
    old = call.text(0)
    new = call.text(1) or old
    image = entry_number(call.text(2))
    if call.text(3) == "NEW":
        return f"-2,IMAGE SOP INSTANCE record not found ({image})"
    if call.text(3) not in ("", "OLD"):
        return ""
    before = call.connection.execute(_EXPORT_UID, {"ien": image}).scalar()
    if before is None:
        return f"-2,Cannot find image with UID {old}"
    return before or _assign(call, image, new)


def _assign(call: Call, image: int, new: str) -> str:
    lock_for_transaction(call.connection, "export uid")
    stem, _, last = new.rpartition(".")
    while True:
        uid = f"{stem}.{last}"
        if len(uid) > UID_LENGTH:
            return f"-3,Cannot use {new} to create valid UID"
        if not any(call.connection.execute(query, {"uid": uid}).first() for query in (_UID_TAKEN, _EXPORT_UID_TAKEN)):
            call.connection.execute(_SET_EXPORT_UID, {"image": image, "new_uid": uid})
            return uid
        last = m_text(m_number(last) + 1)


def image_uid(row: Any) -> str:
    """Give the SOP Instance UID under which an image goes out: the corrected one where it has one."""
    return str(row.export_uid or row.uid)
