"""VistA Imaging's files: images, where they lie, the CORRECT list and the background queues."""

from __future__ import annotations

from sqlalchemy import Float, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from fileman.files.base import File, only_where


class ImageEntry(File):
    """What an entry of IMAGE (#2005) holds, and keeps when it is deleted. The comments name node and piece."""

    __abstract__ = True

    ien: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str]  # 0;1
    file_ref: Mapped[str] = mapped_column(default="")  # 0;2
    location: Mapped[int | None]  # 0;3 NETWORK LOCATION, short-term
    abstract_location: Mapped[int | None]  # 0;4
    jukebox_location: Mapped[int | None]  # 0;5 NETWORK LOCATION, long-term
    object_type: Mapped[int]  # 0;6 3 still, 11 group, 100 DICOM
    patient: Mapped[int]  # 0;7
    procedure: Mapped[str] = mapped_column(default="")  # 0;8
    last_access: Mapped[str] = mapped_column(default="")  # 0;9
    parent: Mapped[int | None]  # 0;10
    saved_at: Mapped[str]  # 2;1
    saved_by: Mapped[int]  # 2;2
    short_description: Mapped[str] = mapped_column(default="")  # 2;4
    procedure_time: Mapped[str] = mapped_column(default="")  # 2;5
    parent_file: Mapped[str] = mapped_column(default="")  # 2;6 74 radiology, 8925 TIU, 2006.5839 and 2006.5838 before TIU
    parent_ien: Mapped[int | None]  # 2;7
    parent_image_pointer: Mapped[int | None]  # 2;8
    parent_inverse: Mapped[str] = mapped_column(default="")  # 2;8 of a lab case: its inverse date
    transmission: Mapped[str] = mapped_column(default="D")  # 2;12
    package: Mapped[str] = mapped_column(default="")  # 40;1
    image_class: Mapped[int | None]  # 40;2
    image_type: Mapped[int | None]  # 40;3
    procedure_or_event: Mapped[int | None]  # 40;4
    specialty: Mapped[int | None]  # 40;5
    origin: Mapped[str] = mapped_column(default="")  # 40;6
    acquisition_site: Mapped[int | None]  # 100;3
    acquisition_device: Mapped[int | None]  # 100;4
    creation_date: Mapped[str] = mapped_column(default="")  # 100;6
    status: Mapped[int] = mapped_column(default=1)  # 100;8
    big_location: Mapped[int | None]  # FBIG;1
    big_jukebox_location: Mapped[int | None]  # FBIG;2
    big_extension: Mapped[str] = mapped_column(default="")  # FBIG;3
    uid: Mapped[str] = mapped_column(String(64), default="")  # PACS;1 study UID of a group, SOP UID of an image
    report: Mapped[int | None]  # PACS;2
    procedure_ien: Mapped[int | None]  # PACS;3
    series_uid: Mapped[str] = mapped_column(String(64), default="")
    sop_class: Mapped[int | None]  # SOP, pointer to #2006.532
    members: Mapped[int] = mapped_column(default=0)  # 1,0;4 how many images a group has
    last_member: Mapped[int] = mapped_column(default=0)  # 1,0;3 the last subscript of a group's #2005.04 multiple
    group_sequence: Mapped[int | None]  # subscript in the group's #2005.04 multiple
    series_number: Mapped[str] = mapped_column(default="")
    image_number: Mapped[str] = mapped_column(default="")
    export_uid: Mapped[str] = mapped_column(String(64), default="")  # SOP;2 UID under which it goes out, corrected
    digest: Mapped[str] = mapped_column(String(64), default="")  # SHA-256 of the data set, told by our gateway


class Image(ImageEntry):
    """IMAGE (#2005): a group (object type 11) or one stored object."""

    __tablename__ = "image"

    __table_args__ = (
        Index(None, "name", "ien"),
        Index(None, "patient", "saved_at", "ien"),
        Index(None, "acquisition_site", "saved_at", "ien"),
        Index(None, "parent"),
        Index(None, "uid"),
        Index(None, "series_uid"),
        Index(None, "export_uid"),
        Index(None, "file_ref", **only_where("file_ref != ''")),
        Index(None, "report", "object_type"),
        Index(None, "procedure_time", **only_where("object_type = 11")),
        Index(None, "saved_at", "ien"),
        Index(None, "location", "last_access", "ien", **only_where("jukebox_location IS NOT NULL")),
        Index(None, "parent_file", "parent_ien", "object_type"),
    )


class ImageAudit(ImageEntry):
    """IMAGE AUDIT (#2005.1): a deleted entry of IMAGE under its number, with who deleted it, when (FileMan date) and why."""

    __tablename__ = "image_audit"

    deleted_by: Mapped[int]  # 30;1
    deleted_at: Mapped[str]  # 30;2
    delete_reason: Mapped[str] = mapped_column(default="")  # 30;3

    __table_args__ = (Index(None, "uid"), Index(None, "patient"))


class ImagingSite(File):
    """IMAGING SITE PARAMETERS (#2006.1): one entry per place."""

    __tablename__ = "imaging_site"

    ien: Mapped[int] = mapped_column(primary_key=True)
    institution: Mapped[int] = mapped_column(index=True)
    namespace: Mapped[str]
    site_code: Mapped[str] = mapped_column(default="")
    write_location: Mapped[int | None]
    pacs_write_location: Mapped[int | None]
    jukebox_location: Mapped[int | None]
    gateway_access: Mapped[str] = mapped_column(default="")  # enciphered with the site's key
    gateway_verify: Mapped[str] = mapped_column(default="")  # enciphered with the site's key
    last_routing: Mapped[str] = mapped_column(default="")
    last_routing_warning: Mapped[str] = mapped_column(default="")
    pacs: Mapped[bool] = mapped_column(default=True)  # PACS;1
    pacs_retention_days: Mapped[int] = mapped_column(default=0)  # 1;5, 0 where it is not set
    pacs_minimum_space: Mapped[int] = mapped_column(default=0)  # 3;5, percent, 0 where it is not set


class NetworkLocation(File):
    """NETWORK LOCATION (#2005.2). `physical` is what procedures answer, `path` where that share lies on this machine.

    `offline_since` and `last_purge` are FileMan's moments, None where they were never set and empty where they were set and
    taken away: pieces 6 and 4 of node 3, which is answered as it is. VistA makes an entry without a name of a number that it
    is told the state of and does not know.

    `label` names a medium that may be off line. The watermarks are written `90%` or `500 GB`, empty where the location has none;
    `retrieve_seconds` is how long an image of the location takes to come.
    """

    __tablename__ = "network_location"

    ien: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(index=True)
    physical: Mapped[str]
    path: Mapped[str]
    kind: Mapped[str]
    online: Mapped[bool] = mapped_column(default=True)
    router: Mapped[bool] = mapped_column(default=False)
    site: Mapped[int]
    hash: Mapped[bool] = mapped_column(default=False)
    send: Mapped[str] = mapped_column(default="")  # file types, comma separated
    retention_days: Mapped[int | None]
    retry_connect: Mapped[int | None]
    retry_transmit: Mapped[int | None]
    user: Mapped[str] = mapped_column(default="")
    password: Mapped[str] = mapped_column(default="")  # enciphered with the site's key
    subdirectory: Mapped[str] = mapped_column(default="")
    compression: Mapped[str] = mapped_column(default="")
    offline_since: Mapped[str | None]
    last_purge: Mapped[str | None]
    label: Mapped[str] = mapped_column(default="")
    high_watermark: Mapped[str] = mapped_column(default="")
    low_watermark: Mapped[str] = mapped_column(default="")
    retrieve_seconds: Mapped[int | None]


class AcquisitionDevice(File):
    """ACQUISITION DEVICE (#2006.04)."""

    __tablename__ = "acquisition_device"

    ien: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str] = mapped_column(unique=True)
    location: Mapped[str] = mapped_column(default="")


class DerivedFile(File):
    """A file that is made from an image's DICOM object after it was filed: ABSTRACT, FULL where that is a .TGA file, BIG.

    `state` is WAITING until it is there; then THERE, PLACEHOLDER for a picture that only says that there is none to show, or
    NEVER, with the `reason` of both. `expected_at`, in seconds since the epoch, is when the object was in its place.
    """

    __tablename__ = "derived_file"

    image: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    file_type: Mapped[str] = mapped_column(primary_key=True)
    state: Mapped[str] = mapped_column(default="WAITING")
    reason: Mapped[str] = mapped_column(default="")
    expected_at: Mapped[float] = mapped_column(Float(53))

    __table_args__ = (Index(None, "state", "image", "file_type"),)


class CurrentImage(File):
    """CURRENT IMAGE (#2006.5715): the SOP Instance UID that a gateway is working on."""

    __tablename__ = "current_image"

    ien: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    machine: Mapped[str] = mapped_column(unique=True)
    uid: Mapped[str] = mapped_column(default="")


class DicomFailedImage(File):
    """DICOM FAILED IMAGES (#2006.575): the CORRECT list.

    The first image of a study is in cross-reference F (`first_of_study`); the others hang under it (`related_to`, with the
    subscript in its RELATED IMAGES multiple). A corrected study is in AFX (`queued` FIXED or DELETE) with its new values;
    `fixed` is 1, and 0 when it failed again. A `removed` entry is gone: its row only holds a reference that still names it.
    """

    __tablename__ = "dicom_failed_image"

    ien: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    file_path: Mapped[str]
    reason: Mapped[str]
    patient_id: Mapped[str] = mapped_column(default="")
    name: Mapped[str] = mapped_column(default="")
    original_name: Mapped[str] = mapped_column(default="")
    case_number: Mapped[str] = mapped_column(default="")
    accession: Mapped[str] = mapped_column(default="")
    entered: Mapped[str]
    machine: Mapped[str] = mapped_column(default="")
    location: Mapped[str] = mapped_column(default="")
    image_uid: Mapped[str] = mapped_column(default="")
    study_uid: Mapped[str] = mapped_column(default="")
    instrument: Mapped[str] = mapped_column(default="")
    modality: Mapped[str] = mapped_column(default="")
    instrument_location: Mapped[str] = mapped_column(default="")
    service: Mapped[str] = mapped_column(default="")
    related_to: Mapped[int | None] = mapped_column(index=True)
    related_sequence: Mapped[int | None]
    last_related: Mapped[int] = mapped_column(default=0)
    first_of_study: Mapped[bool] = mapped_column(default=False)
    queued: Mapped[str] = mapped_column(default="")
    fixed: Mapped[str] = mapped_column(default="")
    fixed_by: Mapped[str] = mapped_column(default="")
    new_name: Mapped[str] = mapped_column(default="")
    new_patient_id: Mapped[str] = mapped_column(default="")
    new_accession: Mapped[str] = mapped_column(default="")
    removed: Mapped[bool] = mapped_column(default=False)

    __table_args__ = (
        Index(None, "file_path", "machine"),
        Index(None, "location", "study_uid"),
        Index(None, "machine", "location", "queued"),
        Index(None, "image_uid"),
        Index(None, "new_patient_id", **only_where("new_patient_id != ''")),
    )


class BackgroundQueue(File):
    """IMAGE BACKGROUND QUEUE (#2006.03): JUKEBOX, EVAL and DELETE entries of a place; `reason` says why one is FAILED.

    A JUKEBOX entry of an image that is never to be archived is SKIPPED.

    A DELETE entry names a file (`file_path`), and image 0.
    """

    __tablename__ = "background_queue"

    ien: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    queue: Mapped[str]
    duz: Mapped[int]
    requested: Mapped[str]
    status: Mapped[str] = mapped_column(default="NOT_PROCESSED")
    image: Mapped[int]
    place: Mapped[int]
    reason: Mapped[str] = mapped_column(default="")
    file_path: Mapped[str] = mapped_column(default="")

    __table_args__ = (Index(None, "place", "queue", "status", "ien"), Index(None, "place", "queue", "image"))


class QueuePointer(File):
    """IMAGE BACKGROUND QUEUE POINTER (#2006.031): how many entries of a queue of a place wait, and the last one processed.

    `total` counts what the queue got, and down what was processed.
    """

    __tablename__ = "queue_pointer"

    ien: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    queue: Mapped[str]
    place: Mapped[int]
    last_pointer: Mapped[int] = mapped_column(default=0)
    total: Mapped[int] = mapped_column(default=0)
    last_processed: Mapped[str] = mapped_column(default="")

    __table_args__ = (UniqueConstraint("place", "queue"),)


class AcquisitionCount(File):
    """DICOM acquisition statistics (#2006.5762): objects acquired and processed per day, location and instrument.

    `sequence` is the instrument's number at its location on that day; the times, FileMan dates, are those of the last object.
    """

    __tablename__ = "acquisition_count"

    day: Mapped[str] = mapped_column(primary_key=True)
    location: Mapped[str] = mapped_column(primary_key=True)
    instrument: Mapped[str] = mapped_column(primary_key=True)
    acquired: Mapped[int] = mapped_column(default=0)
    processed: Mapped[int] = mapped_column(default=0)
    sequence: Mapped[int] = mapped_column(default=0)
    acquired_at: Mapped[str] = mapped_column(default="")
    processed_at: Mapped[str] = mapped_column(default="")


class DailyStatistic(File):
    """What happened to images on a day, rolled up from their stories and from the acquisition statistics.

    `day` is a FileMan date, `location` an institution's number as text and `instrument` a name, both empty where not known.
    """

    __tablename__ = "daily_statistic"

    day: Mapped[str] = mapped_column(primary_key=True)
    location: Mapped[str] = mapped_column(primary_key=True)
    instrument: Mapped[str] = mapped_column(primary_key=True)
    stage: Mapped[str] = mapped_column(primary_key=True)
    outcome: Mapped[str] = mapped_column(primary_key=True)
    count: Mapped[int]


class StatisticsCursor(File):
    """How far events are rolled up: `last` is the last one that is; `seen` the newest at a time, in seconds since the epoch.

    `day` is the last day of the acquisition statistics that was counted.
    """

    __tablename__ = "statistics_cursor"

    id: Mapped[int] = mapped_column(primary_key=True)
    last: Mapped[int]
    seen: Mapped[int]
    seen_at: Mapped[float] = mapped_column(Float(53))
    day: Mapped[str] = mapped_column(default="")
