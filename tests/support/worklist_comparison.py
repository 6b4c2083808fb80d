"""Made-up queries of a worklist, asked of us, of DCMTK's wlmscpfs and of a plain matcher over the same entries.

wlmscpfs matches by the keys of QUERIES and no others: descriptions, the step ID, station name and status, diagnoses, allergies,
size, weight and the performing physician outside of the sequence narrow nothing down there. A patient ID has no wild cards
there, and a time is the moment that it is with zeros behind, where PS3.4 C.2.2.2.5 has all that a shorter one may be.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from pydicom import Dataset
from pydicom.config import IGNORE
from pydicom.dataelem import DataElement
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian
from sqlalchemy import update

from fileman.files import ScheduledStep
from fileman.worklist import add_steps, complete
from fileman.worklist_attributes import BY_PATH
from tests.support.archive_site import MODELS, ROOT, ArchiveSite
from tests.support.findscu import findscu
from tests.support.wlmscpfs import TITLE, Wlmscpfs, dump_of
from tests.support.worklist_model import AE, DATE, NAME, PATIENT_ID, STEP, TIME, VALUES, Keys, entries, found, ranges

ACCESSION = "00080050"
_CLOCKS = st.builds(lambda hour, minute: f"{hour:02}{minute:02}00", st.integers(0, 23), st.sampled_from([0, 15, 30]))
_MATCHED = (AE, DATE, "00100030", "00100040", "00401001", "00401003", ACCESSION, "00080090", "00080080")
#: What both servers match by, with values that mean the same to both.
QUERIES: dict[str, st.SearchStrategy[str]] = {
    **{path: VALUES[path] for path in (*_MATCHED, f"{STEP}>00080060", f"{STEP}>00400006")},
    NAME: VALUES[NAME].filter(str.isascii),
    TIME: ranges(_CLOCKS),
    PATIENT_ID: st.integers(0, 40).map(lambda number: f"{number:06}"),
}


def queries() -> st.SearchStrategy[Keys]:
    """Make queries of up to three keys, each with one value."""
    keys = st.lists(st.sampled_from(sorted(QUERIES)), min_size=1, max_size=3, unique=True)
    made = keys.flatmap(lambda paths: st.fixed_dictionaries({path: QUERIES[path].map(lambda value: [value]) for path in paths}))
    return made.filter(_means_the_same)


def _means_the_same(keys: Keys) -> bool:
    """Leave out ranges of days and of times of which not both are open at an end, or the times alone at the last.

    wlmscpfs takes the former as two ranges, each by itself, and has the latter end when the last day begins.
    """
    ((days,), (times,)) = (keys.get(path, [""]) for path in (DATE, TIME))
    if "-" not in days or "-" not in times:
        return True
    return not times.endswith("-") and not days.endswith("-") and (not days.startswith("-") or times.startswith("-"))


def common_entries(most: int = 40) -> list[dict[str, object]]:
    """Invent entries that both servers can have: wlmscpfs knows no status, compares bytes, and has no fractions of a second."""
    plain = [entry for entry in entries(3 * most) if str(entry["patient_name"]).isascii()][:most]
    return [
        complete({**entry, "status": "SCHEDULED", "start_time": f"{str(entry['start_time'])[:4]}00"}) for entry in plain[:most]
    ]


class Worklists:
    """The same entries at wlmscpfs and at an archive's long-term entity."""

    def __init__(self, directory: Path, archive: ArchiveSite, peer: Wlmscpfs) -> None:
        self._directory, self._archive, self._peer = directory, archive, peer
        self._numbers = count()
        self._entries = common_entries()
        peer.hold((str(entry["accession"]), dump_of(entry)) for entry in self._entries)
        archive.store.transact(lambda it: it.execute(update(ScheduledStep).values(status="CANCELLED", open=False)))
        archive.store.transact(lambda it: add_steps(it, self._entries))

    def answers(self, keys: Keys) -> dict[str, list[str]]:
        """Ask everybody; give the accession numbers of the matches by who says them."""
        folder = self._directory / str(next(self._numbers))
        folder.mkdir(parents=True)
        query = folder / "query.dcm"
        _identifier(keys).save_as(query, enforce_file_format=True)
        asked = {"wlmscpfs": (self._peer.port, TITLE), "we": (self._archive.port("long_term"), f"{ROOT}DPQR")}
        said = {who: findscu(*address, query, folder / who) for who, address in asked.items()}
        told = {who: sorted(str(match.AccessionNumber) for match in matches) for who, matches in said.items()}
        return {**told, "matcher": [str(entry["accession"]) for entry in self._entries if found(entry, keys)]}


@contextmanager
def worklists(directory: Path) -> Iterator[Worklists]:
    """Run both servers."""
    with Wlmscpfs(directory / "wlmscpfs") as peer, ArchiveSite(directory) as archive:
        yield Worklists(directory / "queries", archive, peer)


def _identifier(keys: Keys) -> Dataset:
    asked, item = Dataset(), Dataset()
    asked.file_meta = FileMetaDataset()
    asked.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    asked.file_meta.MediaStorageSOPClassUID, asked.file_meta.MediaStorageSOPInstanceUID = MODELS["worklist"][0], "2.25.1"
    for path, values in {ACCESSION: [""], **keys}.items():
        *sequences, tag = path.split(">")
        (value,) = values
        (item if sequences else asked).add(_element(int(tag, 16), BY_PATH[path].vr, value))
    if item:
        asked.add(DataElement(0x00400100, "SQ", [item]))
    return asked


def _element(tag: int, vr: str, value: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # wild cards and ranges are no values of their VRs
        return DataElement(tag, vr, value, validation_mode=IGNORE)
