"""Exchange media (PS3.10): file-sets with a DICOMDIR are made, extended, checked, shown on a page, and imported."""

from console.media.directory import Directory, Record, encode_directory, read_directory
from console.media.errors import MediaError, NoFileSet, NotForMedia
from console.media.importing import Import, Limits, files_of, hand_over
from console.media.medium import Addition, Medium, Refusal, check
from console.media.objects import MediaObject, files_below, read_object
from console.media.pictures import write_page
from console.media.studies import FiledStudy, StudiesOnFile

__all__ = [
    "Addition",
    "Directory",
    "FiledStudy",
    "Import",
    "Limits",
    "MediaError",
    "MediaObject",
    "Medium",
    "NoFileSet",
    "NotForMedia",
    "Record",
    "Refusal",
    "StudiesOnFile",
    "check",
    "encode_directory",
    "files_below",
    "files_of",
    "hand_over",
    "read_directory",
    "read_object",
    "write_page",
]
