"""The chapter of the web services: what of DICOMweb is answered, as whom, in which media types (PS3.2 N.4.3)."""

from __future__ import annotations

from pydicom.datadict import dictionary_description
from pydicom.uid import UID

from console.conformance.markdown import Page
from console.rendering.wanted import MOST_PIXELS, THUMBNAIL_SIDE
from console.web.dicomweb.accepting import MADE
from console.web.dicomweb.intake import MOST_PARTS
from console.web.dicomweb.media_types import DICOM, DICOM_JSON, OCTETS
from console.web.dicomweb.pixels import MEDIA_TYPES
from console.web.dicomweb.questions import GIVEN, MOST_MATCHES
from console.web.dicomweb.rendered import OFFERED
from console.web.dicomweb.retrievals import MOST_FRAMES
from console.web.dicomweb.searches import MOST_PASSED
from console.web.dicomweb.service import ROOT
from console.web.dicomweb.settings import NAME
from gateway_client import Configuration
from rpcs.archive import Level

_LEVELS = {Level.STUDY: "study", Level.SERIES: "series", Level.IMAGE: "instance"}
_STATUSES = (
    ("200", "done; of a store: every object"),
    ("202", "a store: some objects, or with warnings"),
    ("204", "nothing matches"),
    ("206", "some files of what is retrieved cannot be read now"),
    ("400", "what is asked cannot be understood"),
    ("401, 403", "nobody is signed on, or he may not"),
    ("404", "there is nothing of this name, or it is rejected or deleted"),
    ("406", "not in a media type or transfer syntax that is accepted, or there is no picture of it"),
    ("409", "a store: no object"),
    ("413, 415", "more than may be asked or sent; another media type than is taken"),
    ("503", "images are not in store, and were asked for; no gateway takes objects; too much is being done: Retry-After"),
)


def write(page: Page, configuration: Configuration) -> None:
    """Write the chapter."""
    page.section(2, "DICOMweb services")
    page.say(
        f"A broker with `web_port` is origin server below `{ROOT}`. Whoever asks signs on as the broker's user, by a token or a "
        f"session of the console, and may what he may call the archive's procedures for; each request is audited. There is no "
        "user agent.",
        f"Objects are handed by C-STORE to {configuration.ae_title}, called by {NAME}; what it answers with success is "
        "acknowledged, with its warning if there is one. They can be retrieved when they are filed.",
    )
    multi = "multipart/related"
    frames = sorted(set(MEDIA_TYPES.values()))
    page.table(
        ("transaction", "resources", "media types"),
        [
            ("Search (QIDO-RS)", "studies, series, instances, also below a study or series", DICOM_JSON),
            ("Retrieve (WADO-RS)", "study, series, instance", f'{multi}; type="{DICOM}"; {DICOM} of one instance'),
            ("Retrieve metadata", "study, series, instance", DICOM_JSON),
            ("Retrieve frames", f"{MOST_FRAMES:,} at once", f'{multi}; type="{OCTETS}", or as stored: {", ".join(frames)}'),
            ("Retrieve bulk data", "as metadata address them", f'{multi}; type="{OCTETS}"; {OCTETS}'),
            ("Retrieve rendered", "instance, frame", ", ".join(OFFERED)),
            ("Retrieve thumbnail", "study, series, instance, frame", ", ".join(OFFERED)),
            ("Store (STOW-RS)", f"studies, a study; {MOST_PARTS:,} objects at once", f'{multi}; type="{DICOM}"'),
        ],
    )
    made = "; ".join(sorted(UID(uid).name for uid in MADE))
    page.say(
        "Objects are given in the transfer syntax that they are stored in where that is accepted, by its UID or `*`; else they "
        f"are brought into one of: {made}. Without `transfer-syntax` it is Explicit VR Little Endian. Among several objects one "
        "that cannot be brought there is given as it is stored, and its part says so.",
        "Frames are decoded to Explicit VR Little Endian, colours of compressed ones to RGB, or given as they are stored. "
        "Metadata have addresses in place of long binary values and pixels.",
        "Rendered resources take `window`, `viewport` and `quality`, and `frame` of an instance; of `annotation` and "
        "`iccprofile` a Warning says that they are ignored. A viewport has "
        f"{MOST_PIXELS:,} pixels at most; a thumbnail fits into {THUMBNAIL_SIDE} by {THUMBNAIL_SIDE} unless `viewport` says "
        "otherwise.",
        "Searches match the attributes of queries in Study Root, as the annex lists them, by keyword or tag; upper and lower "
        f"case of person names are the same. At most {MOST_MATCHES:,} matches are given at once; `offset` goes up to "
        f"{MOST_PASSED:,} beyond what was asked for before. `fuzzymatching` is answered literally. A Warning tells of each.",
    )
    page.table(
        ("level", "attributes that are always told"),
        [(_LEVELS[level], ", ".join(map(_name, paths))) for level, paths in GIVEN.items()],
    )
    page.table(("status", "when"), _STATUSES)


def _name(path: str) -> str:
    return dictionary_description(int(path.rpartition(">")[2], 16))
