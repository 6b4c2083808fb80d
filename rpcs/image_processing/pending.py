"""What the images of one call add to the database: gathered, and written with few statements however many images there are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import bindparam, update

from fileman import ManyRows, NumbersAhead, expect_derived_files
from fileman.files import Image
from rpcs.background_queue import Work, enqueue
from rpcs.call import Call
from rpcs.image_processing.counts import count
from rpcs.image_processing.current import current_image, set_current_image

_IMAGES = ManyRows(Image)
_ADD_MEMBERS = (
    update(Image)
    .where(Image.ien == bindparam("group_"))
    .values(members=Image.members + bindparam("more"), last_member=Image.last_member + bindparam("more"))
    .returning(Image.members, Image.last_member)
)


@dataclass(slots=True)
class Members:
    """How many images a group has with those of this call, the subscript of the last one, and how many are not counted yet."""

    count: int
    last: int
    pending: int = 0


@dataclass(slots=True)
class Pending:
    """What is yet to be written in a call. Whoever reads any of it, or its end, has it written first.

    When the call fails nothing of it is written, as nothing is left then of what was.
    """

    call: Call
    numbers: NumbersAhead = field(init=False)
    images: dict[int, dict[str, object]] = field(default_factory=dict)
    counts: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    works: list[Work] = field(default_factory=list)
    derived: dict[int, Sequence[str]] = field(default_factory=dict)
    _members: dict[int, Members] = field(default_factory=dict)
    _current: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Take no numbers yet."""
        self.numbers = NumbersAhead(self.call.connection, "image")

    def add_member(self, group: int) -> tuple[int, int]:
        """Count one more image of a group; gives how many it has by now, and the subscript of this one.

        From the first on nobody else counts images of the group until the transaction ends.
        """
        members = self._members.get(group)
        if members is None:
            count, last = self.call.connection.execute(_ADD_MEMBERS, {"group_": group, "more": 1}).one()
            members = self._members[group] = Members(count, last)
        else:
            members.count += 1
            members.last += 1
            members.pending += 1
        return members.count, members.last

    def current(self, machine: str) -> str | None:
        """Give the UID of the image that a gateway was working on last, None when it never was on any."""
        return self._current[machine] if machine in self._current else current_image(self.call.connection, machine)

    def set_current(self, machine: str, uid: str) -> None:
        """Record which image a gateway is working on; none when it is done."""
        self._current[machine] = uid

    def write(self) -> None:
        """Write it all. Raises what SQLAlchemy does for values that the database refuses."""
        connection = self.call.connection
        _IMAGES.write(connection, list(self.images.values()))
        for group, members in self._members.items():
            if members.pending:
                connection.execute(_ADD_MEMBERS, {"group_": group, "more": members.pending})
        for (location, instrument, step), more in self.counts.items():
            count(self.call, location, instrument, step, more)
        for machine, uid in self._current.items():
            set_current_image(connection, machine, uid)
        enqueue(self.call.connection, self.works, self.call.session.duz, self.call.clock.now())
        expect_derived_files(connection, self.derived, self.call.clock.seconds())
        self.numbers.give_back()
        for gathered in (self.images, self._members, self.counts, self._current, self.works, self.derived):
            gathered.clear()
