"""Command sets are those that pydicom and pynetdicom write and read; broken ones are refused, whatever they hold."""

from __future__ import annotations

import io
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset
from pydicom.filereader import read_dataset
from pydicom.tag import Tag
from pynetdicom.dsutils import encode

from dul.command import NO_DATA_SET, Command, CommandField, decode_command, encode_command
from dul.errors import BadCommand

_US = st.integers(0, 0xFFFF)
_UID = st.from_regex(r"[12](\.(0|[1-9][0-9]{0,8})){1,6}", fullmatch=True)
_TITLE = st.from_regex(r"[A-Z0-9_]{1,16}", fullmatch=True)
_TAGS = st.lists(st.integers(0, 0xFFFFFFFF), min_size=1, max_size=5).map(tuple)
#: Fields of a command with the keyword of the element that each is.
KEYWORDS = {
    "sop_class": ("AffectedSOPClassUID", _UID),
    "requested_sop_class": ("RequestedSOPClassUID", _UID),
    "message_id": ("MessageID", _US),
    "responds_to": ("MessageIDBeingRespondedTo", _US),
    "move_destination": ("MoveDestination", _TITLE),
    "priority": ("Priority", _US),
    "status": ("Status", _US),
    "offending": ("OffendingElement", _TAGS),
    "error_comment": ("ErrorComment", _TITLE),
    "error_id": ("ErrorID", _US),
    "sop_instance": ("AffectedSOPInstanceUID", _UID),
    "requested_sop_instance": ("RequestedSOPInstanceUID", _UID),
    "event_type": ("EventTypeID", _US),
    "attributes": ("AttributeIdentifierList", _TAGS),
    "action_type": ("ActionTypeID", _US),
    "remaining": ("NumberOfRemainingSuboperations", _US),
    "completed": ("NumberOfCompletedSuboperations", _US),
    "failed": ("NumberOfFailedSuboperations", _US),
    "warning": ("NumberOfWarningSuboperations", _US),
    "move_originator": ("MoveOriginatorApplicationEntityTitle", _TITLE),
    "move_originator_message_id": ("MoveOriginatorMessageID", _US),
}
COMMANDS = st.fixed_dictionaries(
    {"field": _US, "has_data": st.booleans()}, optional={name: values for name, (_, values) in KEYWORDS.items()}
).map(lambda fields: Command(**fields))
STORED = Command(
    field=CommandField.C_STORE_RQ, has_data=True, sop_class="1.2.3", message_id=7, priority=0, sop_instance="1.2.3.4"
)


def data_set(command: Command) -> Dataset:
    """Give what pydicom calls a command set."""
    dataset = Dataset()
    dataset.CommandField = command.field
    dataset.CommandDataSetType = 1 if command.has_data else NO_DATA_SET
    for name, (keyword, _) in KEYWORDS.items():
        value = getattr(command, name)
        if value is not None:
            setattr(dataset, keyword, list(value) if isinstance(value, tuple) else value)
    return dataset


def element(number: int, value: bytes, group: int = 0) -> bytes:
    return struct.pack("<HHI", group, number, len(value)) + value


@given(COMMANDS)
def test_what_is_written_is_what_pydicom_writes(command: Command) -> None:
    body = encode(data_set(command), True, True)
    assert body is not None
    assert encode_command(command) == element(0, struct.pack("<I", len(body))) + body


@given(COMMANDS)
def test_what_is_written_is_read_again_by_us_and_by_pydicom(command: Command) -> None:
    data = encode_command(command)
    assert decode_command(data) == command
    read = read_dataset(io.BytesIO(data), True, True)
    assert read.CommandGroupLength == len(data) - 12
    del read[Tag(0, 0)]
    assert read == data_set(command)


@given(COMMANDS, st.data())
def test_a_command_set_that_is_cut_off_is_refused(command: Command, data: st.DataObject) -> None:
    whole = encode_command(command)
    cut = data.draw(st.integers(0, len(whole) - 1))
    try:
        found = decode_command(whole[:cut])
    except BadCommand:
        return
    assert all(getattr(found, name) in (None, getattr(command, name)) for name in KEYWORDS)


@given(st.binary(max_size=200))
def test_junk_is_refused_or_read_and_raises_nothing_else(junk: bytes) -> None:
    try:
        command = decode_command(junk)
    except BadCommand:
        return
    assert isinstance(command.field, int)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "no Command Field"),
        (element(0x100, b"\x01\x00"), "no Command Data Set Type"),
        (element(0x100, b"\x01"), "a value that it cannot have"),
        (element(0x100, b"\x01\x00\x00\x00"), "a value that it cannot have"),
        (element(2, "1.2.é".encode()), "a value that it cannot have"),
        (element(0x901, b"\x01\x02\x03"), "a value that it cannot have"),
        (element(0x100, b"\x01\x80", group=8), "no Command Field"),
        (struct.pack("<HHI", 0, 2, 0xFFFFFFFF) + b"1.2", "4294967295 bytes"),
        (b"\0\0\0", "ends within an element's header at byte 0"),
    ],
)
def test_a_broken_command_set_is_refused_with_what_is_wrong(data: bytes, said: str) -> None:
    with pytest.raises(BadCommand, match=said):
        decode_command(data)


def test_elements_without_a_field_and_empty_ones_are_passed_over() -> None:
    retired, empty = element(0x10, b"ACR-NEMA 2.0"), element(0x902, b"")
    assert decode_command(retired + encode_command(STORED) + empty) == STORED


def test_elements_of_other_groups_are_passed_over() -> None:
    """As those of Orthanc's answers to a C-GET that failed in part."""
    failed = element(0x58, b"1.2.3\0", group=8)
    group_length = element(0, struct.pack("<I", len(failed)), group=8)
    assert decode_command(encode_command(STORED) + group_length + failed) == STORED


def test_a_response_repeats_what_it_answers() -> None:
    assert STORED.response(0xA700, error_comment="full") == Command(
        field=CommandField.C_STORE_RSP,
        responds_to=7,
        sop_class="1.2.3",
        sop_instance="1.2.3.4",
        status=0xA700,
        error_comment="full",
    )
    action = Command(field=CommandField.N_ACTION_RQ, message_id=9, requested_sop_class="1.2", requested_sop_instance="1.3")
    answer = action.response(0, has_data=True, action_type=1)
    assert (answer.sop_class, answer.sop_instance, answer.responds_to, answer.has_data) == ("1.2", "1.3", 9, True)
    assert answer.is_response
    assert not action.is_response
