"""The IMAGE entry of one object, in its group and with its place for the file (IMAGE^MAGDIR9B, ADD^MAGGTIA)."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import bindparam, insert, select

from fileman import GROUP_OBJECT_TYPE, group_lock
from fileman.files import Image, LostMember
from rpcs.call import Call
from rpcs.file_find import image_directory
from rpcs.image_processing import failed
from rpcs.image_processing.found import OnFile
from rpcs.image_processing.group import FileData, Filing, common_columns, wrong_patient, wrong_value
from rpcs.site import LocationData, PlaceData

ROUTINE = "MAGDIR9B"
DICOM_OBJECT_TYPE, STILL_OBJECT_TYPE = 100, 3
#: Characters of a file name: the namespace, then the entry number filled up with zeros.
FILE_NAME_LENGTH = 14

_GROUP = select(Image.object_type, Image.patient).where(Image.ien == bindparam("group_"))
_LOSE = insert(LostMember)


@dataclass(frozen=True, slots=True)
class Filed:
    """A filed image, and where its file belongs, as STORE answers it."""

    image: int
    place: str


def check_group(filing: Filing, data: FileData) -> None:
    """Check the group that a further frame goes into.

    Raises GaveUp #-101 when it is none, #-102 when it belongs to somebody else. A group that was just found needs no check.
    """
    filing.found.hold(group_lock(data.group))
    row = filing.call.connection.execute(_GROUP, {"group_": data.group}).first()
    kind, patient = (None, None) if row is None else row
    if kind != GROUP_OBJECT_TYPE:
        lines = [
            "The group entry in ^MAG(2005) does not have the proper group",
            "object type.",
            "",
            f"The expected value is 11.  The value in the group entry is {'not defined' if kind is None else kind}.",
            "",
            f"Internal entry number of incorrect group: {data.group or ''}",
        ]
        raise failed.critical(filing.messages, "-101", ROUTINE, filing.request.gateway, "WRONG GROUP OBJECT TYPE", lines)
    if patient != data.patient.dfn:
        raise wrong_patient(filing, data.patient.dfn, "group", patient, f"^MAG(2005,{data.group})", "-102", ROUTINE)


def file_image(filing: Filing, data: FileData) -> Filed:
    """Make the IMAGE entry, which is written with the others of the call.

    Raises GaveUp #-103 when a value of the request or the site does not fit, #-104 when the entry's number lies below the last
    that the gateway has seen. As in VistA, what was made before stays.
    """
    request = filing.request
    if why := wrong_value(request, data):
        raise _not_filed(filing, why)
    naming, location = _places(filing)
    image = filing.pending.numbers.take()
    count, sequence = filing.pending.add_member(data.group)
    member = {"series_number": request.series_number, "image_number": request.image_number}
    if naming is None or not naming.namespace:
        filing.call.connection.execute(_LOSE, {"group": data.group, "sequence": sequence, "image": image, **member})
        raise _not_filed(filing, "Need Site Specific LETTERS in Site Parameters File")
    dicom = request.parameters == "<DICOM>"
    root = f"{naming.namespace}{str(image).zfill(FILE_NAME_LENGTH - len(naming.namespace))}"
    file_ref = f"{root}.{'DCM' if dicom else 'TGA'}"
    big = "/" in request.parameters
    big_extension = ("DCM" if request.parameters.split("/")[1] == "<DICOM>" else "BIG") if big else ""
    filing.pending.images[image] = {
        **common_columns(filing, data),
        "ien": image,
        "file_ref": file_ref,
        "location": location.ien,
        "abstract_location": location.ien,
        "object_type": DICOM_OBJECT_TYPE if dicom else STILL_OBJECT_TYPE,
        "procedure": data.modality or "NO TEXT",
        "parent": data.group,
        "short_description": data.short_description or f"{data.description} (#{count})",
        "big_location": location.ien if big else None,
        "big_extension": big_extension,
        "uid": request.image_uid,
        "series_uid": request.series_uid,
        "group_sequence": sequence,
        "digest": "",
        **member,
    }
    filing.found.filed(request.image_uid, OnFile(image, data.name, data.moment))
    if request.lies_below_last(image):
        raise failed.last_image_problem(filing.messages, "-104", ROUTINE, request.gateway, "image", image, request.last_image)
    directory = image_directory(location, file_ref)
    hierarchical = not any(directory == it.physical for it in filing.call.site.locations.values())
    return Filed(image, f"{image}^{directory}^{file_ref}^{int(hierarchical)}" + (f"^{root}.BIG" if big else ""))


def _not_filed(filing: Filing, why: str) -> failed.GaveUp:
    return failed.not_filed(filing.messages, "-103", ROUTINE, filing.request.gateway, "IMAGE FILE", why)


def _places(filing: Filing) -> tuple[PlaceData | None, LocationData]:
    """Choose the place that names the file, and the network location that takes it.

    The name is the instrument's place's, or the first place's; the location is that of the place of the gateway's user. A
    site that is not consolidated uses its last place for both, as recorded. Raises GaveUp #-103 without a location on line.
    """
    call: Call = filing.call
    places = call.site.places
    first, last = (places[0], places[-1]) if places else (None, None)
    if call.site.settings.consolidated:
        naming = call.site.place_of(filing.request.instrument_location) or first
        writing = call.site.place_of(call.session.division) or first
    else:
        naming = writing = last
    number = (writing.pacs_write_location or writing.write_location or 0) if writing is not None else 0
    location = call.site.locations.get(number)
    if location is None:
        raise _not_filed(filing, "NEED WRITE LOCATION in SITE Parameters file!!! Call IRM")
    if not location.online:
        raise _not_filed(filing, "The Server that you are writing to is off-line.  Call IRM")
    return naming, location
