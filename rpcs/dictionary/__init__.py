"""FileMan's view of our tables: files and fields by number, node and piece, and nothing that is not named here."""

from rpcs.dictionary.accept import NotAccepted
from rpcs.dictionary.files import FILES, find_file
from rpcs.dictionary.image import IMAGE
from rpcs.dictionary.view import MOST, MULTIPLE, Entry, Field, FileView
from rpcs.dictionary.words import external_date_time

__all__ = ["FILES", "IMAGE", "MOST", "MULTIPLE", "Entry", "Field", "FileView", "NotAccepted", "external_date_time", "find_file"]
