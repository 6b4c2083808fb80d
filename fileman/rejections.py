"""Images that are rejected: they stay on file, and are shown, sent and found by nobody until they are accepted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BindParameter, Connection, Float, String, bindparam, delete, insert, select, update

from fileman.archive_index import forget_images, index_images
from fileman.files import Image, RejectedImage
from fileman.many_rows import in_parts

#: STATUS (#2005 field 113) of an image that is not to be looked at: Needs Review.
NEEDS_REVIEW = 11

_IMAGES: BindParameter[Any] = bindparam("images", expanding=True)
_AMONG = select(RejectedImage.image).where(RejectedImage.image.in_(_IMAGES))
_REJECT = insert(RejectedImage).from_select(
    ["image", "reason", "rejected_by", "rejected_at", "status"],
    select(
        Image.ien,
        bindparam("why", type_=String),
        bindparam("by_", type_=String),
        bindparam("now_", type_=Float),
        Image.status,
    ).where(Image.ien.in_(_IMAGES)),
)
_HIDE = update(Image).where(Image.ien.in_(_IMAGES)).values(status=NEEDS_REVIEW)
_BEFORE = select(RejectedImage.status).where(RejectedImage.image == Image.ien).scalar_subquery()
_SHOW = update(Image).where(Image.ien.in_(_IMAGES)).values(status=_BEFORE)
_ACCEPT = delete(RejectedImage).where(RejectedImage.image.in_(_IMAGES))
_ONE = select(RejectedImage.reason, RejectedImage.rejected_by, RejectedImage.rejected_at).where(
    RejectedImage.image == bindparam("image_")
)


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why an image is rejected, who said so, and when, in seconds since the epoch."""

    reason: str
    rejected_by: str
    rejected_at: float


def rejected_among(connection: Connection, images: Iterable[int]) -> set[int]:
    """Tell which of some images are rejected."""
    return {image for some in in_parts(sorted(set(images))) for image in connection.execute(_AMONG, {"images": some}).scalars()}


def rejection_of(connection: Connection, image: int) -> Rejection | None:
    """Tell why an image is rejected, None for one that is not."""
    row = connection.execute(_ONE, {"image_": image}).first()
    return None if row is None else Rejection(*row)


def reject_images(connection: Connection, images: Sequence[int], rejection: Rejection) -> None:
    """Reject images that are on file and are not rejected."""
    told = {"why": rejection.reason, "by_": rejection.rejected_by, "now_": rejection.rejected_at}
    for some in in_parts(images):
        connection.execute(_REJECT, {**told, "images": some})
        connection.execute(_HIDE, {"images": some})
    forget_images(connection, images)


def accept_images(connection: Connection, images: Sequence[int]) -> None:
    """Take the rejection of images back."""
    for some in in_parts(images):
        connection.execute(_SHOW, {"images": some})
        connection.execute(_ACCEPT, {"images": some})
    index_images(connection, images)
