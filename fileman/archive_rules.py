"""What may become of an image in the archive: kept on line, never archived, as its header says or as a person did.

Headers say it by Archive Management Flag Keep Online (0029,xx51) and Archive Management Flag Do Not Archive (0029,xx52), which
the archive's index holds. What was said of the image's study counts more, then what was said of its patient.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, bindparam, or_, select
from sqlalchemy.orm import aliased

from fileman.files import ArchiveInstance, ArchiveOverride, Image
from fileman.upserting import upserts

STUDY_SCOPE, PATIENT_SCOPE = "STUDY", "PATIENT"
#: The rule by which an earlier one is taken back.
DEFAULT_RULE = "DEFAULT"


@dataclass(frozen=True, slots=True)
class Handling:
    """What is done with an image, and who says so: its header, or a rule of its study or patient."""

    keep_online: bool = False
    do_not_archive: bool = False
    said_by: str = "its header"


#: What each rule of a person means.
ARCHIVE_RULES: Mapping[str, Handling] = {
    "KEEP": Handling(keep_online=True),
    "RELEASE": Handling(),
    "NEVER-ARCHIVE": Handling(do_not_archive=True),
}
#: What a flag that is set has in a header: 01; 00 is one that is not.
_SET_IN_HEADER = ("01", "1")

_GROUP = aliased(Image)
_SUBJECTS = (
    select(Image.ien, Image.patient, _GROUP.uid.label("study_uid"), ArchiveInstance.keep_online, ArchiveInstance.do_not_archive)
    .join(_GROUP, _GROUP.ien == Image.parent, isouter=True)
    .join(ArchiveInstance, ArchiveInstance.image == Image.ien, isouter=True)
    .where(Image.ien.in_(bindparam("images", expanding=True)))
)
_OVERRIDES = select(ArchiveOverride.scope, ArchiveOverride.subject, ArchiveOverride.rule).where(
    or_(
        and_(ArchiveOverride.scope == STUDY_SCOPE, ArchiveOverride.subject.in_(bindparam("studies", expanding=True))),
        and_(ArchiveOverride.scope == PATIENT_SCOPE, ArchiveOverride.subject.in_(bindparam("patients", expanding=True))),
    ),
    ArchiveOverride.rule != DEFAULT_RULE,
)
_SET = upserts(
    ArchiveOverride,
    lambda insert: insert.on_conflict_do_update(
        index_elements=[ArchiveOverride.scope, ArchiveOverride.subject],
        set_={name: getattr(insert.excluded, name) for name in ("rule", "note", "set_by", "set_at")},
    ),
)
_ALL = select(
    ArchiveOverride.scope,
    ArchiveOverride.subject,
    ArchiveOverride.rule,
    ArchiveOverride.note,
    ArchiveOverride.set_by,
    ArchiveOverride.set_at,
).order_by(ArchiveOverride.scope, ArchiveOverride.subject)
_ONE = _ALL.where(ArchiveOverride.scope == bindparam("scope_"), ArchiveOverride.subject == bindparam("subject_"))
_LISTED = _ALL.where(ArchiveOverride.rule != DEFAULT_RULE).limit(bindparam("most"))


@dataclass(frozen=True, slots=True)
class Override:
    """What a person said of the images of a study or patient; `set_at` is in seconds since the epoch."""

    scope: str
    subject: str
    rule: str
    note: str
    set_by: str
    set_at: float


def handlings(connection: Connection, images: Collection[int]) -> dict[int, Handling]:
    """Tell what is done with each of some images."""
    if not (rows := connection.execute(_SUBJECTS, {"images": [0, *images]}).all()):
        return {}
    studies = sorted({row.study_uid or "" for row in rows})
    patients = sorted({str(row.patient) for row in rows})
    said = {
        (scope, subject): ARCHIVE_RULES[rule]
        for scope, subject, rule in connection.execute(_OVERRIDES, {"studies": studies, "patients": patients})
    }
    return {row.ien: _handling(row, said) for row in rows}


def _handling(row: Any, said: Mapping[tuple[str, str], Handling]) -> Handling:
    for scope, subject in ((STUDY_SCOPE, row.study_uid or ""), (PATIENT_SCOPE, str(row.patient))):
        if (rule := said.get((scope, subject))) is not None:
            return Handling(rule.keep_online, rule.do_not_archive, f"the rule for its {scope.lower()}")
    return Handling(row.keep_online in _SET_IN_HEADER, row.do_not_archive in _SET_IN_HEADER)


def set_override(connection: Connection, override: Override) -> None:
    """Say something of the images of a study or patient, in place of what was said before."""
    values = {name: getattr(override, name) for name in ("scope", "subject", "rule", "note", "set_by", "set_at")}
    connection.execute(_SET[connection.dialect.name], values)


def override_of(connection: Connection, scope: str, subject: str) -> Override | None:
    """Give what a person said of the images of a study or patient."""
    row = connection.execute(_ONE, {"scope_": scope, "subject_": subject}).first()
    return None if row is None else Override(*row)


def list_overrides(connection: Connection, most: int) -> list[Override]:
    """List what people said and did not take back."""
    return [Override(*row) for row in connection.execute(_LISTED, {"most": most})]
