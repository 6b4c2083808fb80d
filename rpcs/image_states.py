"""Where objects are on the road: filed or not, judged, sent, or waiting for a person."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, select

from fileman.files import (
    DicomExport,
    DicomExportImage,
    DicomFailedImage,
    Image,
)
from rules.evaluator.decisions import read_decision
from rules.evaluator.explaining import why_not


@dataclass(frozen=True, slots=True)
class Sending:
    """One export of an image: where to, how far, why not."""

    destination: str
    status: str
    reason: str
    repeated: bool


@dataclass(frozen=True, slots=True)
class ImageState:
    """Where an object is on the road. `image` is None while it is not filed; `correct` why it waits for a person."""

    uid: str
    image: int | None
    file: str
    rules: tuple[str, ...]
    evaluated: bool
    why_no_rule: str
    sendings: tuple[Sending, ...]
    correct: str


def image_states(connection: Connection, uids: Iterable[str]) -> dict[str, ImageState]:
    """Look objects up by SOP Instance UID."""
    return {uid: _state(connection, uid) for uid in uids}


def _state(connection: Connection, uid: str) -> ImageState:
    image = connection.execute(
        select(Image.ien, Image.file_ref).where(Image.uid == uid, Image.parent.is_not(None)).order_by(Image.ien).limit(1)
    ).first()
    if image is None:
        waiting = select(DicomFailedImage.reason).where(DicomFailedImage.image_uid == uid, DicomFailedImage.removed.is_(False))
        reason = connection.execute(waiting.order_by(DicomFailedImage.ien.desc()).limit(1)).scalar()
        return ImageState(uid, None, "", (), False, "", (), reason or "")
    decision = read_decision(connection, image.ien)
    exports = connection.execute(
        select(DicomExport.application, DicomExportImage.status, DicomExportImage.reason, DicomExportImage.repeated)
        .join(DicomExport, DicomExport.ien == DicomExportImage.export)
        .where(DicomExportImage.image == image.ien)
        .order_by(DicomExport.ien)
    ).all()
    fired = tuple(str(rule) for rule in json.loads(decision["fired"])) if decision is not None else ()
    why = why_not(connection, image.ien) if decision is not None and not fired else ""
    return ImageState(
        uid,
        image.ien,
        image.file_ref,
        fired,
        decision is not None,
        why,
        tuple(Sending(*row) for row in exports),
        "",
    )
