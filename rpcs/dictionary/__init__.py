"""FileMan's view of our tables: files and fields by number, node and piece, and nothing that is not named here."""

from rpcs.dictionary.dates import external_date_time
from rpcs.dictionary.files import FILES, find_file
from rpcs.dictionary.image import IMAGE
from rpcs.dictionary.view import Entry, Field, FileView
from rpcs.dictionary.whole_numbers import whole_number

__all__ = ["FILES", "IMAGE", "Entry", "Field", "FileView", "external_date_time", "find_file", "whole_number"]
