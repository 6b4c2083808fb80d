"""The reference page of the files and fields that may be read and changed by number, made of the dictionary itself."""

from __future__ import annotations

from rpcs.dictionary import FILES, FileView

_INTRODUCTION = """\
# Files and fields

What `DDR` procedures, MAG DICOM FILEMAN GET and MAG DICOM LIST GLOBAL VARIABLE see of FileMan's files: these files, with these
fields, and nothing else. A field is read by its number or its label; a node is subscript and piece. Lists go by the .01 field.
DDR FILER changes the fields that say so, DDR DELETE ENTRY deletes from the files that say so, and nothing adds an entry.
"""


def file_reference() -> str:
    """Write the page: a table for each file."""
    return "\n".join([_INTRODUCTION, *map(_section, FILES)])


def _section(view: FileView) -> str:
    subscript = f"({view.root[1]}," if view.root[1] else "("
    deletable = " Entries may be deleted." if view.deletable else ""
    head = [f"## {view.name} (#{view.number})", "", f"`{view.root[0]}{subscript}`.{deletable}", ""]
    table = ["| field | label | node | may be changed |", "|---|---|---|---|"]
    rows = [
        f"| {one.number} | {one.label} | `{one.node}` | {'yes' if one.accept is not None else ''} |".replace("  |", " |")
        for one in view.fields
    ]
    return "\n".join([*head, *table, *rows, ""])
