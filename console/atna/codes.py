"""Codes of audit messages: those of DICOM (PS3.16 Annex D) and of RFC 3881."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Code:
    """A coded value: its code, what the code is called, and whose it is."""

    value: str
    meaning: str
    system: str = "DCM"


#: Events (PS3.15 A.5.3).
ACTIVITY = Code("110100", "Application Activity")
ACCESSED = Code("110103", "DICOM Instances Accessed")
TRANSFERRED = Code("110104", "DICOM Instances Transferred")
EXPORT = Code("110106", "Export")
IMPORT = Code("110107", "Import")
PATIENT_RECORD = Code("110110", "Patient Record")
SECURITY_ALERT = Code("110113", "Security Alert")
AUTHENTICATION = Code("110114", "User Authentication")

#: Types of events.
START, STOP = Code("110120", "Application Start"), Code("110121", "Application Stop")
LOGIN, LOGOUT = Code("110122", "Login"), Code("110123", "Logout")
NETWORK_CONFIGURATION = Code("110128", "Network Configuration")
SECURITY_CONFIGURATION = Code("110129", "Security Configuration")
SOFTWARE_CONFIGURATION = Code("110131", "Software Configuration")
RESTRICTED_FUNCTION = Code("110132", "Use of Restricted Function")
ROLES_CHANGED = Code("110136", "User Security Roles Changed")
ATTRIBUTES_CHANGED = Code("110137", "User Security Attributes Changed")

#: Roles of participants.
APPLICATION = Code("110150", "Application")
DESTINATION_MEDIA, SOURCE_MEDIA = Code("110154", "Destination Media"), Code("110155", "Source Media")
DESTINATION, SOURCE = Code("110152", "Destination Role ID"), Code("110153", "Source Role ID")

#: What identifies an object.
STUDY = Code("110180", "Study Instance UID")
NODE = Code("110182", "Node ID")
PATIENT_NUMBER = Code("2", "Patient Number", "RFC-3881")
