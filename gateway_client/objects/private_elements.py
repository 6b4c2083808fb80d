"""The private elements of the MagicStore statement's table 23, which pydicom is told of.

Without an entry a private element of an implicit VR object has no VR, and goes when the object is modified. pydicom's own
dictionary has most of them today; what a store promises does not hang on that.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydicom.datadict import add_private_dict_entries

#: By the creator of the block and the element, with 00 for the number of the block: VR, VM and name.
PRIVATE_ELEMENTS: Mapping[str, Mapping[int, tuple[str, str, str]]] = {
    "SIEMENS CSA HEADER": {
        0x00290008: ("CS", "1", "CSA Image Header Type"),
        0x00290009: ("LO", "1", "CSA Image Header Version"),
        0x00290010: ("OB", "1", "CSA Image Header Info"),
        0x00290018: ("CS", "1", "CSA Series Header Type"),
        0x00290019: ("LO", "1", "CSA Series Header Version"),
        0x00290020: ("OB", "1", "CSA Series Header Info"),
    },
    "SIEMENS CSA NON-IMAGE": {
        0x00290008: ("CS", "1", "CSA Data Type"),
        0x00290009: ("LO", "1", "CSA Data Version"),
        0x00290010: ("OB", "1", "CSA Data Info"),
        0x7FE10010: ("OB", "1", "CSA Data"),
    },
    "SIEMENS MEDCOM HEADER": {
        0x00290008: ("CS", "1", "MedCom Header Type"),
        0x00290009: ("LO", "1", "MedCom Header Version"),
        0x00290010: ("OB", "1", "MedCom Header Info"),
        0x00290020: ("OB", "1", "MedCom History Information"),
        0x00290031: ("LO", "1", "PMTF Information 1"),
        0x00290032: ("UL", "1", "PMTF Information 2"),
        0x00290033: ("UL", "1", "PMTF Information 3"),
        0x00290034: ("CS", "1", "PMTF Information 4"),
        0x00290035: ("UL", "1", "PMTF Information 5"),
        0x00290040: ("SQ", "1", "Application Header Sequence"),
        0x00290041: ("CS", "1", "Application Header Type"),
        0x00290042: ("LO", "1", "Application Header ID"),
        0x00290043: ("LO", "1", "Application Header Version"),
        0x00290044: ("OB", "1", "Application Header Info"),
        0x00290050: ("LO", "8", "Workflow Control Flags"),
        0x00290051: ("CS", "1", "Archive Management Flag Keep Online"),
        0x00290052: ("CS", "1", "Archive Management Flag Do Not Archive"),
        0x00290053: ("CS", "1", "Image Location Status"),
        0x00290054: ("DS", "1", "Estimated Retrieve Time"),
        0x00290055: ("DS", "1", "Data Size of Retrieved Images"),
    },
    "SIEMENS MEDCOM OOG": {
        0x00290008: ("CS", "1", "MEDCOM OOG Type"),
        0x00290009: ("LO", "1", "MEDCOM OOG Version"),
        0x00290010: ("OB", "1", "MEDCOM OOG Info"),
    },
}


def know_private_elements() -> None:
    """Tell pydicom of them; they take the place of entries that it has."""
    for creator, elements in PRIVATE_ELEMENTS.items():
        add_private_dict_entries(creator, {tag: (*entry, "") for tag, entry in elements.items()})
