"""The token query, both ways, in every cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.xwb.feeding import CUTS, cut_anywhere, feed
from xwb import BSEAnswerDecoder, BSEDecoder, CannotEncode, TokenAsked, Violated, encode_token_query, encode_visitor


@pytest.mark.parametrize(
    ("data", "token"),
    [
        (b"~BSE~016XUSBSE123-4567_1", b"XUSBSE123-4567_1"),
        (b"~BSE~000", b""),
        (b"~BSE~abc", b""),
        (b"~BSE~  3xyz", b""),
        (b"~BSE~-12abc", b""),
        (b"~BSE~1xxa", b"a"),
    ],
)
def test_a_query_is_read(data: bytes, token: bytes) -> None:
    for cut in CUTS:
        assert feed(BSEDecoder(), cut(data + b"what follows")) == [TokenAsked(token)]


def test_a_token_is_not_longer_than_its_length_says_it_may_be() -> None:
    [event] = feed(BSEDecoder(), [b"~BSE~9E9", b"x" * 100])
    assert isinstance(event, Violated)
    with pytest.raises(CannotEncode):
        encode_token_query(b"x" * 1000)
    with pytest.raises(CannotEncode):
        encode_visitor(b"x" * 1000)


def test_a_short_query_gives_nothing_until_a_silence_ends_it() -> None:
    decoder = BSEDecoder()
    assert feed(decoder, [b"~BSE~0123"]) == []
    assert isinstance(decoder.receive_silence(), Violated)


@given(st.data(), st.binary(max_size=999), st.binary(max_size=999))
def test_queries_and_answers_come_back_in_any_cut(data: st.DataObject, token: bytes, answer: bytes) -> None:
    assert feed(BSEDecoder(), data.draw(cut_anywhere(encode_token_query(token)))) == [TokenAsked(token)]
    assert feed(BSEAnswerDecoder(), data.draw(cut_anywhere(encode_visitor(answer)))) == [answer]
