"""An object in a file gives its data set as it is, in pieces of any size."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gateway_client.objects.part10 import HEAD_LIMIT, FileMeta, encode_head
from gateway_client.transmission.object_file import ObjectFile
from tests.unit.gateway_client.fakes import CT, EXPLICIT

HEAD = encode_head(FileMeta(CT, "1.2.3", EXPLICIT, "", "", 0))
#: Longer than what is read with the head.
DATA = os.urandom(3 * HEAD_LIMIT)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "image.dcm"
    path.write_bytes(HEAD + DATA)
    return path


@pytest.mark.parametrize("piece", [1000, HEAD_LIMIT - len(HEAD), HEAD_LIMIT, len(DATA)])
def test_pieces_of_any_size_are_the_whole_data_set(path: Path, piece: int) -> None:
    one = ObjectFile(path)
    pieces = []
    while one.size:
        pieces.append(one.read(min(piece, one.size)))
    one.close()
    assert b"".join(pieces) == DATA


def test_what_was_put_away_is_read_from_its_beginning(path: Path) -> None:
    one = ObjectFile(path)
    one.put_away()
    assert one.read(len(DATA)) == DATA
    one.close()


def test_an_object_that_has_become_shorter_meanwhile_cannot_be_read_to_its_end(path: Path) -> None:
    one = ObjectFile(path)
    os.truncate(path, len(HEAD) + HEAD_LIMIT)
    with pytest.raises(OSError, match="shorter"):
        one.read(len(DATA))
    one.close()
