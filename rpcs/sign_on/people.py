"""Names of people as Kernel shows them."""

from __future__ import annotations


def given_name_first(name: str) -> str:
    """Turn `GATEWAY,DICOM ONE` into `Dicom One Gateway` (the mixed-case name of $$NAMEFMT^XLFNAME)."""
    family, _, given = name.partition(",")
    return " ".join(_mixed_case(part) for part in (*given.split(), family.strip()) if part)


def _mixed_case(word: str) -> str:
    pieces = [piece[:1].upper() + piece[1:].lower() for piece in word.split("-")]
    return "-".join(pieces)
