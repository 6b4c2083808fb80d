"""The stored images that a replay runs through, in the order of their entry numbers, a page at a time."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import lru_cache, partial
from typing import Any

from sqlalchemy import Connection, and_, bindparam, func, or_, select

from fileman import GROUP_OBJECT_TYPE, Store, from_fileman, to_fileman
from fileman.files import Image, RuleDecision
from rules.evaluator.decisions import read_facts
from rules.evaluator.image_facts import Elements, ImageRows, Names, element_values, know_image, missing_file, read_rows
from rules.judging.facts import ImageFacts
from rules.judging.moment import Moment
from rules.trials.errors import TrialError
from rules.trials.given import read_moment
from rules.trials.places import leads_to

#: Images that are read at a time.
PAGE = 500

_DECISIONS = (
    select(RuleDecision.image, RuleDecision.evaluated_at, RuleDecision.facts, RuleDecision.queued)
    .where(RuleDecision.image.in_(bindparam("images", expanding=True)))
    .order_by(RuleDecision.image, RuleDecision.evaluated_at, RuleDecision.task)
)
_BEGUN_BEFORE = (
    select(Image.parent)
    .distinct()
    .where(Image.parent.in_(bindparam("groups", expanding=True)), Image.saved_at < bindparam("since"))
)


@dataclass(frozen=True, slots=True)
class Window:
    """Images that were saved from one moment on and before another (FileMan dates; none when empty), of one site or of all."""

    since: str
    until: str = ""
    location: int | None = None

    def of(self, statement: Any) -> Any:
        """Narrow a statement on images to the window; groups are no images."""
        conditions = [Image.object_type != GROUP_OBJECT_TYPE, Image.saved_at >= self.since]
        if self.until:
            conditions.append(Image.saved_at < self.until)
        if self.location is not None:
            conditions.append(or_(Image.acquisition_site == self.location, Image.acquisition_site.is_(None)))
        return statement.where(and_(*conditions))


@dataclass(frozen=True, slots=True)
class StoredImage:
    """An image of the window, with what its facts are made of: those of a decided study's further images are never asked for.

    `at` is the moment at which it is judged, a FileMan date. Moment and facts are those of its newest kept decision, with the
    `holidays` of then; without one, when the image was saved, and what the database says now. `sent` is what that decision sent
    (`leads_to`), None where none is kept. `fileless` images are not judged. `begun_before` tells that its group has images from
    before the window.
    """

    ien: int
    study: str
    at: str
    know: Callable[[], ImageFacts]
    holidays: frozenset[str] | None = None
    sent: frozenset[str] | None = None
    fileless: bool = False
    begun_before: bool = False

    @property
    def now(self) -> Moment:
        """The moment at which it is judged."""
        return Moment(from_fileman(self.at))


@dataclass(frozen=True, slots=True)
class Reader:
    """How images are read: by which names, for the evaluator of which location, with which DICOM elements."""

    names: Names
    location: int
    elements: Elements


def count_images(store: Store, window: Window) -> int:
    """Count the images of a window."""
    statement = window.of(select(func.count()).select_from(Image))
    return int(store.read(lambda connection: connection.execute(statement).scalar_one()))


def stored_images(store: Store, window: Window, reader: Reader) -> Iterator[StoredImage]:
    """Read the images of a window. What is filed meanwhile may or may not be among them."""
    statement = window.of(select(Image.ien, Image.saved_at, Image.parent).where(Image.ien > bindparam("after")))
    statement = statement.order_by(Image.ien).limit(PAGE)

    def page_after(connection: Connection, after: int) -> tuple[int, list[StoredImage]]:
        page = connection.execute(statement, {"after": after}).all()
        return (page[-1].ien if page else 0), list(_of_page(connection, page, window, reader))

    after, images = store.read(lambda connection: page_after(connection, 0))
    while after:
        yield from images
        after, images = store.read(partial(page_after, after=after))


def _of_page(connection: Connection, page: Sequence[Any], window: Window, reader: Reader) -> Iterator[StoredImage]:
    decided = {row.image: row for row in connection.execute(_DECISIONS, {"images": [entry.ien for entry in page]})}
    # a decision keeps the elements that its own rules asked for, and these may ask for others
    unread = [entry.ien for entry in page if reader.elements or entry.ien not in decided]
    rows = read_rows(connection, unread, headers=bool(reader.elements))
    groups = sorted({entry.parent for entry in page if entry.parent})
    key = {"groups": groups, "since": window.since}
    early = set(connection.execute(_BEGUN_BEFORE, key).scalars()) if groups else set()
    for entry in page:
        rows_of, begun_before = rows.get(entry.ien), entry.parent in early
        if (decision := decided.get(entry.ien)) is not None:
            yield _as_decided(decision, rows_of, reader, begun_before=begun_before)
        elif rows_of is not None:  # not deleted this moment
            yield StoredImage(
                entry.ien,
                rows_of.study,
                entry.saved_at,
                partial(_know, rows_of, reader),
                fileless=bool(missing_file(rows_of.image)),
                begun_before=begun_before,
            )


def _know(rows: ImageRows, reader: Reader) -> ImageFacts:
    return know_image(rows, reader.names, reader.location, reader.elements).facts


def _as_decided(row: Any, image: ImageRows | None, reader: Reader, *, begun_before: bool) -> StoredImage:
    facts, holidays = read_facts(row.image, row.facts)
    if image is not None and image.elements:
        facts = replace(facts, values={**facts.values, **element_values(json.loads(image.elements), reader.elements)})
    sent = sent_by(row.queued)
    return StoredImage(row.image, facts.study_uid, row.evaluated_at, lambda: facts, holidays, sent, begun_before=begun_before)


@lru_cache(maxsize=4096)
def sent_by(queued: str) -> frozenset[str]:
    """Tell where a kept decision sent its image; what it sent of prior studies is left out."""
    return frozenset(leads_to(it["verb"], it["destination"]) for it in json.loads(queued) if "prior" not in it)


def window_of(since: str, until: str, location: int | None) -> Window:
    """Read the bounds of a window: a day or a moment, as FileMan writes it or ISO; a day counts to its end. Raises TrialError."""
    begin = read_moment(since).at
    if not until:
        return Window(to_fileman(begin), "", location)
    end = read_moment(until).at
    if len(until.strip()) <= len("2026-11-21") and "." not in until:
        end += timedelta(days=1)
    if end <= begin:
        raise TrialError(f"--until {until} is not after --since {since}: no image lies between.")
    return Window(to_fileman(begin), to_fileman(end), location)
