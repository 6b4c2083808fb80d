"""The guard: a response that the association's reactor takes from the queue reaches the sender who waits for it."""

from __future__ import annotations

import pytest
from pynetdicom import AE
from pynetdicom._globals import MODE_REQUESTOR
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_STORE

from gateway_client.scu_guard import guard


@pytest.fixture
def association() -> Association:
    association = Association(AE(), MODE_REQUESTOR)
    association.dimse_timeout = 0.05
    return association


def response(number: int) -> C_STORE:
    """Make the answer to a C-STORE."""
    primitive = C_STORE()
    primitive.MessageIDBeingRespondedTo = number
    primitive.Status = 0x0000
    return primitive


def reactor_takes_one(association: Association) -> None:
    """Do what `Association._run_reactor` does when it was between its checkpoint and the queue."""
    context, message = association.dimse.get_msg(block=False)
    if message is not None:
        association._serve_request(message, context or 0)


def test_without_the_guard_the_response_is_lost(association: Association) -> None:
    """This is the fault; when it is gone from pynetdicom, so may the guard be."""
    association.dimse.msg_queue.put((1, response(7)))
    reactor_takes_one(association)
    assert association.dimse.get_msg(block=True) == (None, None)


def test_with_the_guard_it_comes_back_in_its_place(association: Association) -> None:
    guard(association)
    association.dimse.msg_queue.put((1, response(7)))
    association.dimse.msg_queue.put((1, response(8)))
    for _ in range(3):
        reactor_takes_one(association)
    for number in (7, 8):
        context, message = association.dimse.get_msg(block=True)
        assert context == 1
        assert message is not None
        assert message.MessageIDBeingRespondedTo == number


def test_requests_are_served_as_before(association: Association, monkeypatch: pytest.MonkeyPatch) -> None:
    served: list[object] = []
    monkeypatch.setattr(association, "_serve_request", lambda message, context: served.append((message, context)))
    guard(association)
    request = C_STORE()
    request.MessageID = 1
    association.dimse.msg_queue.put((3, request))
    reactor_takes_one(association)
    assert served == [(request, 3)]
