"""Values that say nothing, of the right VR (PS3.15 E.1.1, action D)."""

from __future__ import annotations

#: Values for VRs that are text; what is not here is as many zeros as there were bytes.
_DUMMIES = {
    "AE": "REMOVED", "AS": "000Y", "CS": "REMOVED", "DA": "19000101", "DS": "0", "DT": "19000101000000", "IS": "1",
    "LO": "REMOVED", "LT": "REMOVED", "PN": "REMOVED", "SH": "REMOVED", "ST": "REMOVED", "TM": "000000", "UC": "REMOVED",
    "UR": "urn:removed", "UT": "REMOVED",
}  # fmt: skip
#: Bytes of a number; others may be of any length, and two do.
_SIZES = {"US": 2, "SS": 2, "AT": 4, "UL": 4, "SL": 4, "FL": 4, "UV": 8, "SV": 8, "FD": 8}


def dummy(vr: str, length: int) -> bytes:
    """Give a dummy for a value of so many bytes; an empty one stays empty."""
    if not length:
        return b""
    text = _DUMMIES.get(vr)
    if text is not None:
        return text.encode("ascii")
    return bytes(length if vr in _SIZES else 2)
