"""Worklist queries are answered as DCMTK's wlmscpfs and a plain matcher answer them, over the same worklist files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from sqlalchemy import update

from fileman.files import ScheduledStep
from fileman.worklist import add_steps, complete
from tests.support.archive_site import ROOT, ArchiveSite
from tests.support.findscu import findscu
from tests.support.wlmscpfs import SAMPLES, TITLE, Wlmscpfs, dicom_of, entry_of, said
from tests.support.worklist_comparison import Keys, Worklists, queries, worklists

QUERIES = 40


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worklists]:
    with worklists(tmp_path_factory.mktemp("worklists")) as running:
        yield running


@settings(max_examples=QUERIES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(keys=queries())
def test_wlmscpfs_and_a_plain_matcher_find_what_we_find(both: Worklists, keys: Keys) -> None:
    answers = both.answers(keys)
    assert answers["we"] == answers["wlmscpfs"] == answers["matcher"], keys


def read_sample(file: Path) -> str:
    """Give the text of a sample of DCMTK's."""
    return file.read_text(encoding="latin-1")


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="DCMTK's package was installed without its documentation, which has the samples")
def test_dcmtks_own_sample_queries_are_answered_alike(tmp_path: Path) -> None:
    dumps = sorted((SAMPLES / "wlistdb" / "OFFIS").glob("*.dump"))
    samples = sorted((SAMPLES / "wlistqry").glob("*.dump"))
    with Wlmscpfs(tmp_path / "wlmscpfs") as peer, ArchiveSite(tmp_path) as archive:
        files = peer.hold((file.stem, read_sample(file)) for file in dumps)
        archive.store.transact(lambda it: it.execute(update(ScheduledStep).values(status="CANCELLED", open=False)))
        archive.store.transact(lambda it: add_steps(it, [complete(entry_of(file)) for file in files]))
        counts = {}
        for sample in samples:
            query = dicom_of(read_sample(sample), tmp_path / f"{sample.stem}.dcm")
            theirs = findscu(peer.port, TITLE, query, tmp_path / f"{sample.stem} theirs")
            ours = findscu(archive.port("long_term"), f"{ROOT}DPQR", query, tmp_path / f"{sample.stem} ours")
            assert said(ours) == said(theirs), sample.name
            counts[sample.stem] = len(ours)
    assert (len(files), len(counts)) == (10, 13)
    assert (counts["wlistqry0"], counts["wlistqry5"], counts["wlistqry4"]) == (10, 6, 0)
