"""Routing's files: the two queues that rules fill, destinations and copies there, what the evaluators said and decided."""

from __future__ import annotations

from sqlalchemy import Float, ForeignKey, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from fileman.files.base import File, only_where

#: Seconds after which an entry of #2006.5744 that a transmitter took and never reported may be taken again (NEXTIMG^MAGDRPC4).
EXPORT_TAKEN_FOR = 300.0


class SendQueue(File):
    """SEND QUEUE (#2006.035): files to be copied to a router location.

    `status` is what the entry is found by (cross-references STS and DEST). It is empty, and `unlisted_status` what field 3
    still says, after an empty status took the entry out of them: nothing finds it until it is given another status.
    `status_at`, in seconds since the epoch, is when the status was set, None where nobody noted it. A `held` entry is not
    given out: its file is yet to be made.
    """

    __tablename__ = "send_queue"

    ien: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    image: Mapped[int]
    destination: Mapped[str]  # variable pointer, `14;MAG(2005.2,`
    file_type: Mapped[str]
    mechanism: Mapped[int]
    origin: Mapped[int]
    transaction: Mapped[str] = mapped_column(default="")
    status: Mapped[str]
    priority: Mapped[int]
    queued: Mapped[str]
    finished: Mapped[str] = mapped_column(default="")
    status_at: Mapped[float | None] = mapped_column(Float(53))
    unlisted_status: Mapped[str] = mapped_column(default="")
    held: Mapped[bool] = mapped_column(default=False)

    __table_args__ = (
        Index(None, "origin", "status", "destination", "held", "priority", "ien"),
        Index(None, "image", "file_type", sqlite_where=text("held = 1"), postgresql_where=text("held")),
        Index(None, "destination", "status", "image", "file_type"),
        Index(None, "destination", "status", "status_at"),
        Index(None, "transaction", **only_where("\"transaction\" != ''")),
    )


class RoutedCopy(File):
    """A file that was sent to a destination: ROUTED IMAGE (#2005.0106, nodes 4 and 6 of an image).

    `sequence` numbers what was ever sent of an image; `copy` numbers what still lies at a network location, and is None for
    what was sent by DICOM or taken away since (at `removed`). Moments are FileMan's.
    """

    __tablename__ = "routed_copy"

    image: Mapped[int] = mapped_column(primary_key=True)
    sequence: Mapped[int] = mapped_column(primary_key=True)
    copy: Mapped[int | None]
    destination: Mapped[int]
    mechanism: Mapped[int]
    name: Mapped[str] = mapped_column(default="")  # the destination's, as it was then
    file_type: Mapped[str] = mapped_column(default="")
    file: Mapped[str] = mapped_column(default="")
    queued: Mapped[str] = mapped_column(default="")
    began: Mapped[str] = mapped_column(default="")
    sent: Mapped[str]
    removed: Mapped[str] = mapped_column(default="")

    __table_args__ = (
        Index(None, "image", "copy", unique=True),
        Index(None, "destination", "sent", "image", "copy", **only_where("copy IS NOT NULL")),
    )


class RoutingTransaction(File):
    """The last number that MAG DICOM ROUTE GET TRANS ID gave at a place (^MAG(2006.1,place,"TRANSACTION"))."""

    __tablename__ = "routing_transaction"

    place: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    last: Mapped[int]


class DicomExport(File):
    """DICOM OBJECT EXPORT (#2006.574): one study for one destination."""

    __tablename__ = "dicom_export"

    ien: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    application: Mapped[str]
    group: Mapped[int]
    accession: Mapped[str] = mapped_column(default="")
    origin: Mapped[int]
    priority: Mapped[int]
    to_hipaa: Mapped[str] = mapped_column(default="0")
    requested: Mapped[str]
    study_uid: Mapped[str] = mapped_column(default="")
    last_sequence: Mapped[int] = mapped_column(default=0)  # third piece of the images' header
    image_count: Mapped[int] = mapped_column(default=0)  # fourth piece
    with_priors: Mapped[bool] = mapped_column(default=False)  # a rule said PRIORSTUDY YES

    __table_args__ = (
        Index(None, "origin", "priority"),
        Index(None, "study_uid", "application", "origin", "priority"),
        Index(None, "requested"),
    )


class DicomExportImage(File):
    """The images of an export (#2006.5744).

    Status WAITING, XMIT, SUCCESS, FAIL, HOLD; ours besides: RETRY, an entry that a destination refused and that waits for
    `next_try_at` with its `reason`. Origin, priority and application are those of the export: an index finds by them what is
    next.
    """

    __tablename__ = "dicom_export_image"

    export: Mapped[int] = mapped_column(ForeignKey("dicom_export.ien", ondelete="CASCADE"), primary_key=True)
    sequence: Mapped[int] = mapped_column(primary_key=True)
    image: Mapped[int] = mapped_column(index=True)
    status: Mapped[str]
    origin: Mapped[int]
    priority: Mapped[int]
    application: Mapped[str] = mapped_column(default="")
    status_at: Mapped[float] = mapped_column(Float(53))
    taken_by: Mapped[str] = mapped_column(default="")
    tries: Mapped[int] = mapped_column(default=0)
    next_try_at: Mapped[float] = mapped_column(Float(53), default=0.0)
    reason: Mapped[str] = mapped_column(default="")
    repeated: Mapped[bool] = mapped_column(default=False)

    __table_args__ = (
        Index(None, "origin", "status", "priority", "export", "sequence"),
        Index(
            "ix_dicom_export_image_by_destination", "origin", "status", "application", "priority", "export", "sequence"
        ),  # SQLAlchemy's own name for it is longer than PostgreSQL takes
        Index(None, "taken_by", "status"),
        Index(None, "status", "next_try_at"),
        Index(None, "status", "status_at"),
    )


class HeldDestination(File):
    """A destination that is held: entries of the export queue that come for it have status HOLD."""

    __tablename__ = "held_destination"

    application: Mapped[str] = mapped_column(primary_key=True)
    held_at: Mapped[float] = mapped_column(Float(53))
    held_by: Mapped[str]


class TransmitDestination(File):
    """DICOM TRANSMIT DESTINATION (#2006.587)."""

    __tablename__ = "transmit_destination"

    ien: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(index=True)
    ae_title: Mapped[str]
    host: Mapped[str]
    port: Mapped[int]
    gateway: Mapped[str] = mapped_column(default="", index=True)
    location: Mapped[int]
    gateway_ae_title: Mapped[str] = mapped_column(default="")
    updated: Mapped[str] = mapped_column(default="")  # FileMan date of the last UPDATE SCU LIST


class TransmitService(File):
    """SERVICE TYPE multiple of DICOM TRANSMIT DESTINATION (#2006.5871): a DIMSE service and who may begin it."""

    __tablename__ = "transmit_service"

    destination: Mapped[int] = mapped_column(ForeignKey("transmit_destination.ien", ondelete="CASCADE"), primary_key=True)
    service: Mapped[str] = mapped_column(primary_key=True)
    user: Mapped[bool] = mapped_column(default=False)
    provider: Mapped[bool] = mapped_column(default=False)


class EvaluatorLog(File):
    """What a rule evaluator said (^XTMP("MAGEVAL",task,n))."""

    __tablename__ = "evaluator_log"

    task: Mapped[int] = mapped_column(primary_key=True)
    line: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(Text)


class RuleVersion(File):
    """Rules as an evaluator had them, under a digest of all that decides what they mean; never changed, so that decisions can be
    explained later.

    `kind` is `file` for a rule file, `elements` for the RULES of ROUTE EVAL START, of which `text` is the JSON. `semantics` is
    how they are read. `stored_at` is in seconds since the epoch.
    """

    __tablename__ = "rule_version"

    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    kind: Mapped[str]
    semantics: Mapped[str]
    text: Mapped[str] = mapped_column(Text)
    stored_at: Mapped[float] = mapped_column(Float(53))
    stored_by: Mapped[str] = mapped_column(default="")


class RulePublication(File):
    """What rules a location was given, and when: its newest publication is what evaluators go by.

    Going back to an earlier version is a publication of its own. `published_at` is in seconds since the epoch.
    """

    __tablename__ = "rule_publication"

    location: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    sequence: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    version: Mapped[str]
    published_at: Mapped[float] = mapped_column(Float(53))
    published_by: Mapped[str] = mapped_column(default="")
    note: Mapped[str] = mapped_column(default="")


class StudyDecision(File):
    """What the rules decided about a study, once per evaluator's task (^XTMP("MAGEVALSTUDY",task,study,rule)).

    `version` decided it, by its image `decided_by`, 0 where nobody noted it; `fired_rules` is a JSON list of rule numbers.
    `decided_rules` is one of those that were decided where not all were, else empty. `decided_at` is in seconds since the epoch.
    """

    __tablename__ = "study_decision"

    task: Mapped[int] = mapped_column(primary_key=True)
    study_uid: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[str]
    fired_rules: Mapped[str] = mapped_column(Text)
    decided_rules: Mapped[str] = mapped_column(Text, default="")
    decided_by: Mapped[int] = mapped_column(default=0)
    decided_at: Mapped[float] = mapped_column(Float(53), index=True)


class RuleDecision(File):
    """One evaluation of an image: rules' version, moment, facts and what fired; `explain` evaluates again from it.

    `decided_by` is the image whose facts decided, which is an earlier one of the study where that had been decided. `fired` is
    a JSON list of rule numbers; `queued` one of what was queued: rule, verb, destination, priority, entries made, and of a prior
    study its UID and how many images.
    """

    __tablename__ = "rule_decision"

    image: Mapped[int] = mapped_column(primary_key=True)
    task: Mapped[int] = mapped_column(primary_key=True)
    version: Mapped[str]
    evaluated_at: Mapped[str] = mapped_column(index=True)
    facts: Mapped[str] = mapped_column(Text)
    fired: Mapped[str] = mapped_column(Text)
    queued: Mapped[str] = mapped_column(Text, default="[]")
    decided_by: Mapped[int] = mapped_column(default=0)


class BalanceDeck(File):
    """How far a balance has dealt its cards (ROUTE LOAD BALANCE, #2006.5906, node 2), kept by location and by what it deals.

    It outlives tasks and versions of the rules: a balance with the same shares goes on where it was.
    """

    __tablename__ = "balance_deck"

    location: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    deck: Mapped[str] = mapped_column(primary_key=True)
    state: Mapped[str] = mapped_column(Text)


class BalanceDeal(File):
    """What a deck gave a study (#2006.59061): the parameter and its destination, and the day as FileMan writes it."""

    __tablename__ = "balance_deal"

    location: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    deck: Mapped[str] = mapped_column(primary_key=True)
    study: Mapped[str] = mapped_column(primary_key=True)
    day: Mapped[str] = mapped_column(index=True)
    slot: Mapped[str]
    destination: Mapped[str]


class BalanceMark(File):
    """That a study was sent to a parameter's destination on a day, by which caps count (#2006.5906, cross-reference D)."""

    __tablename__ = "balance_mark"

    location: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    day: Mapped[str] = mapped_column(primary_key=True, index=True)
    slot: Mapped[str] = mapped_column(primary_key=True)
    deck: Mapped[str] = mapped_column(primary_key=True)
    study: Mapped[str] = mapped_column(primary_key=True)


class EvaluatorFlag(File):
    """The EVAL flag of DICOM GATEWAY PARAMETERS (#2006.563): 1 runs, 0 asks every evaluator to stop."""

    __tablename__ = "evaluator_flag"

    id: Mapped[int] = mapped_column(primary_key=True)
    running: Mapped[bool]
