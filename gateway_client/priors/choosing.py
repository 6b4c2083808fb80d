"""Which of a patient's studies are fetched as priors of a new one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from runtime import PriorSettings


@dataclass(frozen=True, slots=True)
class NewStudy:
    """A study that goes to a destination, as its objects tell of it; dates and times are those of DICOM."""

    uid: str
    patient_id: str
    birth_date: str = ""
    study_date: str = ""
    study_time: str = ""
    modality: str = ""
    body_part: str = ""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A study of an archive, as it answers."""

    uid: str
    patient_id: str = ""
    birth_date: str = ""
    study_date: str = ""
    study_time: str = ""
    modalities: frozenset[str] = frozenset()

    def __str__(self) -> str:
        return " ".join(filter(None, (self.uid, "of", self.study_date or "no date", *sorted(self.modalities))))


def period(study: NewStudy, years: float, today: date) -> str:
    """Give the range of Study Date in which priors are looked for (PS3.4 C.2.2.2.5); of a study without a date up to today."""
    last = _date(study.study_date) or today
    days = round(years * 365.25)
    first = last - timedelta(days=days) if days < (last - date.min).days else date.min
    return "-".join(day.isoformat().replace("-", "") for day in (first, last))


def _date(text: str) -> date | None:
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:8])) if len(text) == 8 else None
    except ValueError:
        return None


def may_be_asked_for(study: NewStudy) -> bool:
    """Tell whether the patient can be asked for: with no ID, or one that matches others, nobody knows whose priors come."""
    return bool(study.patient_id) and not set(study.patient_id) & set("*?\\=")


def in_order(study: NewStudy, found: Iterable[Candidate]) -> Sequence[Candidate]:
    """Give what may be priors, the latest first: earlier studies of the same patient, whose birth date is no other."""
    fit = [
        it
        for it in found
        if it.uid
        and it.uid != study.uid
        and _is_earlier(it, study)
        and it.patient_id in ("", study.patient_id)
        and (not it.birth_date or not study.birth_date or it.birth_date == study.birth_date)
    ]
    return sorted({it.uid: it for it in fit}.values(), key=lambda it: (it.study_date, it.study_time), reverse=True)


def _is_earlier(it: Candidate, study: NewStudy) -> bool:
    """Tell whether a candidate is of an earlier day, or of the same day and begun earlier as far as both times tell."""
    if it.study_date != study.study_date:
        return it.study_date < study.study_date or _date(study.study_date) is None
    one, other = (text.replace(":", "") for text in (it.study_time, study.study_time))  # `:` is ACR-NEMA's (PS3.5 6.2)
    known = min(len(one), len(other))  # a time may end with the hour or the minute
    return one[:known] < other[:known]


@dataclass(frozen=True, slots=True)
class Series:
    """A series of a candidate, as far as it is compared."""

    modality: str
    body_part: str


def fits(study: NewStudy, settings: PriorSettings, series: Iterable[Series]) -> bool:
    """Tell whether one series of a candidate has what priors are to have in common with the new study."""
    return any(
        (not settings.same_modality or it.modality == study.modality)
        and (not settings.same_body_part or it.body_part.upper() == study.body_part.upper())
        for it in series
    )
