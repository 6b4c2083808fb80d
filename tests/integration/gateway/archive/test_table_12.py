"""Table 12 of the MagicStore statement: C-MOVE by each information model in each transfer syntax, and by DCMTK's movescu."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.gateway.archive.samples import (
    IMAGE,
    IMAGES,
    OTHER_STUDY,
    PATIENT_ID,
    SECOND_IMAGE,
    STATE,
    STUDY,
    sample_objects,
)
from tests.support.dcmtk_retrieval import movescu
from tests.support.magicstore_tables import OTHER_PREFERENCE, TABLE_12, ContextRow
from tests.support.moving_site import SINK, MovingSite, bytes_of, moving_site

EACH = [(row, syntax) for row in TABLE_12 for syntax in row.transfer_syntaxes]
OBJECTS = sample_objects()
OF_STUDY = bytes_of([it for it in OBJECTS if it.StudyInstanceUID == STUDY])
ABOVE = {"PatientID": PATIENT_ID, "StudyInstanceUID": STUDY}
#: By abstract syntax the information model, with the keys of one study.
ASKED = {
    "1.2.840.10008.5.1.4.1.2.1.2": ("patient", ABOVE),
    "1.2.840.10008.5.1.4.1.2.2.2": ("study", {"StudyInstanceUID": STUDY}),
    "1.2.840.10008.5.1.4.1.2.3.2": ("patient/study", ABOVE),
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MovingSite]:
    with moving_site(tmp_path_factory.mktemp("site"), OBJECTS) as site:
        yield site


@pytest.mark.parametrize("role", ["short_term", "long_term"])
@pytest.mark.parametrize(("row", "syntax"), EACH, ids=lambda it: it.name if isinstance(it, ContextRow) else it)
def test_a_study_is_moved_by_each_model_in_each_transfer_syntax(
    site: MovingSite, row: ContextRow, syntax: str, role: str
) -> None:
    model, keys = ASKED[row.uid]
    moved = site.move("STUDY", keys, model, role=role, syntaxes=[syntax])
    assert moved.syntax == syntax
    assert moved.statuses == [0xFF00, 0xFF00, 0x0000]
    assert moved.counts == [(2, 1, 0, 0), (1, 2, 0, 0), (None, 3, 0, 0)]
    assert site.took() == OF_STUDY


@pytest.mark.parametrize("row", TABLE_12, ids=lambda row: row.name)
def test_of_the_three_transfer_syntaxes_the_preferred_one_is_taken(site: MovingSite, row: ContextRow) -> None:
    model, _keys = ASKED[row.uid]
    assert site.move("STUDY", {}, model, syntaxes=row.transfer_syntaxes).syntax == OTHER_PREFERENCE[0]


@pytest.mark.parametrize("row", TABLE_12, ids=lambda row: row.name)
@pytest.mark.parametrize("option", ["-xi", "-xe", "-xb"])
def test_movescu_moves_by_each_model(site: MovingSite, row: ContextRow, option: str) -> None:
    model, keys = ASKED[row.uid]
    words = ["QueryRetrieveLevel=STUDY", *(f"{keyword}={value}" for keyword, value in keys.items())]
    done = movescu(site.address(), words, SINK, model=model, options=[option])
    assert (done.status, done.completed, done.failed, done.warning) == (0x0000, 3, 0, 0)
    assert site.took() == OF_STUDY


@pytest.mark.parametrize(
    ("level", "keys", "uids"),
    [
        ("PATIENT", {"PatientID": PATIENT_ID}, OF_STUDY),
        ("STUDY", ABOVE, OF_STUDY),
        ("SERIES", {**ABOVE, "SeriesInstanceUID": [IMAGES]}, [IMAGE, SECOND_IMAGE]),
        ("IMAGE", {**ABOVE, "SeriesInstanceUID": IMAGES, "SOPInstanceUID": IMAGE}, [IMAGE]),
        ("IMAGE", {"SOPInstanceUID": [STATE, IMAGE]}, [IMAGE, STATE]),  # relational: none of the levels above is named
        ("SERIES", {"StudyInstanceUID": OTHER_STUDY, "SeriesInstanceUID": IMAGES}, []),
    ],
)  # fmt: skip
def test_the_short_term_entity_moves_at_every_level_and_relationally(
    site: MovingSite, level: str, keys: dict[str, object], uids: list[str]
) -> None:
    moved = site.move(level, keys, "patient")
    assert moved.statuses[-1] == 0x0000
    assert moved.counts[-1] == (None, len(uids), 0, 0)
    assert sorted(site.took()) == sorted(uids)


def test_the_long_term_entity_moves_relationally_though_its_queries_are_not_relational(site: MovingSite) -> None:
    moved = site.move("STUDY", {"StudyInstanceUID": STUDY}, "patient", role="long_term")
    assert moved.statuses[-1] == 0x0000
    assert site.took() == OF_STUDY
    assert site.archive.find("STUDY", {"StudyInstanceUID": STUDY}, "patient", "long_term").status == 0xA900


@pytest.mark.parametrize("model", ["patient", "study"])
def test_the_long_term_entity_moves_patients_and_studies_only(site: MovingSite, model: str) -> None:
    moved = site.move("SERIES", {**ABOVE, "SeriesInstanceUID": IMAGES}, model, role="long_term")
    assert moved.statuses == [0xA900]
    assert moved.comment
    assert site.took() == {}


@pytest.mark.parametrize(
    ("model", "level", "keys"),
    [
        ("study", "PATIENT", {"PatientID": PATIENT_ID}),
        ("patient/study", "SERIES", {"SeriesInstanceUID": IMAGES}),
        ("study", "STUDY", {}),
        ("study", "FOLDER", {"StudyInstanceUID": STUDY}),
    ],
)
def test_an_identifier_that_does_not_match_the_sop_class_is_refused(
    site: MovingSite, model: str, level: str, keys: dict[str, str]
) -> None:
    moved = site.move(level, keys, model)
    assert moved.statuses == [0xA900]
    assert moved.comment
