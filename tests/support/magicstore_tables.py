"""The tables of the MagicStore conformance statement, as docs/seed-errata.md corrects them: what our tests are run from.

Names are the standard's of today where it has one. Where a row is printed otherwise than it is read here, `printed` has that.
"""

from __future__ import annotations

from dataclasses import dataclass

IMPLICIT, EXPLICIT, BIG_ENDIAN = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
BASELINE, EXTENDED, LOSSLESS = "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51", "1.2.840.10008.1.2.4.70"
#: The three combinations of transfer syntaxes that the tables have.
UNCOMPRESSED = (IMPLICIT, BIG_ENDIAN, EXPLICIT)
DEEP = (*UNCOMPRESSED, EXTENDED, LOSSLESS)
EVERY = (*UNCOMPRESSED, BASELINE, EXTENDED, LOSSLESS)

#: Section 2.3.7: what an acceptor prefers, from the first to the last.
STORAGE_PREFERENCE = (BASELINE, EXTENDED, LOSSLESS, BIG_ENDIAN, EXPLICIT, IMPLICIT)
OTHER_PREFERENCE = (BIG_ENDIAN, EXPLICIT, IMPLICIT)


@dataclass(frozen=True, slots=True)
class ContextRow:
    """A presentation context of tables 1 to 5, 12 and 13; `printed` is the UID that stands there where it is wrong."""

    name: str
    uid: str
    transfer_syntaxes: tuple[str, ...] = UNCOMPRESSED
    printed: str = ""


@dataclass(frozen=True, slots=True)
class AttributeRow:
    """An attribute of tables 6 to 10, by its keyword: `kind` is U unique, R required or O optional."""

    keyword: str
    tag: int
    kind: str


@dataclass(frozen=True, slots=True)
class WorklistRow:
    """An attribute of table 11. `matching` are ways of matching; without any it comes back with zero length.

    `inside` is the sequence in which it stands. Without the scheduling system it `without` is "empty", or "missing".
    """

    keyword: str
    tag: int
    matching: tuple[str, ...] = ()
    inside: int = 0
    without: str = ""
    printed: str = ""


@dataclass(frozen=True, slots=True)
class PrivateRow:
    """A private element of table 23, of tables 17 to 19, 21 and 22: group, the number in its block, the block's creator."""

    group: int
    number: int
    creator: str
    name: str
    vr: str
    vm: str = "1"
    printed: str = ""


@dataclass(frozen=True, slots=True)
class ModuleRow:
    """A standard attribute of table 22."""

    keyword: str
    tag: int


_STORAGE_UID = "1.2.840.10008.5.1.4.1.1"
CSA_NON_IMAGE = "1.3.12.2.1107.5.9.1"

TABLE_1 = (ContextRow("Verification", "1.2.840.10008.1.1"),)
TABLE_3 = TABLE_1

#: By UID, what the tables print otherwise; they have the same rows.
_PRINTED_2 = {f"{_STORAGE_UID}.1.1": f"{_STORAGE_UID}.1", f"{_STORAGE_UID}.1.1.1": f"{_STORAGE_UID}.1.1"}
_PRINTED_4 = {f"{_STORAGE_UID}.128": f"{_STORAGE_UID}.12.8"}
_STORAGE = (
    ("Computed Radiography Image Storage", f"{_STORAGE_UID}.1", EVERY),
    ("Digital X-Ray Image Storage - For Presentation", f"{_STORAGE_UID}.1.1", EVERY),
    ("Digital X-Ray Image Storage - For Processing", f"{_STORAGE_UID}.1.1.1", EVERY),
    ("Digital Mammography X-Ray Image Storage - For Presentation", f"{_STORAGE_UID}.1.2", EVERY),
    ("Digital Mammography X-Ray Image Storage - For Processing", f"{_STORAGE_UID}.1.2.1", EVERY),
    ("Digital Intra-Oral X-Ray Image Storage - For Presentation", f"{_STORAGE_UID}.1.3", EVERY),
    ("Digital Intra-Oral X-Ray Image Storage - For Processing", f"{_STORAGE_UID}.1.3.1", EVERY),
    ("CT Image Storage", f"{_STORAGE_UID}.2", DEEP),
    ("Ultrasound Multi-frame Image Storage (Retired)", f"{_STORAGE_UID}.3", EVERY),
    ("Ultrasound Multi-frame Image Storage", f"{_STORAGE_UID}.3.1", EVERY),
    ("MR Image Storage", f"{_STORAGE_UID}.4", DEEP),
    ("Ultrasound Image Storage (Retired)", f"{_STORAGE_UID}.6", EVERY),
    ("Ultrasound Image Storage", f"{_STORAGE_UID}.6.1", EVERY),
    ("Secondary Capture Image Storage", f"{_STORAGE_UID}.7", EVERY),
    ("Nuclear Medicine Image Storage", f"{_STORAGE_UID}.20", EVERY),
    ("X-Ray Angiographic Image Storage", f"{_STORAGE_UID}.12.1", EVERY),
    ("X-Ray Radiofluoroscopic Image Storage", f"{_STORAGE_UID}.12.2", EVERY),
    ("Positron Emission Tomography Image Storage", f"{_STORAGE_UID}.128", EVERY),
    ("RT Image Storage", f"{_STORAGE_UID}.481.1", EVERY),
    ("VL Endoscopic Image Storage", f"{_STORAGE_UID}.77.1.1", EVERY),
    ("VL Microscopic Image Storage", f"{_STORAGE_UID}.77.1.2", EVERY),
    ("VL Slide-Coordinates Microscopic Image Storage", f"{_STORAGE_UID}.77.1.3", EVERY),
    ("VL Photographic Image Storage", f"{_STORAGE_UID}.77.1.4", EVERY),
    ("Hardcopy Color Image Storage (Retired)", "1.2.840.10008.5.1.1.30", EVERY),
    ("Hardcopy Grayscale Image Storage (Retired)", "1.2.840.10008.5.1.1.29", EVERY),
    ("RT Dose Storage", f"{_STORAGE_UID}.481.2", UNCOMPRESSED),
    ("RT Plan Storage", f"{_STORAGE_UID}.481.5", UNCOMPRESSED),
    ("RT Structure Set Storage", f"{_STORAGE_UID}.481.3", UNCOMPRESSED),
    ("RT Beams Treatment Record Storage", f"{_STORAGE_UID}.481.4", UNCOMPRESSED),
    ("RT Brachy Treatment Record Storage", f"{_STORAGE_UID}.481.6", UNCOMPRESSED),
    ("RT Treatment Summary Record Storage", f"{_STORAGE_UID}.481.7", UNCOMPRESSED),
    ("Basic Text SR Storage", f"{_STORAGE_UID}.88.11", UNCOMPRESSED),
    ("Enhanced SR Storage", f"{_STORAGE_UID}.88.22", UNCOMPRESSED),
    ("Comprehensive SR Storage", f"{_STORAGE_UID}.88.33", UNCOMPRESSED),
    ("Grayscale Softcopy Presentation State Storage", f"{_STORAGE_UID}.11.1", UNCOMPRESSED),
    ("CSA Non-Image Storage", CSA_NON_IMAGE, UNCOMPRESSED),
)
TABLE_2 = tuple(ContextRow(name, uid, syntaxes, _PRINTED_2.get(uid, "")) for name, uid, syntaxes in _STORAGE)
TABLE_4 = tuple(ContextRow(name, uid, syntaxes, _PRINTED_4.get(uid, "")) for name, uid, syntaxes in _STORAGE)

_MODELS = {
    "Patient Root": "1.2.840.10008.5.1.4.1.2.1",
    "Study Root": "1.2.840.10008.5.1.4.1.2.2",
    "Patient/Study Only": "1.2.840.10008.5.1.4.1.2.3",
}
TABLE_5 = (
    *(ContextRow(f"{name} Query/Retrieve Information Model - FIND", f"{uid}.1") for name, uid in _MODELS.items()),
    ContextRow("Modality Worklist Information Model - FIND", "1.2.840.10008.5.1.4.31"),
)
TABLE_12 = tuple(ContextRow(f"{name} Query/Retrieve Information Model - MOVE", f"{uid}.2") for name, uid in _MODELS.items())
TABLE_13 = (ContextRow("Storage Commitment Push Model", "1.2.840.10008.1.20.1", printed="1.2.840.10008.1.20.1.1"),)
TABLE_14 = (ContextRow("CSA Non-Image Storage", CSA_NON_IMAGE),)
TABLE_15 = TABLE_14

TABLE_6 = (
    AttributeRow("PatientName", 0x00100010, "R"),
    AttributeRow("PatientID", 0x00100020, "U"),
    AttributeRow("PatientBirthDate", 0x00100030, "O"),
    AttributeRow("PatientSex", 0x00100040, "O"),
    AttributeRow("OtherPatientIDs", 0x00101000, "O"),
)
TABLE_7 = (
    AttributeRow("StudyDate", 0x00080020, "R"),
    AttributeRow("StudyTime", 0x00080030, "R"),
    AttributeRow("AccessionNumber", 0x00080050, "R"),
    AttributeRow("ModalitiesInStudy", 0x00080061, "O"),
    AttributeRow("StudyID", 0x00200010, "R"),
    AttributeRow("StudyInstanceUID", 0x0020000D, "U"),
    AttributeRow("ReferringPhysicianName", 0x00080090, "O"),
    AttributeRow("StudyDescription", 0x00081030, "O"),
    AttributeRow("NameOfPhysiciansReadingStudy", 0x00081060, "O"),
    AttributeRow("NumberOfStudyRelatedInstances", 0x00201208, "O"),
)
TABLE_8 = (
    AttributeRow("Modality", 0x00080060, "R"),
    AttributeRow("SeriesDescription", 0x0008103E, "O"),
    AttributeRow("SeriesNumber", 0x00200011, "R"),
    AttributeRow("SeriesInstanceUID", 0x0020000E, "U"),
    AttributeRow("BodyPartExamined", 0x00180015, "O"),
    AttributeRow("PerformedProcedureStepStartDate", 0x00400244, "O"),
    AttributeRow("PerformedProcedureStepStartTime", 0x00400245, "O"),
    AttributeRow("PerformedProcedureStepEndDate", 0x00400250, "O"),
    AttributeRow("PerformedProcedureStepEndTime", 0x00400251, "O"),
    AttributeRow("RequestedProcedureID", 0x00401001, "O"),
)
TABLE_9 = (
    AttributeRow("InstanceNumber", 0x00200013, "R"),
    AttributeRow("SOPClassUID", 0x00080016, "O"),
    AttributeRow("SOPInstanceUID", 0x00080018, "U"),
    AttributeRow("ContentDate", 0x00080023, "O"),
    AttributeRow("ContentTime", 0x00080033, "O"),
    AttributeRow("Rows", 0x00280010, "O"),
    AttributeRow("Columns", 0x00280011, "O"),
    AttributeRow("NumberOfFrames", 0x00280008, "O"),
    AttributeRow("BitsAllocated", 0x00280100, "O"),
    AttributeRow("BitsStored", 0x00280101, "O"),
    AttributeRow("ContentLabel", 0x00700080, "O"),
    AttributeRow("ContentDescription", 0x00700081, "O"),
    AttributeRow("PresentationCreationDate", 0x00700082, "O"),
    AttributeRow("PresentationCreationTime", 0x00700083, "O"),
    AttributeRow("ContentCreatorName", 0x00700084, "O"),
)
TABLE_10 = (
    *TABLE_7[:4],
    AttributeRow("PatientName", 0x00100010, "R"),
    AttributeRow("PatientID", 0x00100020, "R"),
    AttributeRow("OtherPatientIDs", 0x00101000, "O"),
    *TABLE_7[4:9],
    AttributeRow("PatientBirthDate", 0x00100030, "O"),
    AttributeRow("PatientSex", 0x00100040, "O"),
    TABLE_7[9],
)

SINGLE, RANGE, WILD, SEQUENCE, TERMS = "single value", "range", "wild card", "sequence", "defined terms"
_STEP = 0x00400100
_TEXT = (WILD, SINGLE)
TABLE_11 = (
    WorklistRow("ScheduledPerformingPhysicianName", 0x00400006, inside=_STEP, printed="outside its sequence"),
    WorklistRow("ScheduledProcedureStepSequence", _STEP, (SEQUENCE,)),
    WorklistRow("ScheduledStationAETitle", 0x00400001, (SINGLE,), _STEP),
    WorklistRow("ScheduledProcedureStepStartDate", 0x00400002, (SINGLE, RANGE), _STEP),
    WorklistRow("ScheduledProcedureStepStartTime", 0x00400003, (SINGLE, RANGE), _STEP, printed="(0040,003)"),
    WorklistRow("Modality", 0x00080060, (SINGLE,), _STEP),
    WorklistRow("ScheduledProcedureStepDescription", 0x00400007, _TEXT, _STEP),
    WorklistRow("ScheduledStationName", 0x00400010, _TEXT, _STEP),
    WorklistRow("ScheduledProcedureStepLocation", 0x00400011, _TEXT, _STEP),
    WorklistRow("ScheduledProcedureStepID", 0x00400009, _TEXT, _STEP),
    WorklistRow("ReferencedStudySequence", 0x00081110),
    WorklistRow("RequestedProcedureID", 0x00401001, _TEXT),
    WorklistRow("ReasonForStudy", 0x00321030, _TEXT),
    WorklistRow("RequestedProcedureDescription", 0x00321060, _TEXT, printed="range"),
    WorklistRow("StudyInstanceUID", 0x0020000D, (SINGLE,), printed="(0020,00D)"),
    WorklistRow("RequestedProcedurePriority", 0x00401003, (TERMS,)),
    WorklistRow("PatientTransportArrangements", 0x00401004, (SINGLE,), without="empty"),
    WorklistRow("AdmittingDiagnosesDescription", 0x00081080, _TEXT, without="missing"),
    WorklistRow("AccessionNumber", 0x00080050, (SINGLE,)),
    WorklistRow("ReferencedPatientSequence", 0x00081120),
    WorklistRow("RequestingPhysician", 0x00321032, _TEXT, without="empty"),
    WorklistRow("AdmissionID", 0x00380010),
    WorklistRow("ReferringPhysicianName", 0x00080090, _TEXT),
    WorklistRow("InstitutionName", 0x00080080, _TEXT),
    WorklistRow("CurrentPatientLocation", 0x00380300, _TEXT),
    WorklistRow("PatientName", 0x00100010, _TEXT),
    WorklistRow("PatientID", 0x00100020, _TEXT),
    WorklistRow("PatientBirthDate", 0x00100030, (SINGLE, RANGE)),
    WorklistRow("PatientSex", 0x00100040, (SINGLE,)),
    WorklistRow("ConfidentialityConstraintOnPatientDataDescription", 0x00403001),
    WorklistRow("PatientSize", 0x00101020, (SINGLE, RANGE), without="missing", printed="wild card, range"),
    WorklistRow("PatientWeight", 0x00101030, (SINGLE, RANGE), without="missing", printed="wild card, range"),
    WorklistRow("PatientState", 0x00380500),
    WorklistRow("PregnancyStatus", 0x001021C0, (TERMS,), without="empty", printed="wild card, defined terms"),
    WorklistRow("MedicalAlerts", 0x00102000, (WILD, TERMS), without="empty"),
    WorklistRow("Allergies", 0x00102110, (WILD, TERMS), without="empty"),
    WorklistRow("SpecialNeeds", 0x00380050),
)

#: Modules of the CSA Non-Image IOD with their usage.
TABLE_16 = {
    "Patient": "M",
    "General Study": "M",
    "Patient Study": "U",
    "General Series": "M",
    "General Equipment": "U",
    "CSA Image Header": "U",
    "CSA Series Header": "U",
    "MEDCOM Header": "U",
    "MEDCOM OOG": "U",
    "CSA Non-Image": "M",
    "SOP Common": "M",
}
_CSA, _NON_IMAGE, _MEDCOM, _OOG = (
    "SIEMENS CSA HEADER",
    "SIEMENS CSA NON-IMAGE",
    "SIEMENS MEDCOM HEADER",
    "SIEMENS MEDCOM OOG",
)
TABLE_17 = (
    PrivateRow(0x0029, 0x08, _CSA, "CSA Image Header Type", "CS"),
    PrivateRow(0x0029, 0x09, _CSA, "CSA Image Header Version", "LO"),
    PrivateRow(0x0029, 0x10, _CSA, "CSA Image Header Info", "OB"),
)
TABLE_18 = (
    PrivateRow(0x0029, 0x18, _CSA, "CSA Series Header Type", "CS"),
    PrivateRow(0x0029, 0x19, _CSA, "CSA Series Header Version", "LO"),
    PrivateRow(0x0029, 0x20, _CSA, "CSA Series Header Info", "OB"),
)
#: PMTF Information 5 stands in table 23 only.
_PMTF_5 = PrivateRow(0x0029, 0x35, _MEDCOM, "PMTF Information 5", "UL")
TABLE_19 = (
    PrivateRow(0x0029, 0x08, _MEDCOM, "MedCom Header Type", "CS"),
    PrivateRow(0x0029, 0x09, _MEDCOM, "MedCom Header Version", "LO", printed="(0029,0009)"),
    PrivateRow(0x0029, 0x10, _MEDCOM, "MedCom Header Info", "OB", printed="(0029,0010)"),
    PrivateRow(0x0029, 0x20, _MEDCOM, "MedCom History Information", "OB", printed="(0029,0020)"),
    PrivateRow(0x0029, 0x31, _MEDCOM, "PMTF Information 1", "LO", printed="(0029,0031)"),
    PrivateRow(0x0029, 0x32, _MEDCOM, "PMTF Information 2", "UL"),
    PrivateRow(0x0029, 0x33, _MEDCOM, "PMTF Information 3", "UL"),
    PrivateRow(0x0029, 0x34, _MEDCOM, "PMTF Information 4", "CS"),
    PrivateRow(0x0029, 0x40, _MEDCOM, "Application Header Sequence", "SQ"),
    PrivateRow(0x0029, 0x41, _MEDCOM, "Application Header Type", "CS"),
    PrivateRow(0x0029, 0x42, _MEDCOM, "Application Header ID", "LO"),
    PrivateRow(0x0029, 0x43, _MEDCOM, "Application Header Version", "LO"),
    PrivateRow(0x0029, 0x44, _MEDCOM, "Application Header Info", "OB"),
    PrivateRow(0x0029, 0x50, _MEDCOM, "Workflow Control Flags", "LO", "8"),
    PrivateRow(0x0029, 0x51, _MEDCOM, "Archive Management Flag Keep Online", "CS"),
    PrivateRow(0x0029, 0x52, _MEDCOM, "Archive Management Flag Do Not Archive", "CS"),
    PrivateRow(0x0029, 0x53, _MEDCOM, "Image Location Status", "CS"),
    PrivateRow(0x0029, 0x54, _MEDCOM, "Estimated Retrieve Time", "DS"),
    PrivateRow(0x0029, 0x55, _MEDCOM, "Data Size of Retrieved Images", "DS"),
)
#: Those of an item of Application Header Sequence.
IN_APPLICATION_HEADER = (0x41, 0x42, 0x43, 0x44)
#: The value of MedCom History Information: its parts, and how many bytes each has; the last two come again for each item.
TABLE_20 = (("Identifier", 32), ("Version", 32), ("Class Name", 64), ("Modification String", 1024))
TABLE_21 = (
    PrivateRow(0x0029, 0x08, _OOG, "MEDCOM OOG Type", "CS"),
    PrivateRow(0x0029, 0x09, _OOG, "MEDCOM OOG Version", "LO"),
    PrivateRow(0x0029, 0x10, _OOG, "MEDCOM OOG Info", "OB"),
)
TABLE_22 = (
    ModuleRow("ImageType", 0x00080008),
    ModuleRow("AcquisitionDate", 0x00080022),
    ModuleRow("AcquisitionTime", 0x00080032),
    ModuleRow("ConversionType", 0x00080064),
    ModuleRow("ReferencedImageSequence", 0x00081140),
    ModuleRow("DerivationDescription", 0x00082111),
    ModuleRow("SourceImageSequence", 0x00082112),
    ModuleRow("PatientPosition", 0x00185100),
    ModuleRow("AcquisitionNumber", 0x00200012),
    ModuleRow("InstanceNumber", 0x00200013),
    ModuleRow("FrameOfReferenceUID", 0x00200052),
    ModuleRow("ImageComments", 0x00204000),
    ModuleRow("QualityControlImage", 0x00280300),
    ModuleRow("BurnedInAnnotation", 0x00280301),
    ModuleRow("LossyImageCompression", 0x00282110),
    ModuleRow("LossyImageCompressionRatio", 0x00282112),
)
TABLE_22_PRIVATE = (
    PrivateRow(0x0029, 0x08, _NON_IMAGE, "CSA Data Type", "CS"),
    PrivateRow(0x0029, 0x09, _NON_IMAGE, "CSA Data Version", "LO"),
    PrivateRow(0x0029, 0x10, _NON_IMAGE, "CSA Data Info", "OB"),
    PrivateRow(0x7FE1, 0x10, _NON_IMAGE, "CSA Data", "OB"),
)
TABLE_23 = (*TABLE_17, *TABLE_18, *TABLE_22_PRIVATE, *TABLE_19, _PMTF_5, *TABLE_21)
