"""What the statement says that hangs on no setting."""

from __future__ import annotations

from collections.abc import Mapping

from gateway_client.archive.offers import ServiceClass

MADE = (
    "`magbroker conformance --config FILE` makes this page: of the tables by which the program itself decides, and of the "
    "settings in the file."
)
OVERVIEW = (
    "magbroker receives, files, routes, commits to, finds and returns DICOM objects, and gives modalities their worklists. It "
    "is an archive and router for tests and synthetic patients."
)
#: By their names, as the statement calls them, what they are about; a name has the service classes of several requests.
SERVICE_CLASSES: Mapping[str, tuple[frozenset[ServiceClass], str]] = {
    "Verification": (frozenset((ServiceClass.VERIFICATION,)), "Verification"),
    "Storage": (frozenset((ServiceClass.STORAGE,)), "all of the standard, retired and private ones: see the annex"),
    "Storage Commitment": (frozenset((ServiceClass.STORAGE_COMMITMENT,)), "Storage Commitment Push Model"),
    "Query/Retrieve": (
        frozenset((ServiceClass.FIND, ServiceClass.MOVE, ServiceClass.GET)),
        "Patient Root, Study Root, Patient/Study Only: FIND, MOVE, GET",
    ),
    "Modality Worklist": (frozenset((ServiceClass.WORKLIST,)), "Modality Worklist Information Model - FIND"),
    "Modality Performed Procedure Step": (frozenset((ServiceClass.PERFORMED_STEP,)), "Modality Performed Procedure Step"),
}
#: Those that the program uses, of others.
USED = frozenset(ServiceClass) - {ServiceClass.PERFORMED_STEP}
MEDIA = (("DICOMDIR file-sets", "FSC, FSU, FSR", "general purpose; no profile restricts what they hold"),)
INTRODUCTION = (
    "For those who connect other systems to this one. Conformance alone does not make two systems work together: try them.",
    "Terms are the standard's. *Short-term store* are the magnetic network locations, *long-term store* the others.",
)
#: What those are there for that call.
CALLERS = {
    "sender": "SCU of Storage and Storage Commitment, from durable queues",
    "service_tool": "SCU of all services: the DICOM commands",
}
ONE_PORT = "Where several processes receive, it takes storage commitment of peers that have an address in the settings only."
MEDIA_INTERCHANGE = (
    "`magbroker dicomdir` creates file-sets (FSC), extends them (FSU), shows, checks and imports them (FSR). Objects are written "
    "in the transfer syntax that they have; the DICOMDIR is in Explicit VR Little Endian. See "
    "[exchange media](how-to/exchange-media.md)."
)
CHARACTER_SETS = (
    ("none (ISO 646)", "read, matched, returned"),
    ("ISO_IR 100", "read, matched, returned: answers are in it wherever every character fits"),
    ("ISO_IR 192", "read, matched, returned: answers are in it elsewhere"),
    ("the others of the standard, with code extensions", "read and matched; answers are in one of the two above"),
)
PERSON_NAMES = (
    "Person names keep their alphabetic, ideographic and phonetic groups. A key without `=` matches any of them, one with `=` "
    "each its own. Objects keep their bytes, whatever they are encoded in."
)
SECURITY = (
    "Peers are let in by calling AE title, called AE title and address, as the settings say. User identity is not negotiated. "
    "De-identification follows the profiles of PS3.15 annex E where a destination's settings say so."
)
ATTRIBUTES = (
    "R is required, U unique, O optional. In Study Root the attributes of patients belong to the study level. Every key matches "
    "universally, too; keys that are not listed are answered with the warning FF01."
)
TOLD = (
    ("Retrieve AE Title", "(0008,0054)", "all", "the entity's; at the long-term one those of short-term ones with images, too"),
    ("Instance Availability", "(0008,0056)", "all, when asked for", "ONLINE, NEARLINE, OFFLINE"),
    ("Storage Media File-Set ID", "(0088,0130)", "study, series, image", "INSTORE, NEAR-LINE, OFFLINE"),
    ("Image Location Status", "(0029,xx53)", "all, when asked for", "ONLINE, NEARLINE, OFFLINE"),
    ("Estimated Retrieve Time", "(0029,xx54)", "all, when asked for", "seconds; below zero where an operator is needed"),
    ("Data Size of Retrieved Images", "(0029,xx55)", "all, when asked for", "megabytes of 2 to the 20th"),
)
PRIVATE_ATTRIBUTES = (
    "Private elements are kept and sent as they come. Of these, which are those of the MagicStore statement's registry, the VRs "
    "are known, so that they stay when an object is modified."
)
PRIVATE_CLASSES = (
    "CSA Non-Image Storage (1.3.12.2.1107.5.9.1) is received, kept and sent as any other object. There are no private transfer "
    "syntaxes."
)
INTERFACES = (
    "TCP/IP, versions 4 and 6, as the operating system has it. The DICOM upper layer over TCP, and over TLS where a port has a "
    "key."
)
SETTINGS = "Titles, ports, hosts, limits and preferences are settings: see [the settings](reference/settings.md)."
SEQUENCING = (
    "A received object is filed over the broker, judged by the routing rules and queued to be sent. It may be committed to, "
    "queried and retrieved as soon as it is filed. What lies on long-term media only is brought back by a task before it is "
    "sent; media that are off-line are asked of an operator."
)
