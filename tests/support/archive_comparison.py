"""Made-up queries asked of an archive's entities by real peers: pynetdicom, DCMTK's findscu, Orthanc; and of a plain matcher.

What DICOM cannot write is left out of a query: a range or a wild card of a binary number, and Requested Procedure ID outside of
its sequence, where entities tell it. Orthanc sends on only some of what it is asked for.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from pydicom import Dataset
from pydicom import Sequence as Items
from pydicom.config import IGNORE
from pydicom.dataelem import DataElement
from pydicom.dataset import FileMetaDataset
from pydicom.multival import MultiValue
from pydicom.uid import ImplicitVRLittleEndian

from rpcs.archive import ATTRIBUTES
from tests.support.archive_site import MODELS, ROOT, SUFFIXES, ArchiveSite
from tests.support.archived_objects import archive_objects
from tests.support.findscu import findscu
from tests.support.made_queries import OBJECTS, MadeQuery
from tests.support.orthanc import Orthanc
from tests.support.query_matcher import matches

Answer = list[str]
"""Matches, each as JSON of values by tag, in an order that does not depend on who says it."""

_PROCEDURE_ID, _NESTED_PROCEDURE_ID = "00401001", "00400275>00401001"
_BINARY = frozenset(tag for tag, it in ATTRIBUTES.items() if it.vr == "US")
#: What Orthanc 1.10 does not ask for: sequences, binary numbers, what is counted or summed up of a level above, and these.
_NOT_OF_ORTHANC = {
    *("00080023", "00080033", "00080080", "00280008", "00400250", "00400251"),
    *("00700080", "00700081", "00700082", "00700083", "00700084"),
}
#: The demo site's location on which the objects would lie.
_LOCATION = 1
#: The entity that is asked, by whether the case of names counts for nothing there.
_ROLES = {False: "short_term", True: "long_term"}
_ENTITIES = {
    "short_term": {"relational": True, "fold_names": False},
    "long_term": {"relational": True, "fold_names": True, "study_level_only": False},
}


def as_dicom_says(query: MadeQuery) -> MadeQuery:
    """Leave out of a query what DICOM cannot write."""
    keys = {tag: list(values) for tag, values in query.keys.items() if tag != _PROCEDURE_ID}
    for tag in _BINARY & keys.keys():
        keys[tag] = [value for value in keys[tag] if value.isdigit()]
    return MadeQuery(query.root, query.level, keys, query.fold_names)


def as_orthanc_asks(query: MadeQuery) -> MadeQuery:
    """Leave out of a query what Orthanc would leave out."""

    def goes_on(tag: str) -> bool:
        attribute = ATTRIBUTES[tag]
        above = attribute.is_computed and attribute.level.name != query.level
        return not (">" in tag or tag in _BINARY or tag in _NOT_OF_ORTHANC or above)

    return MadeQuery(query.root, query.level, {tag: it for tag, it in query.keys.items() if goes_on(tag)}, query.fold_names)


class ArchiveAndPeers:
    """An archive of the invented objects, and those who ask it."""

    def __init__(self, directory: Path, archive: ArchiveSite, orthanc: Orthanc) -> None:
        self._directory, self._archive, self._orthanc = directory, archive, orthanc
        self._numbers = count()
        archive.store.transact(lambda connection: archive_objects(connection, OBJECTS, _LOCATION))

    def expected(self, query: MadeQuery) -> Answer:
        """Give what the plain matcher finds."""
        return _ordered(matches(OBJECTS, query.level, query.keys, fold_names=query.fold_names))

    def differing(self, query: MadeQuery) -> list[str]:
        """Have everybody ask; give those, by name, who hear anything else than what the plain matcher finds."""
        asked = {"pynetdicom": query, "findscu": query, "Orthanc": as_orthanc_asks(query)}
        return [name for name, one in asked.items() if _ASKERS[name](self, one) != self.expected(one)]

    def _pynetdicom(self, query: MadeQuery) -> Answer:
        found = self._archive.find(
            "", identifier(query), query.root.lower(), _ROLES[query.fold_names], syntax=ImplicitVRLittleEndian
        )
        assert found.status == 0x0000, (query, found.status, found.comment)
        return _told(query, found.matches)

    def _findscu(self, query: MadeQuery) -> Answer:
        folder = self._directory / str(next(self._numbers))
        folder.mkdir(parents=True)
        file = folder / "query.dcm"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            identifier(query).save_as(file, enforce_file_format=True)
        title, port = self._entity(query)
        return _told(query, findscu(port, title, file, folder / "found", MODELS[query.root.lower()][1]))

    def _orthanc_asks(self, query: MadeQuery) -> Answer:
        keys = {f"{tag[:4]},{tag[4:]}": "\\".join(values) for tag, values in query.keys.items() if ">" not in tag}
        level = {"IMAGE": "Instance"}.get(query.level, query.level.capitalize())
        title, _port = self._entity(query)
        asked = self._orthanc.post(f"/modalities/{title}/query", {"Level": level, "Query": keys})
        found = self._orthanc.get(f"/queries/{asked['ID']}/answers?expand&short")
        texts = [{tag: it.get(f"{tag[:4]},{tag[4:]}".lower(), "") for tag in query.keys} for it in found]
        return _ordered({tag: list(filter(None, text.split("\\"))) for tag, text in it.items()} for it in texts)

    def _entity(self, query: MadeQuery) -> tuple[str, int]:
        role = _ROLES[query.fold_names]
        return ROOT + SUFFIXES[role], self._archive.port(role)


_ASKERS: Mapping[str, Callable[[ArchiveAndPeers, MadeQuery], Answer]] = {
    "pynetdicom": ArchiveAndPeers._pynetdicom,
    "findscu": ArchiveAndPeers._findscu,
    "Orthanc": ArchiveAndPeers._orthanc_asks,
}


@contextmanager
def archive_and_peers(directory: Path) -> Iterator[ArchiveAndPeers]:
    """Run the archive, and Orthanc that knows its entities."""
    with ArchiveSite(directory, entities=_ENTITIES) as archive:
        known = {ROOT + SUFFIXES[role]: archive.port(role) for role in _ROLES.values()}
        with Orthanc(directory / "orthanc", known) as orthanc:
            yield ArchiveAndPeers(directory / "queries", archive, orthanc)


def identifier(query: MadeQuery) -> Dataset:
    """Write a query in implicit VR, where patterns and ranges fit into any element that is text."""
    asked, item = Dataset(), Dataset()
    asked.file_meta = FileMetaDataset()
    asked.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    asked.file_meta.MediaStorageSOPClassUID, asked.file_meta.MediaStorageSOPInstanceUID = MODELS[query.root.lower()][0], "2.25.1"
    asked.SpecificCharacterSet, asked.QueryRetrieveLevel = "ISO_IR 192", query.level
    for path, values in query.keys.items():
        sequence, _, tag = path.rpartition(">")
        (item if sequence else asked).add(_element(tag, ATTRIBUTES[path].vr, values))
    if item:
        asked.add(DataElement(0x00400275, "SQ", Items([item])))
    return asked


def _element(tag: str, vr: str, values: Sequence[str]) -> DataElement:
    number = int(tag, 16)
    if vr == "US":
        return DataElement(number, vr, [int(value) for value in values])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # wild cards and ranges are no values of their VRs
        return DataElement(number, vr if vr in ("PN", "UI") else "LO", "\\".join(values), validation_mode=IGNORE)


def _told(query: MadeQuery, found: Iterable[Dataset]) -> Answer:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _ordered({path: _values(match, path) for path in query.keys} for match in found)


def _values(match: Dataset, path: str) -> list[str]:
    sequence, _, tag = path.rpartition(">")
    if sequence:
        items = match[int(sequence, 16)].value if int(sequence, 16) in match else ()
        return [value for item in items for value in _values(item, tag)]
    element = match.get(int(tag, 16))
    if element is None or element.value is None:
        return []
    several = element.value if isinstance(element.value, MultiValue) else [element.value]
    return [text for value in several if (text := str(value))]


def _ordered(found: Iterable[Mapping[str, Sequence[str]]]) -> Answer:
    return sorted(json.dumps(it, sort_keys=True, ensure_ascii=False) for it in found)
