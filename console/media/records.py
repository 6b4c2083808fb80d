"""Directory records (PS3.3 F.5): which ones an object has, and what stands in them."""

from __future__ import annotations

import re
import warnings

from pydicom import Dataset
from pydicom.fileset import DIRECTORY_RECORDERS
from pydicom.uid import UID

from console.media.errors import NotForMedia
from console.media.objects import MediaObject

#: The type of the record of an object, by the keyword of its SOP class. What is none of these but has rows is an IMAGE.
_TYPES = tuple(
    (re.compile(pattern), record_type)
    for pattern, record_type in (
        ("RTDoseStorage", "RT DOSE"),
        ("RTStructureSetStorage", "RT STRUCTURE SET"),
        ("RT(Ion)?PlanStorage", "RT PLAN"),
        ("RT.*Record(Storage)?", "RT TREAT RECORD"),
        (".*PresentationStateStorage|BasicStructuredDisplayStorage", "PRESENTATION"),
        (".*(Waveform|ECG|Electromyogram|Electrooculogram).*Storage", "WAVEFORM"),
        ("KeyObjectSelectionDocumentStorage", "KEY OBJECT DOC"),
        (".*SRStorage|ProcedureLogStorage|.*ReportStorage", "SR DOCUMENT"),
        ("MRSpectroscopyStorage", "SPECTROSCOPY"),
        ("RawDataStorage", "RAW DATA"),
        (".*SpatialRegistrationStorage", "REGISTRATION"),
        ("SpatialFiducialsStorage", "FIDUCIAL"),
        ("Encapsulated.*Storage", "ENCAP DOC"),
        ("RealWorldValueMappingStorage", "VALUE MAP"),
        ("StereometricRelationshipStorage", "STEREOMETRIC"),
        (
            "(Lensometry|Autorefraction|Keratometry|SubjectiveRefraction|VisualAcuity|Ophthalmic).*MeasurementsStorage",
            "MEASUREMENT",
        ),
        ("SurfaceSegmentationStorage", "SURFACE"),
        ("SurfaceScan.*Storage", "SURFACE SCAN"),
        ("TractographyResultsStorage", "TRACT"),
        ("ContentAssessmentResultsStorage", "ASSESSMENT"),
        ("RTBeamsDeliveryInstructionStorage", "PLAN"),
        ("HangingProtocolStorage", "HANGING PROTOCOL"),
        ("ColorPaletteStorage", "PALETTE"),
        ("GenericImplantTemplateStorage", "IMPLANT"),
        ("ImplantAssemblyTemplateStorage", "IMPLANT ASSY"),
        ("ImplantTemplateGroupStorage", "IMPLANT GROUP"),
    )
)
#: Records that belong to no patient.
_ALONE = {"HANGING PROTOCOL", "PALETTE", "IMPLANT", "IMPLANT ASSY", "IMPLANT GROUP"}
#: The date that stands where a record must have one and there is none.
NO_DATE = "19000101"
#: What stands where a record must have a value and the object has none, as it may.
_STAND_INS = {
    "PatientID": "UNKNOWN",
    "StudyDate": NO_DATE,
    "StudyTime": "000000",
    "StudyID": "0",
    "Modality": "OT",
    "SeriesNumber": "0",
    "InstanceNumber": "0",
    "ContentDate": NO_DATE,
    "ContentTime": "000000",
    "ContentLabel": "UNKNOWN",
    "PresentationCreationDate": NO_DATE,
    "PresentationCreationTime": "000000",
    "CompletionFlag": "PARTIAL",
    "VerificationFlag": "UNVERIFIED",
    "DoseSummationType": "UNKNOWN",
    "StructureSetLabel": "UNKNOWN",
    "RTPlanLabel": "UNKNOWN",
    "InstanceCreationDate": NO_DATE,
}
#: How dates and times are written; ACR-NEMA had points and colons in them.
_WRITTEN = {"StudyDate": r"\d{8}", "StudyTime": r"\d{2}(\d{2}(\d{2}(\.\d{1,6})?)?)?"}
#: Elements that a value which is missing may be taken from.
_INSTEAD = {
    "StudyDate": ("SeriesDate", "AcquisitionDate", "ContentDate"),
    "StudyTime": ("SeriesTime", "AcquisitionTime", "ContentTime"),
}
#: What our page shows besides, as optional keys.
_SHOWN = {"PATIENT": ("PatientBirthDate", "PatientSex"), "SERIES": ("SeriesDescription",)}
#: The element by which records of a level are told apart.
KEYS = {"STUDY": "StudyInstanceUID", "SERIES": "SeriesInstanceUID"}


def record_types(it: MediaObject) -> tuple[str, ...]:
    """Give the types of the records on the way from the root to an object. Raises NotForMedia for SOP classes without one."""
    keyword = UID(it.meta.sop_class_uid).keyword
    found = next((kind for pattern, kind in _TYPES if pattern.fullmatch(keyword)), "")
    if not found and "Rows" not in it.header and not keyword.endswith("ImageStorage"):
        raise NotForMedia(f"no directory record is known for SOP class {it.meta.sop_class_uid}")
    return (found,) if found in _ALONE else ("PATIENT", "STUDY", "SERIES", found or "IMAGE")


def record_of(it: MediaObject, record_type: str) -> Dataset:
    """Make one of an object's records, without the offsets and the file's name. Raises NotForMedia."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            record = _made(it.header, record_type)
        except Exception as error:  # values that are none, and what pydicom has to say of them
            raise NotForMedia(f"its {record_type} record cannot be made: {error}") from error
        _tidy(record, it.header)
        for keyword in _SHOWN.get(record_type, ()):
            if it.header.get(keyword):
                setattr(record, keyword, it.header.get(keyword))
    record.DirectoryRecordType = record_type
    if it.header.get("SpecificCharacterSet"):
        record.SpecificCharacterSet = it.header.SpecificCharacterSet
    return record


def _tidy(record: Dataset, header: Dataset) -> None:
    """Bring values into the form that records need; of a document's content its modifiers only belong there (PS3.3 F.5)."""
    for keyword, form in _WRITTEN.items():
        if keyword in record:
            text = str(record.get(keyword)).replace(":", "")
            text = text.replace(".", "") if keyword == "StudyDate" else text
            setattr(record, keyword, text if re.fullmatch(form, text) else _STAND_INS[keyword])
    if record.get("VerificationFlag") == "VERIFIED" and not record.get("VerificationDateTime"):
        observers = header.get("VerifyingObserverSequence") or ()
        record.VerificationDateTime = max((str(it.get("VerificationDateTime") or "") for it in observers), default="") or NO_DATE
    if "ContentSequence" in record:
        modifiers = [item for item in record.ContentSequence if item.get("RelationshipType") == "HAS CONCEPT MOD"]
        del record.ContentSequence
        if modifiers:
            record.ContentSequence = modifiers


def key_of(record: Dataset, record_type: str) -> tuple[str, ...]:
    """Give what tells a record from the others of its level."""
    if record_type == "PATIENT":
        return str(record.get("PatientID") or ""), str(record.get("PatientName") or "").rstrip("^")
    keyword = KEYS.get(record_type)
    return (str(record.get(keyword) or ""),) if keyword else ()


def _made(header: Dataset, record_type: str) -> Dataset:
    recorder = DIRECTORY_RECORDERS[record_type]
    try:
        return recorder(header)
    except (ValueError, AttributeError):
        completed = Dataset()
        completed.update({element.tag: element for element in header if element.tag.group != 0x7FE0})
        for keyword, stand_in in _STAND_INS.items():
            if not str(completed.get(keyword) or "") and completed.get(keyword) != 0:
                values = (completed.get(other) for other in _INSTEAD.get(keyword, ()))
                setattr(completed, keyword, next((value for value in values if value), stand_in))
        return recorder(completed)
