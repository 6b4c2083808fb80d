"""MAGB RETRIEVE: which instances are meant, where their files are, and what is refused."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from fileman import image_moved
from fileman.files import Image, NetworkLocation
from tests.integration.rpcs.archive.asking import CT_STORAGE, EXPLICIT_LITTLE, Archive
from tests.support.query_plans import statements_of

HEADER = {"0002,0010": EXPLICIT_LITTLE, "0008,0016": CT_STORAGE}


def test_an_instance_is_told_with_what_sending_it_needs(archive: Archive) -> None:
    image = archive.file("5.1", HEADER, size=1234)
    (entry,) = archive.gateway.rows(Image)[1:]
    head, told = archive.retrieve("IMAGE", {"00080018": ["5.1"]})
    path = "\\".join(["\\\\SLC-IMG1", "IMAGE1$", *directories(entry.file_ref), entry.file_ref])
    assert head == {"more": None}
    assert told == [CT_STORAGE, "5.1", EXPLICIT_LITTLE, image, "d" * 64, path, "INSTORE", "RAID1", 1234]


def directories(file_ref: str) -> list[str]:
    """Give the hashed directories of a file, written out once more."""
    root = file_ref.removesuffix(".DCM")
    return [root[:4], root[4:6], root[6:8], root[8:10], root[10:12]]


def test_what_left_the_short_term_location_is_told_on_the_long_term_one(archive: Archive) -> None:
    image = archive.file("5.1", HEADER)
    archive.gateway.store.transact(lambda it: image_moved(it, image, None, 11))
    ((*_, path, state, location, _size),) = archive.retrieve("STUDY", {"0020000D": ["1.2.3"]})[1:]
    assert (path.rpartition("\\")[0], state, location) == ("\\\\SLC-JB1\\PLATTER1", "NEAR-LINE", "WORMOTG1")
    archive.gateway.change(update(NetworkLocation).where(NetworkLocation.ien == 11).values(online=False))
    ((*_, path, state, location, _size),) = archive.retrieve("STUDY", {"0020000D": ["1.2.3"]})[1:]
    assert (path.rpartition("\\")[0], state, location) == ("\\\\SLC-JB1\\PLATTER1", "OFFLINE", "WORMOTG1")
    archive.gateway.store.transact(lambda it: image_moved(it, image, None, None))
    ((*_, path, state, location, _size),) = archive.retrieve("STUDY", {"0020000D": ["1.2.3"]})[1:]
    assert (path, state, location) == ("", "OFFLINE", "")


def test_an_object_in_a_big_file_is_told_there_and_a_picture_without_an_object_has_no_path(archive: Archive) -> None:
    first, second = archive.store("5.1", HEADER), archive.store("5.2", HEADER)
    big = {"file_ref": "SL000000000002.TGA", "big_extension": "DCM", "big_location": 12}
    archive.gateway.change(update(Image).where(Image.ien == first).values(**big))
    archive.gateway.change(update(Image).where(Image.ien == second).values(file_ref="SL000000000003.TGA"))
    archive.process(first, second)
    told = {row[1]: row for row in archive.retrieve("SERIES", {"0020000E": ["1.2.3.1"]})[1:]}
    assert (told["5.1"][5], told["5.1"][7]) == ("\\\\SLC-IMG2\\IMAGE2$\\SL000000000002.DCM", "RAID2-FLAT")
    assert (told["5.2"][5], told["5.2"][7]) == ("", "RAID1")


def test_pages_follow_each_other(archive: Archive) -> None:
    for number in range(5):
        archive.file(f"5.{number}", HEADER)
    seen, after = [], ""
    while after is not None:
        head, *told = archive.retrieve("PATIENT", {"00100020": ["666000001"]}, after, 2)
        seen.append([row[1] for row in told])
        after = head["more"]
    assert seen == [["5.0", "5.1"], ["5.2", "5.3"], ["5.4"]]


def test_keys_of_higher_levels_narrow(archive: Archive) -> None:
    archive.file("5.1", HEADER)
    assert len(archive.retrieve("IMAGE", {"00080018": ["5.1"], "0020000D": ["1.2.3"], "0020000E": [""]})) == 2
    assert len(archive.retrieve("IMAGE", {"00080018": ["5.1"], "0020000D": ["1.9"]})) == 1


@pytest.mark.parametrize(
    ("level", "keys", "status"),
    [
        ("STUDY", {}, "A900"),
        ("STUDY", {"0020000D": []}, "A900"),
        ("STUDY", {"0020000D": [""]}, "A900"),
        ("STUDY", {"00100020": ["1"]}, "A900"),
        ("STUDY", {"0020000D": ["1"], "00080018": ["2"]}, "A900"),
        ("STUDY", {"0020000D": ["1"], "00100010": ["DOE"]}, "A900"),
        ("VISIT", {"0020000D": ["1"]}, "A900"),
        ("IMAGE", {"00080018": [f"1.{number}" for number in range(10_001)]}, "A700"),
    ],
)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_what_names_nothing_exactly_is_refused(archive: Archive, level: str, keys: dict[str, list[str]], status: str) -> None:
    (answer,) = archive.retrieve(level, keys)
    assert answer["status"] == status


def test_wild_cards_are_taken_as_they_are(archive: Archive) -> None:
    archive.file("5.1", HEADER)
    assert archive.retrieve("IMAGE", {"00080018": ["5.*", "\ud800", "\0"]}) == [{"more": None}]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("level", "keys", "index"),
    [
        ("IMAGE", {"00080018": ["5.1"]}, "ix_archive_instance_sop_uid (sop_uid=?)"),
        ("SERIES", {"0020000E": ["1.2.3.1"]}, "ix_archive_instance_series (series=?)"),
        ("STUDY", {"0020000D": ["1.2.3"]}, "ix_archive_instance_series (series=?)"),
        ("PATIENT", {"00100020": ["666000001"]}, "ix_archive_instance_series (series=?)"),
    ],
)
def test_retrievals_use_indexes(archive: Archive, level: str, keys: dict[str, list[str]], index: str) -> None:
    with statements_of(archive.gateway.store) as statements:
        archive.retrieve(level, keys)
    plans = [steps for text, steps in statements.plans(archive.gateway.store).items() if "archive_" in text]
    assert any(index in step for steps in plans for step in steps), plans
    assert not [step for steps in plans for step in steps if step.startswith("SCAN")]
