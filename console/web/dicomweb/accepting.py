"""What may be given of objects and frames for what a client accepts: media types and transfer syntaxes (PS3.18 8.7)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from console.web.dicomweb.errors import NotAcceptable
from console.web.dicomweb.media_types import DICOM, MULTIPART, OCTETS, MediaType
from console.web.dicomweb.pixels import EXPLICIT_LITTLE, MEDIA_TYPES
from gateway_client.transcoding import SYNTAXES

ANY = "*"
#: Into what objects are brought: whatever loses nothing.
MADE = frozenset(syntax for name, syntax in SYNTAXES.items() if name != "jpeg-baseline")


@dataclass(frozen=True, slots=True)
class Objects:
    """The transfer syntaxes in which objects are accepted, the preferred first; `single` asks for one without a multipart."""

    syntaxes: tuple[str, ...]
    single: bool

    def is_as_stored(self, stored: str) -> bool:
        """Tell whether an object may go as it is."""
        return stored in self.syntaxes or ANY in self.syntaxes

    @property
    def made(self) -> list[str]:
        """The transfer syntaxes into which another one can be brought."""
        return [syntax for syntax in self.syntaxes if syntax in MADE]


def read_objects(accepted: Sequence[MediaType]) -> Objects:
    """Read how objects are accepted; where nothing is said of it in Explicit VR Little Endian. Raises NotAcceptable."""
    found = [one for one in accepted if one.inner.takes(DICOM)]
    if not found:
        raise NotAcceptable(f'Objects are given as multipart/related; type="{DICOM}".')
    syntaxes = dict.fromkeys(one.transfer_syntax or EXPLICIT_LITTLE for one in found)
    return Objects(tuple(syntaxes), found[0].name == DICOM)


@dataclass(frozen=True, slots=True)
class Frames:
    """How frames are given: their media type and transfer syntax, as they are stored or decoded, each by itself or as parts."""

    media_type: str
    transfer_syntax: str
    single: bool

    @property
    def decoded(self) -> bool:
        """Whether they are without compression."""
        return self.media_type == OCTETS


def read_frames(accepted: Sequence[MediaType], stored: str) -> Frames:
    """Say how frames go that are stored in a transfer syntax. Raises NotAcceptable."""
    own = MEDIA_TYPES.get(stored)
    for one in accepted:
        inner, single = one.inner, one.name not in (MULTIPART, "*/*")
        wanted = one.transfer_syntax
        if own is not None and inner.takes(own) and (wanted in (stored, ANY) or (not wanted and inner.name != "*/*")):
            return Frames(own, stored, single)
        if inner.takes(OCTETS) and (wanted in ("", EXPLICIT_LITTLE) or (wanted == ANY and own is None)):
            return Frames(OCTETS, EXPLICIT_LITTLE, single)
    told = f', or as type="{own}"; transfer-syntax={stored}' if own else ""
    raise NotAcceptable(f'Frames are given as multipart/related; type="{OCTETS}"{told}.')
