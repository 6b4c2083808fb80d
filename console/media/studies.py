"""Studies on file at a broker: found by a query that its TaskMan carries out, and where the files of their images lie here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from console.media.errors import MediaError
from console.media.medium import Refusal
from gateway_client import NetworkLocations, UnknownShare
from runtime import wait_until_ready
from xwb import BrokerClient

#: Lines of a result that are fetched at once, and seconds that a query may take.
_LINES, _SECONDS = "1000", 120.0
_STUDY_UID, _COMMENT = "0020,000D", "0000,0902"
#: What may be asked for: the elements by which studies are found, and their VRs.
KEYS = {"accession": ("0008,0050", "SH"), "patient_id": ("0010,0020", "LO"), "date": ("0008,0020", "DA")}


@dataclass(slots=True)
class FiledStudy:
    """The files of a study, and the images that have none which can be read here."""

    uid: str
    files: list[Path] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)


class StudiesOnFile:
    """The studies that a broker knows. Raises MediaError for what it refuses, and XWBError."""

    def __init__(self, client: BrokerClient, data: Path) -> None:
        """Use a session in a context with MAG CFIND QUERY, MAG STUDY UID QUERY and MAGB NETWORK LOCATIONS.

        Network locations with relative paths lie below `data`.
        """
        self._client = client
        self._locations = NetworkLocations.parse(client.call("MAGB NETWORK LOCATIONS").lines, data)

    def find(self, keys: Mapping[str, str]) -> list[str]:
        """Give the UIDs of the studies that match all of some KEYS, wild cards and ranges as DICOM has them (PS3.4 C.2.2.2)."""
        tags = [f"{tag}|{vr}|R|{keys[name]}" for name, (tag, vr) in KEYS.items() if name in keys]
        started = self._query(dict(enumerate([*tags, f"{_STUDY_UID}|UI|U|"], 1)), "0", "0")
        if not started[0].startswith("0,"):
            raise MediaError(f"The broker does not take the query: {', '.join(started)}.")
        result = started[0].split(",")[1]
        try:
            return self._fetched(result)
        finally:
            self._query({}, result, "-1")

    def files(self, uid: str) -> FiledStudy:
        """Give the files of a study's images. Raises MediaError for a study that the broker does not give."""
        head, *lines = self._client.call("MAG STUDY UID QUERY", uid).lines or [""]
        if head.startswith("-") or not lines:
            raise MediaError(f"The broker gives no images of study {uid}: {head or 'no answer'}.")
        study = FiledStudy(uid)
        for line in lines:
            image, path = [*line.split("^"), ""][:2]
            try:
                study.files.append(self._here(path))
            except (MediaError, UnknownShare) as problem:
                study.refused.append(Refusal(Path(f"image {image}"), str(problem)))
        return study

    def _here(self, path: str) -> Path:
        """Find the DICOM file of an image; where a TARGA file is the image, it may lie beside that."""
        if path.startswith("-"):
            raise MediaError(path)
        file = self._locations.local_path(path)
        found = next((it for it in (file, file.with_suffix(".DCM")) if it.suffix.upper() == ".DCM" and it.is_file()), None)
        if found is None:
            raise MediaError(f"{file} is no DICOM file, or is not on this machine")
        return found

    def _fetched(self, result: str) -> list[str]:
        lines = wait_until_ready(lambda: self._first_part(result), "The query", _SECONDS)
        found, said = [], ""
        while not lines[0].startswith("0,"):
            if lines[0].startswith("-"):
                raise MediaError(f"The query failed: {', '.join(lines)}.")
            for tag, _, value in (line.partition("^") for line in lines[1:]):
                if tag == _STUDY_UID and value:
                    found.append(value)
                elif tag == _COMMENT and not value.startswith("Result #"):
                    said = value
            lines = self._query({}, result, lines[0].split(",")[1])
        if said or not found:
            raise MediaError(f"The query gives no list of studies: {said or 'none matches'}.")
        return list(dict.fromkeys(found))

    def _first_part(self, result: str) -> list[str] | None:
        lines = self._query({}, result, "0")
        return None if lines[0].startswith("-1,") else lines

    def _query(self, tags: dict[int, str], result: str, offset: str) -> list[str]:
        return self._client.call("MAG CFIND QUERY", tags, result, offset, _LINES).lines or [""]
