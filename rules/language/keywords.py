"""The keywords that conditions may use, and their data types (KEYWORD^MAGBRTK)."""

from __future__ import annotations

_TEXTS = (
    "ABSTRACT_REF ACQUISITION_DEVICE BIG_JUKEBOX_PATH BIG_MAGNETIC_PATH CLASS CLINIC CREATE_METHOD DESCRIPTIVE_CATEGORY"
    " EXPORT_REQUEST_STATUS FILE_REF IQ MAGNETIC_REF MICROSCOPIC_OBJECTIVE MODALITY OBJECT_NAME OBJECT_TYPE ORIGIN_INDEX"
    " PACKAGE PACS_PROCEDURE PACS_UID PARENT_DATA PARENT_DATA_FILE_IMAGE_POINTER PARENT_GLOBAL_ROOT_D0"
    " PARENT_GLOBAL_ROOT_D1 PATH_ACCESSION_NUMBER PATIENT PROCEDURE PROCEDURE_OR_EVENT RADIOLOGY_REPORT SAVED_BY"
    " SHORT_DESCRIPTION SPECIALTY SPECIMEN SPECIMEN_DESCRIPTION STAIN SUMMARY SUMMARY_OBJECT TRACKING_ID TYPE WORM_REF"
)
_DATES = "EXAM_TIME IMAGE_SAVED LAST_ACCESS PROCEDURE_TIME"

#: Data type by keyword: LO text of the IMAGE file, DT dates, SH computed. Any other name is a DICOM element's.
KEYWORDS: dict[str, str] = {
    **dict.fromkeys(_TEXTS.split(), "LO"),
    **{name + suffix: "DT" for name in _DATES.split() for suffix in ("", "_FIRST", "_LAST")},
    "STUDY_TIME": "DT",
    "NOW": "DT",
    "SOURCE": "SH",
    "URGENCY": "SH",
}
#: Data types whose values are compared as text, and as dates (RULES^MAGBRTE4).
TEXT_TYPES = frozenset(["S", "CS", "DS", "IS", "LO", "LT", "OB", "OW", "PN", "SH", "ST"])
DATE_TYPES = frozenset(["DT", "DA", "TM"])
OPERATORS = ("!=", "<=", ">=", "=", "<", ">")


def data_type_of(keyword: str) -> str:
    """Give the data type that a condition on this keyword carries; a DICOM element's is LO."""
    return KEYWORDS.get(keyword, "LO")


#: What a rule's `priority` may say, and the priority that an action has by it.
BASE_PRIORITY = {"HIGH": 750, "NORMAL": 500, "MEDIUM": 500, "LOW": 250}
