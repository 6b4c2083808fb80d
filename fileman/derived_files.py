"""Files that are made from an image's DICOM object after it was filed: which are awaited, which entries wait for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import (
    ColumnElement,
    Connection,
    Float,
    Integer,
    String,
    and_,
    bindparam,
    delete,
    exists,
    literal,
    select,
    true,
    update,
)

from fileman.files import DerivedFile, OptionSchedule, SendQueue
from fileman.locks import lock_for_transaction, send_queue_lock
from fileman.many_rows import ManyRows
from fileman.upserting import upserts

#: The option that makes them. Where it is not scheduled nothing is awaited: whoever files images makes them, or nobody does.
DERIVED_FILES_OPTION = "MAGB MAKE DERIVED FILES"
WAITING, THERE, PLACEHOLDER, NEVER = "WAITING", "THERE", "PLACEHOLDER", "NEVER"

#: Rows of one call of `release_held`.
RELEASED_AT_ONCE = 500

#: Tells, in a statement, whether the site has them made: the option is scheduled and not paused.
ARE_MADE: ColumnElement[bool] = exists().where(OptionSchedule.option == DERIVED_FILES_OPTION, OptionSchedule.paused.is_(False))
_KEY = (DerivedFile.image == bindparam("of_image"), DerivedFile.file_type == bindparam("of_type"))
_EXPECTED = select(
    bindparam("of_image", type_=Integer),
    bindparam("of_type", type_=String),
    literal(WAITING),
    literal(""),
    bindparam("now", type_=Float),
).where(ARE_MADE)
_EXPECT = ManyRows(
    upserts(
        DerivedFile,
        lambda insert: insert.from_select(
            ["image", "file_type", "state", "reason", "expected_at"], _EXPECTED
        ).on_conflict_do_nothing(),
    )
)
_AWAITED = select(DerivedFile.image, DerivedFile.file_type).where(
    DerivedFile.image.in_(bindparam("images", expanding=True)), DerivedFile.state == WAITING
)
_SETTLE = (
    update(DerivedFile).where(*_KEY, DerivedFile.state == WAITING).values(state=bindparam("new_state"), reason=bindparam("why"))
)
_RELEASE = (
    update(SendQueue)
    .where(SendQueue.image == bindparam("of_image"), SendQueue.file_type == bindparam("of_type"), SendQueue.held == true())
    .values(held=False)
)
_RELEASE_ALL = update(SendQueue).where(SendQueue.image == bindparam("of_image"), SendQueue.held == true()).values(held=False)
_RELEASE_SOME = (
    update(SendQueue)
    .where(
        # every image: by it the index of held entries is searched
        SendQueue.ien.in_(select(SendQueue.ien).where(SendQueue.held == true(), SendQueue.image >= 0).limit(RELEASED_AT_ONCE)),
        SendQueue.held == true(),
        ~ARE_MADE,
    )
    .values(held=False)
)
_FORGET = delete(DerivedFile).where(DerivedFile.image == bindparam("of_image"))
#: Tells, in a statement with the parameters `of_image` and `of_type`, whether that file is yet to be made.
IS_AWAITED: ColumnElement[bool] = and_(exists().where(*_KEY, DerivedFile.state == WAITING), ARE_MADE)


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of an awaited file: THERE, PLACEHOLDER or NEVER, and why where there is something to say."""

    state: str
    reason: str = ""


def derived_file_types(file_ref: str, big_extension: str) -> list[str]:
    """Name the files of an image that are made after filing: what its entry says is there beside the object itself."""
    types = ["ABSTRACT"]
    if not file_ref.endswith(".DCM"):
        types.append("FULL")
    if big_extension:
        types.append("BIG")
    return types


def expect_derived_files(connection: Connection, files: Mapping[int, Sequence[str]], now: float) -> None:
    """Note which files of images are to be made, where the site schedules their making. Twice is once."""
    rows = [{"of_image": image, "of_type": it, "now": now} for image, types in files.items() for it in types]
    _EXPECT.write(connection, rows)


def settle_derived_files(connection: Connection, files: Mapping[int, Mapping[str, Settled]]) -> set[int]:
    """Note what became of awaited files of images, by types, and give the send queue's entries of them free.

    Gives the images of which some file was awaited still: the others were deleted meanwhile.
    """
    lock_for_transaction(connection, *{send_queue_lock(image) for image in files})
    rows = [
        {"of_image": image, "of_type": file_type, "new_state": settled.state, "why": settled.reason}
        for image, of_image in files.items()
        for file_type, settled in of_image.items()
    ]
    if not rows:
        return set()
    awaited = {tuple(row) for row in connection.execute(_AWAITED, {"images": list(files)})}
    connection.execute(_SETTLE, rows)
    connection.execute(_RELEASE, [{"of_image": row["of_image"], "of_type": row["of_type"]} for row in rows])
    return {image for image, of_image in files.items() if any((image, file_type) in awaited for file_type in of_image)}


def release_held(connection: Connection) -> int:
    """Give out send queue entries that wait for files which nobody makes any more, where that is so; tell how many.

    At most `RELEASED_AT_ONCE`. What is awaited stays so: it is made when the making is scheduled again.
    """
    return connection.execute(_RELEASE_SOME).rowcount


def forget_derived_files(connection: Connection, image: int) -> None:
    """Await nothing of an image any more: it is deleted. Its send queue entries are given out, as of files that are not there."""
    lock_for_transaction(connection, send_queue_lock(image))
    connection.execute(_FORGET, {"of_image": image})
    connection.execute(_RELEASE_ALL, {"of_image": image})
