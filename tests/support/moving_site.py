"""An archive with move destinations: DCMTK's storescp, and objects whose every byte is known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydicom import Dataset
from pydicom.uid import ImplicitVRLittleEndian
from pynetdicom import AE
from pynetdicom.dsutils import encode

from gateway_client.configuration import Peer
from tests.support.archive_site import MODELS, ROOT, SUFFIXES, ArchiveSite, key
from tests.support.dicom import Storescp, data_set_bytes

SINK = "SINK"


@dataclass
class Moved:
    """What a C-MOVE came to: each answer's status and counts, and what failed; `syntax` is what its context was accepted in."""

    statuses: list[int]
    counts: list[tuple[int | None, ...]]
    failed: list[str]
    comment: str
    syntax: str


@dataclass
class MovingSite:
    """The archive, and the destination SINK."""

    archive: ArchiveSite
    sink: Storescp

    def address(self, role: str = "short_term") -> tuple[str, int]:
        """Give AE title and port of an entity."""
        return ROOT + SUFFIXES[role], self.archive.port(role)

    def took(self) -> dict[str, bytes]:
        """Give the data sets that SINK got since it was last asked, by their SOP Instance UIDs; fails where one came twice."""
        found = {}
        for uid, paths in self.sink.received().items():
            (path,) = paths
            found[uid] = data_set_bytes(path)
            path.unlink()
        return found

    def move(
        self,
        level: str,
        keys: Mapping[Any, Any],
        model: str = "study",
        *,
        role: str = "short_term",
        destination: str = SINK,
        syntaxes: Sequence[str] = (ImplicitVRLittleEndian,),
    ) -> Moved:
        """Ask with pynetdicom."""
        identifier = Dataset()
        for attribute, value in {"QueryRetrieveLevel": level, **keys}.items():
            identifier.add(key(attribute, value))
        ae = AE("VIEWER")
        uid = MODELS[model][0].removesuffix(".1") + ".2"
        ae.add_requested_context(uid, list(syntaxes))
        title, port = self.address(role)
        association = ae.associate("127.0.0.1", port, ae_title=title)
        assert association.is_established
        moved = Moved([], [], [], "", str(association.accepted_contexts[0].transfer_syntax[0]))
        for status, failed in association.send_c_move(identifier, destination, uid):
            moved.statuses.append(status.Status)
            moved.comment = str(status.get("ErrorComment", ""))
            moved.counts.append(tuple(status.get(f"NumberOf{name}Suboperations") for name in _COUNTS))
            if failed is not None and failed.get("FailedSOPInstanceUIDList"):
                value = failed.FailedSOPInstanceUIDList
                moved.failed = [value] if isinstance(value, str) else list(value)
        association.release()
        return moved


_COUNTS = ("Remaining", "Completed", "Failed", "Warning")


@contextmanager
def moving_site(directory: Path, objects: Sequence[Dataset], **of_site: Any) -> Iterator[MovingSite]:
    """Run an archive that holds objects, and the destination."""
    with Storescp(directory / "sink") as sink:
        peers = {SINK: Peer("127.0.0.1", sink.port), **of_site.pop("peers", {})}
        with ArchiveSite(directory, changes={"peers": peers, **of_site.pop("changes", {})}, **of_site) as archive:
            archive.keep(objects)
            yield MovingSite(archive, sink)


def bytes_of(objects: Sequence[Dataset]) -> dict[str, bytes]:
    """Give what objects are in Explicit VR Little Endian, byte by byte, by their SOP Instance UIDs."""
    found = {}
    for it in objects:
        data = encode(it, False, True)
        assert data is not None
        found[str(it.SOPInstanceUID)] = data
    return found
