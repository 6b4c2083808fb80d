"""STORE1 and STORE2: one image is associated with its exam and filed (ENTRY^MAGDIR81, IMAGE^MAGDIR9B)."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import bindparam, insert, select, update

from fileman import (
    age_in_years,
    external_date,
    hashed_directories,
    is_fileman,
    lock_for_transaction,
    mixed_case_date_time,
    next_ien,
)
from fileman.files import CurrentImage, Image
from rpcs.call import Call
from rpcs.icn import full_icn
from rpcs.image_processing import failed
from rpcs.image_processing.correct_list import put_on_correct_list
from rpcs.image_processing.group import (
    FileData,
    common_columns,
    dashed,
    external_sex,
    find_or_make_group,
    gather,
)
from rpcs.image_processing.indexes import ORIGINS
from rpcs.image_processing.messages import Results, plain_error
from rpcs.image_processing.person_name import is_same_patient, parse_dicom_name
from rpcs.image_processing.request import StoreRequest
from rpcs.image_processing.study import SERVICE_ORDER, Study, find_study
from rpcs.site import LocationData, PlaceData

DICOM_OBJECT_TYPE, STILL_OBJECT_TYPE = 100, 3
#: Characters of a file name: the namespace, then the entry number filled up with zeros.
FILE_NAME_LENGTH = 14

_FIRST_BY_UID = select(Image.ien, Image.name, Image.saved_at).where(Image.uid == bindparam("uid")).order_by(Image.ien).limit(1)
_CURRENT = select(CurrentImage.ien, CurrentImage.uid).where(CurrentImage.machine == bindparam("machine"))
_SET_CURRENT = update(CurrentImage).where(CurrentImage.ien == bindparam("entry")).values(uid=bindparam("new_uid"))
_ADD_CURRENT = insert(CurrentImage)
_COUNT_MEMBER = update(Image).where(Image.ien == bindparam("group")).values(members=Image.members + 1).returning(Image.members)
_INSERT = insert(Image)


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of one image: its entry number, or the code of the refusal."""

    uid: str
    image: int | None
    code: str
    reason: str = ""


def store_image(call: Call, request: StoreRequest, results: Results) -> Stored:
    """Associate and file one image; the answer's elements are added to the results."""
    try:
        image = _store(call, request, results)
    except failed.StoreRefused as refusal:
        results.extend(refusal.lines)
        return Stored(request.image_uid, None, refusal.code, refusal.lines[-1].rpartition("|")[2])
    return Stored(request.image_uid, image, "0")


def _store(call: Call, request: StoreRequest, results: Results) -> int:
    lock_for_transaction(call.connection, f"uid:{request.image_uid}")
    _check_duplicate(call, request, results)
    _remember_current(call, request)
    if request.service not in SERVICE_ORDER:
        raise failed.undefined_service(request.service)
    study = _associate(call, request)
    lock_for_transaction(call.connection, f"exam:{study.exam}")
    data = gather(call, request, study)
    group = find_or_make_group(call, request, study, data)
    return _file_image(call, request, study, data, group, results)


def _check_duplicate(call: Call, request: StoreRequest, results: Results) -> None:
    """Refuse a UID that is on file, unless it is the one this gateway was working on when it stopped."""
    row = call.connection.execute(_FIRST_BY_UID, {"uid": request.image_uid}).first() if request.image_uid else None
    if row is None:
        return
    current = call.connection.execute(_CURRENT, {"machine": request.machine}).first()
    if current is not None and current.uid == request.image_uid:
        messages = [
            f'Reprocessing image "{request.from_path}"',
            f"which is partially in the database (#{row.ien}) for",
        ]
        results.extend(plain_error("STORE", "1 Image partially in the database", failed.ROUTINE, messages))
        return
    code = "-1 Image already in database"
    messages = [
        f'Image "{request.from_path}"',
        f"is already in the database (#{row.ien}) for",
        f'"{row.name}"',
        f"Entered into VistA database on {mixed_case_date_time(row.saved_at)}",
        f"UID = {request.image_uid}",
    ]
    raise failed.StoreRefused(code, plain_error("STORE", code, failed.ROUTINE, messages))


def _remember_current(call: Call, request: StoreRequest) -> None:
    """Record which image this gateway is working on (SAVEUID^MAGDIR81)."""
    row = call.connection.execute(_CURRENT, {"machine": request.machine}).first()
    if row is None:  # its first image, and perhaps its second at another broker
        lock_for_transaction(call.connection, "current_image")
        row = call.connection.execute(_CURRENT, {"machine": request.machine}).first()
    if row is not None:
        call.connection.execute(_SET_CURRENT, {"entry": row.ien, "new_uid": request.image_uid})
        return
    entry = next_ien(call.connection, "current_image")
    call.connection.execute(_ADD_CURRENT, {"ien": entry, "machine": request.machine, "uid": request.image_uid})


def _associate(call: Call, request: StoreRequest) -> Study:
    """Find the exam and check the patient; what does not fit goes on the DICOM CORRECT list."""
    study = find_study(call.connection, request.service, request.case_number)
    name = parse_dicom_name(request.patient_name)
    if not request.case_number:
        reason = "-1,NO CASE #"
    elif study is None:
        reason = "-2,BAD CASE #"
    elif study.cancelled:
        reason = "-3,CANCELLED"
    elif not is_same_patient(name, request.patient_id, study.patient_name, study.ssn):
        reason = "-4,PID ERROR"
    else:
        return study
    put_on_correct_list(call, request, name, reason)
    raise failed.association_problem(reason)


def _file_image(call: Call, request: StoreRequest, study: Study, data: FileData, group: int, results: Results) -> int:
    """Make the IMAGE entry and answer where its file belongs."""
    if request.origin not in ORIGINS:
        raise _not_filed(request, f"The value '{request.origin}' for field ORIGIN INDEX in file IMAGE is not valid.")
    if request.stamp and not is_fileman(request.stamp):
        raise _not_filed(request, f"The value '{request.stamp}' for field CREATION DATE in file IMAGE is not valid.")
    place, location = _write_location(call, request)
    member = call.connection.execute(_COUNT_MEMBER, {"group": group}).scalar_one()
    image = next_ien(call.connection, "image")
    dicom = request.parameters == "<DICOM>"
    root = f"{place.namespace}{str(image).zfill(FILE_NAME_LENGTH - len(place.namespace))}"
    file_ref = f"{root}.{'DCM' if dicom else 'TGA'}"
    big = "/" in request.parameters
    big_extension = ("DCM" if request.parameters.split("/")[1] == "<DICOM>" else "BIG") if big else ""
    call.connection.execute(
        _INSERT,
        {
            **common_columns(call, request, study, data),
            "ien": image,
            "file_ref": file_ref,
            "location": location.ien,
            "abstract_location": location.ien,
            "object_type": DICOM_OBJECT_TYPE if dicom else STILL_OBJECT_TYPE,
            "procedure": data.modality or "NO TEXT",
            "parent": group,
            "short_description": f"{study.procedure} (#{member})",
            "big_location": location.ien if big else None,
            "big_extension": big_extension,
            "uid": request.image_uid,
            "series_uid": request.series_uid,
            "group_sequence": member,
            "series_number": request.series_number,
            "image_number": request.image_number,
        },
    )
    if image < request.last_image:
        raise failed.last_image_problem("-104", "MAGDIR9B", request.gateway, "image", image, request.last_image)
    directory, hierarchical = image_directory(location, file_ref)
    path = f"{image}^{directory}^{file_ref}^{int(hierarchical)}" + (f"^{root}.BIG" if big else "")
    results.add("STORE", f"0|{path}|{_demographics(call, study)}")
    return image


def _not_filed(request: StoreRequest, why: str) -> failed.StoreRefused:
    return failed.critical("-103", "MAGDIR9B", request.gateway, [why])


def _write_location(call: Call, request: StoreRequest) -> tuple[PlaceData, LocationData]:
    """Choose the place that names the file, and the network location that takes it.

    The name is the instrument's place's, or the first place's; the location is that of the place of the gateway's user. A
    site that is not consolidated uses its last place for both, as recorded.
    """
    places = call.site.places
    if not places:
        raise _not_filed(request, "Need Site Specific LETTERS in Site Parameters File")
    if call.site.settings.consolidated:
        place = call.site.place_of(request.instrument_location) or places[0]
        writing = call.site.place_of(call.session.division) or places[0]
    else:
        place = writing = places[-1]
    if not place.namespace:
        raise _not_filed(request, "Need Site Specific LETTERS in Site Parameters File")
    location = call.site.locations.get(writing.pacs_write_location or writing.write_location or 0)
    if location is None:
        raise _not_filed(request, "NEED WRITE LOCATION in SITE Parameters file!!! Call IRM")
    return place, location


def image_directory(location: LocationData, file_ref: str) -> tuple[str, bool]:
    """Give the directory of a file on a network location, and whether it is a hashed one."""
    if not location.hash:
        return location.physical, False
    return location.physical + "\\".join(hashed_directories(file_ref)) + "\\", True


def _demographics(call: Call, study: Study) -> str:
    """Answer the patient as DEM^VADPT has him: name, SSN, birth date, age, sex, ICN."""
    birth = f"{study.birth_date}^{external_date(study.birth_date)}" if study.birth_date else ""
    sex = f"{study.sex}^{external_sex(study.sex)}" if study.sex else ""
    age = age_in_years(study.birth_date, call.clock.now().date())
    ssn = f"{study.ssn}^{dashed(study.ssn)}"
    return f"{study.patient_name}|{ssn}|{birth}|{age}|{sex}|{full_icn(study.icn)}"
