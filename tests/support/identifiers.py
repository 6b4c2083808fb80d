"""Identifiers of queries as flat tables of text by tag, written and read by struct; sequences are passed over."""

from __future__ import annotations

import struct
from collections.abc import Mapping

from dul.uids import EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN

SYNTAXES = (EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN)

CHARACTER_SET, RETRIEVE_AE_TITLE = 0x00080005, 0x00080054
SOP_CLASS, SOP_INSTANCE, STUDY_DATE, STUDY_TIME, ACCESSION, LEVEL = (
    0x00080016, 0x00080018, 0x00080020, 0x00080030, 0x00080050, 0x00080052,
)  # fmt: skip
FAILED_LIST, MODALITY, STUDY_DESCRIPTION, SERIES_DESCRIPTION = 0x00080058, 0x00080060, 0x00081030, 0x0008103E
PATIENT_NAME, PATIENT_ID, BIRTH_DATE, SEX = 0x00100010, 0x00100020, 0x00100030, 0x00100040
STUDY, SERIES, STUDY_ID, SERIES_NUMBER, INSTANCE_NUMBER = 0x0020000D, 0x0020000E, 0x00200010, 0x00200011, 0x00200013

#: The VR of each attribute that a table here may have.
VRS = {
    CHARACTER_SET: b"CS", SOP_CLASS: b"UI", SOP_INSTANCE: b"UI", STUDY_DATE: b"DA", STUDY_TIME: b"TM", ACCESSION: b"SH",
    LEVEL: b"CS", RETRIEVE_AE_TITLE: b"AE", FAILED_LIST: b"UI", MODALITY: b"CS", STUDY_DESCRIPTION: b"LO",
    SERIES_DESCRIPTION: b"LO", PATIENT_NAME: b"PN", PATIENT_ID: b"LO", BIRTH_DATE: b"DA", SEX: b"CS", STUDY: b"UI",
    SERIES: b"UI", STUDY_ID: b"SH", SERIES_NUMBER: b"IS", INSTANCE_NUMBER: b"IS",
}  # fmt: skip
_LONG = {b"OB", b"OW", b"OF", b"OD", b"OL", b"OV", b"SQ", b"UC", b"UN", b"UR", b"UT", b"SV", b"UV"}
_UNDEFINED = 0xFFFFFFFF
_IMPLICIT, _EXPLICIT, _RESERVED = struct.Struct("<HHI"), struct.Struct("<HH2sH"), struct.Struct("<I")
_SEQUENCE_END = struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)


def encode_identifier(elements: Mapping[int, str], transfer_syntax: str) -> bytes:
    """Write attributes in the order of their tags."""
    explicit = transfer_syntax == EXPLICIT_VR_LITTLE_ENDIAN
    parts = []
    for tag in sorted(elements):
        value, vr = elements[tag].encode("latin-1"), VRS[tag]
        if len(value) % 2:
            value += b"\0" if vr == b"UI" else b" "
        group, number = tag >> 16, tag & 0xFFFF
        parts.append(_EXPLICIT.pack(group, number, vr, len(value)) if explicit else _IMPLICIT.pack(group, number, len(value)))
        parts.append(value)
    return b"".join(parts)


def decode_identifier(data: bytes, transfer_syntax: str) -> dict[int, str]:
    """Read the attributes that are no sequences."""
    explicit = transfer_syntax == EXPLICIT_VR_LITTLE_ENDIAN
    found, at = {}, 0
    while at < len(data):
        if explicit:
            group, number, vr, length = _EXPLICIT.unpack_from(data, at)
            at += 8
            if vr in _LONG:
                (length,) = _RESERVED.unpack_from(data, at)
                at += 4
        else:
            group, number, length = _IMPLICIT.unpack_from(data, at)
            vr, at = b"", at + 8
        if length == _UNDEFINED:
            at = data.index(_SEQUENCE_END, at) + len(_SEQUENCE_END)
            continue
        if vr != b"SQ":
            found[group << 16 | number] = data[at : at + length].decode("latin-1").rstrip("\0 ")
        at += length
    return found
