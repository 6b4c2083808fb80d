"""Changes of state in the b files: failed filings, locks, corrections, pointers."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Connection, insert, select, update

from fileman import SiteKey, reset_imaging, restore_facts, to_fileman
from fileman.files import DicomFailedImage, Exam, Image, ImagingSite, NetworkLocation, Patient, Report
from tests.oracle import changes
from tests.oracle.changes import Change, nothing, setting_columns
from tests.oracle.recorded_day import RECORDED

#: The exam that the changes are about.
EXAM = Exam.accession == "061024-101"


def reset(connection: Connection, key: SiteKey) -> None:
    """Put imaging back, and what changes have done to patients, exams and places."""
    reset_imaging(connection)
    restore_facts(connection, changes.site(), key)


def _second_exam(connection: Connection, _key: SiteKey) -> None:
    """Give another exam of another patient the same accession number."""
    exam = dict(connection.execute(select(Exam.__table__).where(EXAM)).mappings().one())
    connection.execute(insert(Exam).values({**exam, "ien": 999, "patient": 2, "report": None}))


def _patient_gone(connection: Connection, _key: SiteKey) -> None:
    """Leave a patient without anything: exams point to him, and the database lets none point to nobody."""
    connection.execute(update(Patient).where(Patient.dfn == 1).values(name="", ssn="", birth_date="", sex="", icn=""))


def _routed_ten_days_ago(connection: Connection, _key: SiteKey) -> None:
    """Ten days before the recording, whose answer names the day."""
    day = to_fileman(RECORDED - timedelta(days=10))
    connection.execute(update(ImagingSite).where(ImagingSite.ien == 1).values(last_routing=day))


def _corrected(entry: int, how: str, node: str) -> Change:
    """Queue a failed study for its gateway, with the FIXD node that was recorded."""
    fixed, fixed_by, name, patient_id, accession = node.split("^")
    return setting_columns(
        DicomFailedImage,
        DicomFailedImage.ien == entry,
        queued=how,
        fixed=fixed,
        fixed_by=fixed_by,
        new_name=name,
        new_patient_id=patient_id,
        new_accession=accession,
    )


_FIRST_EXAM = '^RADPT(1,"DT",6759389.9069'
_NO_PACS_LOCATION = 'S $P(^MAG(2006.1,1,"PACS"),"^",3)=""'
_NEW_VALUES = "1^DUZ^IMAGPATIENT~ONE~M^666000001^061024-101"
_SITE_1, _LOCATION_10 = ImagingSite.ien == 1, NetworkLocation.ien == 10

FILING: dict[str, Change] = {
    "D RESET^ZZORCLX": reset,
    'S $P(^MAG(2005.2,10,0),"^",6)=0': setting_columns(NetworkLocation, _LOCATION_10, online=False),
    'S $P(^MAG(2005.2,10,0),"^",6)=1': setting_columns(NetworkLocation, _LOCATION_10, online=True),
    'K ^MAG(2005.2,"AC","\\\\SLC-IMG1\\IMAGE1$\\")': nothing,
    f'{_NO_PACS_LOCATION},$P(^MAG(2006.1,1,0),"^",3)=""': setting_columns(
        ImagingSite, _SITE_1, write_location=None, pacs_write_location=None
    ),
    _NO_PACS_LOCATION: setting_columns(ImagingSite, _SITE_1, pacs_write_location=None),
    'S $P(^MAG(2006.1,1,"PACS"),"^",3)=12': setting_columns(ImagingSite, _SITE_1, pacs_write_location=12),
    'S $P(^MAG(2006.1,1,0),"^",2)=""': setting_columns(ImagingSite, _SITE_1, namespace=""),
    'S $P(^MAG(2006.1,1,"LASTROUTE"),"^",1)=$$FMADD^XLFDT($$DT^XLFDT,-10)': _routed_ten_days_ago,
    'K ^MAG(2006.1,1,"LASTROUTE")': setting_columns(ImagingSite, _SITE_1, last_routing="", last_routing_warning=""),
    'S $P(^RARPT(1,0),"^",2)=2': setting_columns(Report, Report.ien == 1, patient=2),
    'S $P(^MAG(2005,1,0),"^",7)=2': setting_columns(Image, Image.ien == 1, patient=2),
    'S $P(^MAG(2005,1,0),"^",6)=3': setting_columns(Image, Image.ien == 1, object_type=3),
    f'S $P({_FIRST_EXAM},"P",1,0),"^",17)=55': setting_columns(Exam, EXAM, report=55),
    f'S {_FIRST_EXAM},"P",1,"PURGE")=3250101': setting_columns(Exam, EXAM, purged="3250101"),
    f"K {_FIRST_EXAM},0)": setting_columns(Exam, EXAM, registered=False),
    f'S $P({_FIRST_EXAM},"P",1,0),"^",1)=777': setting_columns(Exam, EXAM, case_number="777"),
    'S ^RADPT("ADC","061024-101",2,6759387.9199,1)=""': _second_exam,
    "K ^DPT(1)": _patient_gone,
    f'S ^MAGD(2006.575,1,"FIXD")="{_NEW_VALUES}",^MAGD(2006.575,"AFX",660,"GWA",1)=""': _corrected(1, "FIXED", _NEW_VALUES),
    'S ^MAGD(2006.575,4,"FIXD")="1^^^^",^MAGD(2006.575,"AFX",660,"GWA",4)="D"': _corrected(4, "DELETE", "1^^^^"),
}
