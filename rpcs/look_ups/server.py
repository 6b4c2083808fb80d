"""What the server says of itself: its domain, service account, patches, UIDs, imaging types."""

from __future__ import annotations

import os
from functools import cache

from sqlalchemy import select

from fileman.files import ImagingSite
from fileman.worklist import IMAGING_TYPES
from rpcs.call import Call
from rpcs.dictionary.terms import SPECIALTIES
from rpcs.image_processing import sop_class_uids
from rpcs.numbers import count
from rpcs.registry import Access, Availability, literal, procedure
from xwb import LocalArray, ResultType

_SERVICE_CODES = select(ImagingSite.gateway_access, ImagingSite.gateway_verify).order_by(ImagingSite.ien).limit(1)
#: The global in which the UID table lies at a gateway.
_UID_TABLE = "^MAGDICOM(2006.539"
_VERIFICATION = "1.2.840.10008.1.1"


@procedure("MAG DICOM GET DOMAIN", access=Access.SESSION, routine="DOMAIN^MAGDRPC1", version=3)
def get_domain(call: Call) -> str:
    """Answer the MAIL domain of this VistA."""
    return call.site.settings.domain


@procedure("MAG DICOM GET SERVICE INFO", access=Access.READS, routine="SERVICE^MAGDRPC2", version=3)
def get_service_info(call: Call) -> str:
    """Answer the service account's `access;verify`, enciphered as at sign-on; `-1` without imaging site parameters.

    A gateway goes on with it when its user's codes have changed. It is the account of the first place.
    """
    row = call.connection.execute(_SERVICE_CODES).first()
    if row is None:
        return "-1,No Imaging Site Parameters defined"
    key = call.environment.key
    codes = f"{key.decipher(row.gateway_access)};{key.decipher(row.gateway_verify)}"
    return call.environment.cipher.encipher(codes.encode("iso-8859-1", "replace")).decode("iso-8859-1")


@procedure("MAG DICOM GET VERSION", access=Access.SESSION, routine="IMGVER^MAGDRPC2", version=3)
def get_version(call: Call) -> str:
    """Answer the numbers of the imaging patches, oldest first, then the newest with its test version: `54,138,221,221-T7`."""
    installed = []
    for line in call.site.settings.patches:
        name, day, test, *_ = [*line.split(), "", "", ""]
        package, version, number = [*name.split("*"), "", "", ""][:3]
        if package == "MAG" and version == "3.0" and number.isdecimal() and day and test:
            installed.append((day, number, f"{number}-{test}"))
    installed.sort()
    numbers = dict.fromkeys(number for _day, number, _full in installed)
    return ",".join([*numbers, *([installed[-1][2]] if installed else [])])


@procedure("MAG DICOM GET AGENCY", access=Access.SESSION, routine="AGENCY^MAGDRPC1", word_wrap=False, version=3)
def get_agency(call: Call) -> str:
    """Answer the agency code of this VistA, V or I."""
    return call.site.settings.agency


@procedure(
    "MAG DICOM GET PROCESS ID",
    access=Access.NOTHING,
    routine="GETPID^MAGDRPC1",
    word_wrap=False,
    availability=Availability.PUBLIC,
)
def get_process_id(_call: Call) -> str:
    """Answer the number of the process that serves the caller: the broker's."""
    return str(os.getpid())


@procedure("MAG DICOM GET UID ROOT", access=Access.SESSION, routine="UIDROOT^MAGDRPC9", word_wrap=False, version=3)
def get_uid_root(call: Call) -> str:
    """Answer what the DICOM UIDs that are made here and at gateways begin with."""
    return call.site.settings.uid_root


@cache
def uid_table() -> tuple[tuple[str, str], ...]:
    """Give the nodes of DICOM UID SPECIFIC ACTION (#2006.539): verification, transfer syntaxes, storage classes."""
    from pydicom.uid import UID, AllTransferSyntaxes  # half a second, which no command needs and no broker before it is asked

    kinds = [(_VERIFICATION, "SOP Class")]
    kinds += [(str(uid), "Transfer Syntax") for uid in AllTransferSyntaxes]
    kinds += [(uid, "SOP Class") for uid in sop_class_uids()]
    nodes = [("0", f"DICOM UID SPECIFIC ACTION^2006.539^{len(kinds)}^{len(kinds)}")]
    for number, (uid, kind) in enumerate(kinds, start=1):
        nodes.append((f"{number},0", f"{uid}^{UID(uid).name}^{kind}"))
        nodes.append((f"{number},1,0", "^2006.5391A^1^1"))
        nodes.append((f"{number},1,1,0", "DICOM Gateway^1^Accept"))
    return tuple((f"{_UID_TABLE},{subscripts})", value) for subscripts, value in nodes)


def _after(offset: str) -> int:
    """Give the place of the node after one; the beginning for nothing, the end for what is no node of the table."""
    if not offset.replace("^", ""):
        return 0
    references = [reference for reference, _value in uid_table()]
    return references.index(offset) + 1 if offset in references else len(references)


@procedure(
    "MAG DICOM GET UID TABLE",
    returns=ResultType.ARRAY,
    access=Access.NOTHING,
    routine="SERVER^MAGDUID3",
    parameters=(literal("OFFSET", 100, required=True, sequence=2), literal("MAX", 15, required=True, sequence=3)),
    word_wrap=False,
    version=3,
)
def get_uid_table(call: Call) -> LocalArray[str]:
    """Answer a count, then reference and value of nodes of the UID table after OFFSET, more than MAX lines or all that is left.

    A line `^` after them says that nothing is left. An OFFSET that is no node of the table leaves nothing.
    """
    offset, most = call.text(0), count(call.text(1))
    lines: list[str] = []
    for reference, value in uid_table()[_after(offset) :]:
        lines += [reference, value]
        if len(lines) > most:
            break
    else:
        lines.append("^")
    return LocalArray.from_mapping({0: str(len(lines)), **dict(enumerate(lines, start=1))})


@procedure("MAG DICOM GET IMAGING TYPES", returns=ResultType.ARRAY, access=Access.NOTHING, routine="VALIMGT^MAGDRPC8", version=3)
def get_imaging_types(_call: Call) -> list[str]:
    """Answer a count, `RAD^type` of every type of imaging, then `CON^specialty` of every specialty, each by abbreviation."""
    types = [f"RAD^{abbreviation}" for abbreviation in sorted(IMAGING_TYPES.values())]
    types += [f"CON^{abbreviation}" for abbreviation in sorted(it[1] for it in SPECIALTIES.values() if it[1])]
    return [str(len(types)), *types]
