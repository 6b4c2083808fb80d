"""Media types as DICOMweb has them: what a client accepts, read and weighed (PS3.18 8.7; RFC 9110 12.5.1)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from console.web.dicomweb.errors import BadAsked

DICOM, DICOM_JSON, JSON, OCTETS = "application/dicom", "application/dicom+json", "application/json", "application/octet-stream"
MULTIPART = "multipart/related"
#: Characters of an Accept header, and media types in it.
MOST_CHARACTERS, MOST_TYPES = 8192, 100

_TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_TYPE = re.compile(rf"\s*({_TOKEN}/{_TOKEN})\s*")
#: A value that should be quoted and is not may hold a slash: clients write type=application/dicom.
_PARAMETER = re.compile(rf';\s*(?:({_TOKEN})\s*=\s*("(?:[^"\\]|\\.)*"|[^\s;,"]*)\s*)?')
_QUOTED = re.compile(r"\\(.)")


@dataclass(frozen=True, slots=True)
class MediaType:
    """A media type, or a range of such, in lower case; `quality` is how much it is wanted, up to 1."""

    name: str
    parameters: Mapping[str, str] = field(default_factory=dict, hash=False)
    quality: float = 1.0

    @property
    def inner(self) -> MediaType:
        """The media type of the parts, of multipart/related, and that itself of any other."""
        if self.name != MULTIPART:
            return self
        return MediaType(self.parameters.get("type", "*/*").lower(), self.parameters, self.quality)

    @property
    def transfer_syntax(self) -> str:
        """The transfer syntax that is asked for; "" where nothing is said, "*" for any."""
        return self.parameters.get("transfer-syntax", "")

    def takes(self, name: str) -> bool:
        """Tell whether a media type is one of the range."""
        kind = self.name.partition("/")[0]
        return self.name in ("*/*", name) or (self.name == f"{kind}/*" and name.startswith(f"{kind}/"))


def read_media_type(text: str) -> MediaType:
    """Read one media type, as Content-Type has it. Raises BadAsked."""
    found, rest = _read(text)
    if rest.strip():
        raise BadAsked(f"{text[:100]!r} is no media type.")
    return found


def read_accept(text: str) -> list[MediaType]:
    """Read what is accepted, what is wanted most first; nothing said is anything. Raises BadAsked."""
    if len(text) > MOST_CHARACTERS:
        raise BadAsked(f"Accept has more than {MOST_CHARACTERS} characters.")
    found: list[MediaType] = []
    rest = text.strip().strip(",")
    while rest.strip():
        one, rest = _read(rest)
        found.append(one)
        if rest and not rest.startswith(","):
            raise BadAsked(f"{text[:100]!r} is no list of media types.")
        rest = rest.lstrip(", \t")
        if len(found) > MOST_TYPES:
            raise BadAsked(f"Accept has more than {MOST_TYPES} media types.")
    accepted = [one for one in found if one.quality > 0]
    return sorted(accepted, key=lambda one: -one.quality) if found else [MediaType("*/*")]


def choose(accepted: Sequence[MediaType], offered: Sequence[str]) -> str:
    """Give the first of what is offered that is accepted most; "" where none is."""
    return next((name for one in accepted for name in offered if one.takes(name)), "")


def _read(text: str) -> tuple[MediaType, str]:
    begun = _TYPE.match(text)
    if begun is None:
        raise BadAsked(f"{text[:100]!r} is no media type.")
    at, parameters = begun.end(), dict[str, str]()
    while parameter := _PARAMETER.match(text, at):
        name, value = parameter.groups()
        at = parameter.end()
        if name is not None:
            told = _QUOTED.sub(r"\1", value[1:-1]) if value.startswith('"') else value
            parameters.setdefault(name.lower(), told)
    return MediaType(begun[1].lower(), parameters, _quality(parameters.pop("q", "1"))), text[at:]


def _quality(text: str) -> float:
    try:
        return min(1.0, max(0.0, float(text)))
    except ValueError:
        raise BadAsked(f"{text[:20]!r} is no quality value.") from None
