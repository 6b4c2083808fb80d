"""Deleting an entry of the image file, or a group with its images (DELETE^MAGGTID)."""

from __future__ import annotations

from rpcs.call import Call
from rpcs.image_processing.rollback import REASON, Deleting, delete_entry, delete_group, hold_entry, members_of, queue_files
from rpcs.numbers import entry_number
from rpcs.registry import Access, literal, procedure
from xwb import ResultType, m_number

#: Who may delete without having to force it.
KEY = "MAG DELETE"


@procedure(
    "MAGQ DIK",
    returns=ResultType.ARRAY,
    access=Access.WRITES,
    routine="DELETE^MAGGTID",
    parameters=(literal("ien", 1, required=True), literal("IEN", required=True, sequence=1)),
    formals=("MAGIEN", "DF", "GRPDF", "REASON"),
)
def delete_image(call: Call) -> list[str]:
    """Delete an image's entry, and its group's with the last image of it; what is deleted stays in the audit file.

    `ien^1` deletes without the key MAG DELETE, which is needed otherwise. Answers `1^Deletion of Image was Successful.` and the
    numbers of what is gone, a group's with `^1^Deletion of Group was Successful.`; or `0^` and why not. A group with images
    is deleted, with all of them, only where GRPDF is 1; with DF 1 the files are queued to be deleted too, else they stay.
    """
    pointer, _, forced = call.text(0).partition("^")
    number = entry_number(pointer)
    if not m_number(forced.partition("^")[0]) and KEY not in call.site.keys_of(call.session.duz):
        return ["0^User doesn't have delete privilege."]
    row = hold_entry(call.connection, number)
    if row is None:
        return ["0^Image entry doesn't exist in image file"]
    with_files, whole_group = m_number(call.text(1)) == 1, m_number(call.text(2)) == 1
    deleting = Deleting.by_call(call, call.text(3) or REASON)
    if row.members > 0 and not whole_group:
        return ["0^Deleting a Group is not allowed."]
    images = members_of(call.connection, number) if row.members > 0 else [number]
    if with_files:
        queue_files(deleting, images)
    group: int | None = number
    if row.members > 0:
        delete_group(deleting, number, images)
    else:
        group = row.parent if delete_entry(deleting, number, row.parent) else None
    gone = [] if group is None else [f"{group}^1^Deletion of Group was Successful."]
    return ["1^Deletion of Image was Successful.", *gone, *map(str, images)]
