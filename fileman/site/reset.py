"""Imaging put back to the site file: nothing stored, nothing queued, nothing counted."""

from __future__ import annotations

from sqlalchemy import Connection, delete, update

from fileman.files import (
    NUMBERED_FILES,
    AcquisitionCount,
    AcquisitionDevice,
    AmendedPatient,
    AnsweredRequest,
    ArchiveHolding,
    ArchiveInstance,
    ArchiveOverride,
    ArchivePatient,
    ArchiveSeries,
    ArchiveStudy,
    ArchiveTail,
    ArchiveValue,
    BackgroundQueue,
    BalanceDeal,
    BalanceDeck,
    BalanceMark,
    ConsultGroup,
    CurrentImage,
    DailyStatistic,
    DerivedFile,
    DicomExport,
    DicomExportImage,
    DicomFailedImage,
    DicomWorkstation,
    ErrorLog,
    EvaluatorFlag,
    EvaluatorLog,
    Exam,
    FailedAccess,
    File,
    GatewayInformation,
    GatewayMachine,
    GatewayParameter,
    HeldDestination,
    Hl7Message,
    Image,
    ImageAudit,
    ImageEvent,
    ImageHeader,
    ImagingSite,
    ImportableObject,
    LabGroup,
    LockedAddress,
    LongTermFault,
    LostMember,
    MergedPatient,
    MovedImage,
    NetworkLocation,
    OperatorRequest,
    PerformedOrder,
    PerformedSeries,
    PerformedStep,
    QueryResult,
    QueryResultLine,
    QueuePointer,
    Recall,
    RejectedImage,
    ReleasedFile,
    Report,
    ReportImage,
    RoutedCopy,
    RoutingTransaction,
    RuleDecision,
    RulePublication,
    SendQueue,
    StatisticsCursor,
    StudyDecision,
    TextMessageCount,
    TiuImage,
    UnreadConsult,
)
from fileman.numbers import reset_numbers
from fileman.site.sections import empty
from fileman.store import bump_site_version
from fileman.worklist import drop_fed_steps

#: What imaging fills: images, groups, reports, queues, logs, counters.
_IMAGING_FILES: tuple[type[File], ...] = (
    AcquisitionCount,
    AcquisitionDevice,
    AmendedPatient,
    AnsweredRequest,
    ArchiveTail,
    ArchiveValue,
    ArchiveHolding,
    ArchiveInstance,
    ArchiveSeries,
    ArchiveStudy,
    ArchivePatient,
    ArchiveOverride,
    BackgroundQueue,
    BalanceDeal,
    BalanceDeck,
    BalanceMark,
    ConsultGroup,
    CurrentImage,
    DailyStatistic,
    DerivedFile,
    DicomExportImage,
    DicomExport,
    DicomFailedImage,
    DicomWorkstation,
    EvaluatorFlag,
    EvaluatorLog,
    ErrorLog,
    FailedAccess,
    GatewayInformation,
    GatewayMachine,
    GatewayParameter,
    HeldDestination,
    Hl7Message,
    Image,
    ImageAudit,
    ImageEvent,
    ImageHeader,
    ImportableObject,
    LabGroup,
    LockedAddress,
    LongTermFault,
    LostMember,
    MergedPatient,
    MovedImage,
    OperatorRequest,
    PerformedOrder,
    PerformedSeries,
    PerformedStep,
    QueuePointer,
    QueryResultLine,
    QueryResult,
    Recall,
    RejectedImage,
    ReleasedFile,
    Report,
    ReportImage,
    RoutedCopy,
    RoutingTransaction,
    RuleDecision,
    RulePublication,
    SendQueue,
    StatisticsCursor,
    StudyDecision,
    TextMessageCount,
    UnreadConsult,
    TiuImage,
)
#: Numbers that go on: those of the site's own entries, of sign-ons and of tasks.
_NUMBERS_THAT_GO_ON = {"option_schedule", "scheduled_step", "sign_on_log", "task", "task_error", "transmit_destination"}
_IMAGING_NUMBERS = tuple(name for name in NUMBERED_FILES if name not in _NUMBERS_THAT_GO_ON)


def reset_imaging(connection: Connection) -> None:
    """Put imaging back to the site file: no images, groups, reports, queues, logs; numbers from the start.

    What others than the site file scheduled goes, too.
    """
    empty(connection, _IMAGING_FILES)
    drop_fed_steps(connection)
    connection.execute(update(Exam).values(report=None))
    connection.execute(update(ImagingSite).values(last_routing="", last_routing_warning=""))
    connection.execute(delete(NetworkLocation).where(NetworkLocation.name == ""))  # made when their state was told
    connection.execute(update(NetworkLocation).values(offline_since=None, last_purge=None))
    reset_numbers(connection, _IMAGING_NUMBERS)
    bump_site_version(connection)
