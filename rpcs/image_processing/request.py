"""The REQUEST list of IMAGE PROCESSING, and the two STORE elements read into one value."""

from __future__ import annotations

from typing import NamedTuple

from fileman import UID_LENGTH
from rpcs.errors import undefined
from xwb import LocalArray, m_number


class Item(NamedTuple):  # some sixty for each image: a frozen dataclass takes three times as long to make
    """One element of REQUEST: its subscript, opcode and arguments."""

    number: int
    opcode: str
    arguments: str

    def pieces(self, count: int) -> list[str]:
        """Give the first `count` pieces of the arguments, empty where there are fewer."""
        return [*self.arguments.split("|"), *[""] * count][:count]


#: More elements than any message holds: a count beyond it ends at the first element that is missing all the same.
_MOST = 10**9


def read_items(request: LocalArray[str]) -> list[Item]:
    """Read the elements 2 to REQUEST(1); an element that is missing is an M error, as in VistA.

    What does not count (no list, no count, a count below 2) is an empty list of work. A count is read as M reads a number.
    """
    count = min(int(m_number(request.get(1) or "")), _MOST)
    items = []
    for number in range(2, count + 1):
        element = request.nodes.get((str(number),))
        if element is None:
            raise undefined("ENTRY+19^MAGDIR8", f"REQUEST({number})")
        opcode, _, arguments = element.partition("|")
        items.append(Item(number, opcode, arguments))
    return items


class StoreRequest(NamedTuple):  # one for each image: a frozen dataclass of so many fields takes several times as long to make
    """STORE1 and STORE2 together (ENTRY^MAGDIR81); pieces that VistA reads and never uses are left out.

    `first` and `second` are the arguments as they came; `last_image` too, which is compared as a number and shown as text.
    """

    location: str
    machine: str
    service: str
    instrument: str
    from_path: str
    patient_id: str
    patient_name: str
    case_number: str
    study_date: str
    study_time: str
    importer: bool
    modality: str
    image_name: str
    parameters: str
    series_number: str
    image_number: str
    instrument_location: str
    later_frame: bool
    gateway: str
    study_uid: str
    series_uid: str
    image_uid: str
    sop_class: str
    last_image: str
    manufacturer: str
    model: str
    stamp: str
    origin: str
    old_path: str
    first: str
    second: str

    @classmethod
    def read(cls, first: Item, second: Item) -> StoreRequest:
        """Read a STORE1 element and the STORE2 element after it."""
        one, two = first.pieces(22), second.pieces(12)
        return cls(
            location=one[1],
            machine=one[2],
            service=one[3],
            instrument=one[4],
            from_path=one[5],
            patient_id=one[6],
            patient_name=one[7],
            case_number=one[8],
            study_date=one[10],
            study_time=one[11],
            importer=m_number(one[12]) != 0,
            modality=one[13],
            image_name=one[14],
            parameters=one[15],
            series_number=one[16],
            image_number=one[17],
            instrument_location=one[18],
            later_frame=m_number(one[19]) != 0,
            gateway=one[20],
            study_uid=two[0],
            series_uid=two[1],
            image_uid=two[2],
            sop_class=two[3],
            last_image=two[4],
            manufacturer=two[6],
            model=two[7],
            stamp=two[8],
            origin=two[9],
            old_path=two[11],
            first=first.arguments,
            second=second.arguments,
        )

    @property
    def wrong_uid(self) -> str:
        """Say which UID is longer than any that DICOM knows, as no field of a database takes it; empty when none is."""
        for uid in (self.image_uid, self.study_uid, self.series_uid):
            if len(uid) > UID_LENGTH:
                return f"The value '{uid}' for field PACS UID in file IMAGE is not valid."
        return ""

    def lies_below_last(self, number: int) -> bool:
        """Tell whether an entry number lies below the last that the gateway has seen."""
        return number < m_number(self.last_image)
