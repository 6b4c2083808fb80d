"""Walking over images for their text files, and noting what these say (for holders of the key MAG DOD FIX)."""

from __future__ import annotations

from sqlalchemy import bindparam, func, select, update

from fileman import describe_again, file_name, upserts
from fileman.files import GatewayParameter, Image
from rpcs.call import Call
from rpcs.file_find import image_directory
from rpcs.image_processing.rollback import members_of
from rpcs.numbers import LARGEST, entry_number
from rpcs.registry import Access, literal, procedure
from xwb import m_number

KEY = "MAG DOD FIX"
NOT_ALLOWED = "-13,No permission to call this Remote Procedure"
#: Under which name the place of the walk is kept, and what stands there before any.
SCAN, BEGINNING = "SCAN", " ^-1"

_PLACE = select(GatewayParameter.value).where(GatewayParameter.name == SCAN)
_KEEP = upserts(
    GatewayParameter,
    lambda insert: insert.on_conflict_do_update(index_elements=[GatewayParameter.name], set_={"value": insert.excluded.value}),
)
_NEXT = select(func.min(Image.ien)).where(Image.ien > bindparam("origin"))
_PREVIOUS = select(func.max(Image.ien)).where(Image.ien < bindparam("origin"))
_FILE = select(Image.file_ref, Image.location, Image.jukebox_location).where(Image.ien == bindparam("ien_"))
_DETAILS = select(Image.parent, Image.series_uid, Image.series_number, Image.image_number, Image.uid).where(
    Image.ien == bindparam("ien_")
)
_UID = select(Image.uid).where(Image.ien == bindparam("ien_"))
_SET_UID = update(Image).where(Image.ien == bindparam("image_")).values(uid=bindparam("value"))
_SET = {
    "series_uid": update(Image).where(Image.ien == bindparam("image_")).values(series_uid=bindparam("value")),
    "series_number": update(Image).where(Image.ien == bindparam("image_")).values(series_number=bindparam("value")),
    "image_number": update(Image).where(Image.ien == bindparam("image_")).values(image_number=bindparam("value")),
    "uid": _SET_UID,
}


@procedure(
    "MAG SCAN IMAGE TEXT FILES",
    access=Access.WRITES,
    routine="SCANIMG^MAGDOD01",
    parameters=(literal("ACTION", 15, required=True), literal("IMAGE", 20, required=True), literal("DIR", 5)),
    word_wrap=False,
    version=3,
)
def scan_image_text_files(call: Call) -> str:
    """Walk over images: ACTION Init tells where the last walk was, Restart forgets it, Scan gives the image after IMAGE.

    Scan answers `image,path of its text file,where it lies`, M on disk, W on the jukebox, O off line; `-1,Done` after the
    last. DIR below zero goes backwards. `-13` answers another action, and everybody without the key MAG DOD FIX.
    """
    if KEY not in call.site.keys_of(call.session.duz):
        return NOT_ALLOWED
    action = call.text(0)
    if action == "Init":
        return call.connection.execute(_PLACE).scalar() or BEGINNING
    if action == "Restart":
        return _kept(call, BEGINNING)
    if action == "Scan":
        backwards = m_number(call.text(2)) < 0
        origin = entry_number(call.text(1))
        _kept(call, f"{origin or (' ' if backwards else 0)}^{-1 if backwards else 1}")
        place = {"origin": origin or (LARGEST if backwards else 0)}
        image = call.connection.execute(_PREVIOUS if backwards else _NEXT, place).scalar()
        return "-1,Done" if image is None else f"{image},{_text_file(call, image)}"
    return f'-13,Cannot perform requested action: "{action}".'


def _kept(call: Call, place: str) -> str:
    call.connection.execute(_KEEP[call.connection.dialect.name], {"name": SCAN, "value": place})
    return place


def _text_file(call: Call, image: int) -> str:
    """Give the path of an image's text file and where it lies; `-1,O` for an image without a file."""
    row = call.connection.execute(_FILE, {"ien_": image}).one()
    for number, where in ((row.location, "M"), (row.jukebox_location, "W")):
        location = call.site.locations.get(number or 0)
        if location is not None and row.file_ref:
            path = image_directory(location, row.file_ref) + file_name(row.file_ref, "TEXT")
            return f"{path},{where if location.online else 'O'}"
    return "-1,O"


@procedure(
    "MAG STORE TEXT FILE DETAILS",
    access=Access.WRITES,
    routine="STOREUID^MAGDOD01",
    parameters=(
        literal("IMAGE", 20, required=True),
        literal("SERIES", 64),
        literal("SNUM", 10),
        literal("INUM", 10),
        literal("IMGUID", 64),
        literal("STUID", 64),
    ),
    formals=("IMAGE", "SERIES", "SNUM", "INUM", "IMGUID", "STUID", "DOCDAT"),
    word_wrap=False,
    version=3,
)
def store_text_file_details(call: Call) -> str:
    """Note what an image's text file says: series UID, series and image number, SOP Instance and Study UID; answer `0,OK`.

    What is known already is not changed: where it is another, the answer is -13 with what stands there. `-5,...` answers no
    image's number, `-1,...` an unknown one; `-13` is also everybody's without the key MAG DOD FIX.
    """
    if KEY not in call.site.keys_of(call.session.duz):
        return NOT_ALLOWED
    image = entry_number(call.text(0))
    if not image:
        return "-5,No valid image number specified."
    row = call.connection.execute(_DETAILS, {"ien_": image}).first()
    if row is None:
        return f'-1,No such image "{call.text(0)}".'
    series, series_number, image_number, uid, study = (call.text(index)[:64] for index in range(1, 6))
    known = {"series_uid": row.series_uid, "series_number": row.series_number, "image_number": row.image_number, "uid": row.uid}
    told = {"series_uid": series, "series_number": series_number, "image_number": image_number, "uid": uid}
    problems = [_differs(name, known[name], value) for name, value in told.items() if value and known[name] not in ("", value)]
    if (series_number or image_number) and row.parent is None:
        problems.append(f", image is not part of series ({series_number}/{image_number})")
        told |= {"series_number": "", "image_number": ""}
    for name, value in told.items():
        if value and not known[name]:
            call.connection.execute(_SET[name], {"image_": image, "value": value})
    problems += _note_study(call, image, row.parent, study) if study else []
    describe_again(call.connection, [image])
    return "-13" + "".join(problems) if problems else "0,OK"


_WORDS = {
    "series_uid": "Series Instance UID",
    "series_number": "Series Number",
    "image_number": "Instance Number",
    "uid": "Instance UID",
    "study": "Study UID",
}


def _differs(name: str, known: str, told: str) -> str:
    if name in ("series_number", "image_number"):
        space = " " if name == "series_number" else ""
        return f', cannot enter {_WORDS[name]}{space}"{known}"\'="{told}".'
    return f", cannot enter {_WORDS[name]}\r\nCurrent: {known}\r\nNew:     {told}"


def _note_study(call: Call, image: int, group: int | None, study: str) -> list[str]:
    if group is None:
        return [f", cannot find parent for image {image}"]
    known = call.connection.execute(_UID, {"ien_": group}).scalar() or ""
    if known not in ("", study):
        return [_differs("study", known, study)]
    if not known:
        call.connection.execute(_SET_UID, {"image_": group, "value": study})
        describe_again(call.connection, members_of(call.connection, group))
    return []
