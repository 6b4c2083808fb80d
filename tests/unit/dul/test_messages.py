"""Messages come out of fragments however they are cut, and fragments that cannot belong together are violations."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dul.command import Command, CommandField, encode_command
from dul.errors import PeerViolation
from dul.events import Fragment
from dul.messages import COMMAND_LIMIT, Begun, MessageReader, Piece

ECHO = Command(field=CommandField.C_ECHO_RQ, message_id=1, sop_class="1.2.840.10008.1.1")
STORE = Command(field=CommandField.C_STORE_RQ, has_data=True, message_id=2, sop_class="1.2", sop_instance="1.3", priority=0)


def fragments(context: int, data: bytes, cuts: list[int], *, command: bool) -> list[Fragment]:
    places = [0, *sorted({cut % (len(data) + 1) for cut in cuts}), len(data)]
    pieces = [data[a:b] for a, b in pairwise(places)]
    return [Fragment(context, command, at == len(pieces) - 1, memoryview(piece)) for at, piece in enumerate(pieces)]


_MESSAGE = st.tuples(st.sampled_from([ECHO, STORE]), st.binary(max_size=50), st.lists(st.integers(0, 200), max_size=5))


@given(st.lists(_MESSAGE, max_size=5))
def test_messages_are_read_however_they_are_cut(sent: list[tuple[Command, bytes, list[int]]]) -> None:
    reader = MessageReader()
    found: list[tuple[Command, bytes]] = []
    for context, (command, data, cuts) in enumerate(sent):
        parts = fragments(2 * context + 1, encode_command(command), cuts, command=True)
        parts += fragments(2 * context + 1, data, cuts, command=False) if command.has_data else []
        for fragment in parts:
            assert not (fragment is parts[0] and reader.in_message)
            match reader.read(fragment):
                case Begun(context_id, begun):
                    assert context_id == 2 * context + 1
                    found.append((begun, b""))
                case Piece(piece, last):
                    found[-1] = (found[-1][0], found[-1][1] + piece)
                    assert last is (fragment is parts[-1])
        assert not reader.in_message
    assert found == [(command, data if command.has_data else b"") for command, data, _ in sent]


def test_contexts_are_not_mixed_within_a_message() -> None:
    reader = MessageReader()
    first, second = fragments(1, encode_command(STORE), [20], command=True)
    reader.read(first)
    with pytest.raises(PeerViolation, match="two presentation contexts"):
        reader.read(Fragment(3, True, second.last, second.data))


@pytest.mark.parametrize("command", [True, False])
def test_command_and_data_come_in_their_order(command: bool) -> None:
    reader = MessageReader()
    if command:
        reader.read(Fragment(1, True, True, memoryview(encode_command(STORE))))
    with pytest.raises(PeerViolation, match="a data set has to end" if command else "a command set has to come first"):
        reader.read(Fragment(1, command, True, memoryview(b"")))


def test_a_command_set_is_bounded() -> None:
    reader = MessageReader()
    reader.read(Fragment(1, True, False, memoryview(bytes(COMMAND_LIMIT))))
    with pytest.raises(PeerViolation, match="longer than"):
        reader.read(Fragment(1, True, False, memoryview(b"\0")))


def test_a_command_set_that_cannot_be_read_is_a_violation() -> None:
    with pytest.raises(PeerViolation, match="no Command Field"):
        MessageReader().read(Fragment(1, True, True, memoryview(b"")))
