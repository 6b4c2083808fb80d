"""Objects that are kept in a folder, as pieces come."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from console.scu.keeping import Keeper
from dul import Command, CommandField, Request

_CT = "1.2.840.10008.5.1.4.1.1.2"


class _Asked:
    """A C-STORE whose answer is remembered."""

    transfer_syntax = "1.2.840.10008.1.2"

    def __init__(self, uid: str) -> None:
        self.command = Command(field=CommandField.C_STORE_RQ, sop_class=_CT, sop_instance=uid)
        self.statuses: list[int] = []

    def respond(self, status: int) -> None:
        self.statuses.append(status)


def test_an_object_that_comes_over_two_associations_at_once_is_kept_whole_and_both_hear_so(tmp_path: Path) -> None:
    keeper = Keeper(tmp_path)
    first, second = _Asked("1.2.3"), _Asked("1.2.3")
    one, other = (keeper.store(cast(Request, cast(Any, asked))) for asked in (first, second))
    for sink in (one, other):
        sink.write(memoryview(b"data "))
    one.write(memoryview(b"set"))
    one.finish()
    other.write(memoryview(b"set"))
    other.finish()
    assert (first.statuses, second.statuses, keeper.failed) == ([0], [0], {})
    assert [path.name for path in tmp_path.iterdir()] == ["1.2.3.dcm"]
    assert (tmp_path / "1.2.3.dcm").read_bytes().endswith(b"data set")
