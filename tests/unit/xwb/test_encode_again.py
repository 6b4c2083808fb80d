"""A decoded message is written again with other parameters, its digits kept."""

import pytest
from hypothesis import given

from tests.unit.xwb.feeding import decode, parameters
from xwb import CallReceived, Literal, encode_again, encode_call, encode_command


@given(parameters)
def test_a_message_written_again_with_its_own_parameters_is_the_same_to_a_broker(of):
    message = encode_call(b"XWB EGCHO STRING", of, version=b"1.0")
    (event,) = decode(message)
    assert decode(encode_again(message, event, event.parameters)) == [event]


@pytest.mark.parametrize(
    ("message", "value", "expected"),
    [
        (b"[XWB]11302\x010\x03RPC50003onef\x04", b"three", b"[XWB]11302\x010\x03RPC50005threef\x04"),
        (b"[XWB]10502\x010\x03RPC5000003onef\x04", b"two", b"[XWB]10502\x010\x03RPC5000003twof\x04"),
        (b"[XWB]11002\x010\x03RPC50003onef\x04", b"two", b"[XWB]11302\x010\x03RPC50003twof\x04"),
        (b"[XWB]11302\x010\x03RPC50003onef\x04", b"x" * 1000, b"[XWB]11502\x010\x03RPC5001000" + b"x" * 1000 + b"f\x04"),
        (b"[XWB]10304\x0aTCPConnect50003onef\x04", b"two", b"[XWB]10304\x0aTCPConnect50003twof\x04"),
    ],
)
def test_digits_stay_and_the_width_grows_only_when_it_must(message, value, expected):
    (event,) = decode(message)
    assert encode_again(message, event, [Literal(value)]) == expected


def test_a_return_digit_that_wants_no_answer_stays():
    message = encode_call(b"RPC", [Literal(b"one")]).replace(b"[XWB]1130", b"[XWB]1131")
    (event,) = decode(message)
    assert not event.reply
    (again,) = decode(encode_again(message, event, [Literal(b"two")]))
    assert again == CallReceived(b"RPC", b"1.108", (Literal(b"two"),), reply=False)


def test_a_command_without_parameter_chunk_gets_none():
    message = encode_command(b"#BYE#")
    (event,) = decode(message)
    assert encode_again(message, event, []) == message
