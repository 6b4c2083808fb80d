"""N-CREATE and N-SET of performed procedure steps, over an association in memory, with a broker that says what the test wants."""

from __future__ import annotations

import json
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from dul import Command, CommandField, Response
from dul.status import PROCESSING_FAILURE, RESOURCE_LIMITATION, SUCCESS
from gateway_client.archive.identifiers import Encoder
from gateway_client.archive.inquiry import CALL_SECONDS
from gateway_client.archive.mpps import CLASS_INSTANCE_CONFLICT, MOST_ELEMENTS, MPPS, step_services
from gateway_client.broker import Answer
from tests.unit.gateway_client.archive.asking import EXPLICIT, Peer
from tests.unit.gateway_client.fakes import FakeAnswer
from xwb import Argument, ConnectionLost, MError

STEP = "1.2.840.10008.3.1.2.3.3"
CREATE = Command(field=CommandField.N_CREATE_RQ, sop_class=STEP, sop_instance="1.2.3")
SET = Command(field=CommandField.N_SET_RQ, requested_sop_class=STEP, requested_sop_instance="1.2.3")
ATTRIBUTES: dict[str, list[Any]] = {
    "00400252": ["IN PROGRESS"],
    "00100010": ["Yamada^Tarou=山田^太郎"],
    "00400340": [{"0020000E": ["1.2.9"], "00081140": [{"00081155": ["1.2.9.1"]}]}],
}


class Broker:
    """Answers MAGB MPPS; keeps what it was told."""

    def __init__(self, answer: dict[str, Any] | str | Exception | None = None) -> None:
        self.told: list[dict[str, Any]] = []
        self._answer = {"status": "0000"} if answer is None else answer

    async def call(self, name: str, *arguments: Argument) -> Answer:
        """Take what is told."""
        assert name == MPPS
        (request,) = arguments
        assert isinstance(request, list)
        self.told.append(json.loads("".join(request)))
        if isinstance(self._answer, Exception):
            raise self._answer
        return FakeAnswer([self._answer if isinstance(self._answer, str) else json.dumps(self._answer)])


def tell(broker: Broker, command: Command, data: bytes | None) -> Response:
    """Tell of a step; give the one answer."""
    peer = Peer(STEP, lambda reactor: step_services(broker, reactor, lambda: "2.25.7"))
    (answer,) = peer.answers(peer.ask(command, data))
    return answer


@pytest.mark.parametrize(("command", "action"), [(CREATE, "CREATE"), (SET, "SET")])
def test_what_a_modality_tells_goes_to_the_broker_and_is_answered_by_what_that_says(command: Command, action: str) -> None:
    broker = Broker()
    answer = tell(broker, command, Encoder(EXPLICIT).encode(ATTRIBUTES)).command
    assert (answer.status, answer.sop_class, answer.sop_instance) == (SUCCESS, STEP, "1.2.3")
    assert broker.told == [{"uid": "1.2.3", "action": action, "ae_title": "CT1", "attributes": ATTRIBUTES}]


def test_a_step_without_an_instance_uid_gets_one() -> None:
    broker = Broker()
    answer = tell(broker, Command(field=CommandField.N_CREATE_RQ, sop_class=STEP), Encoder(EXPLICIT).encode(ATTRIBUTES))
    assert answer.command.sop_instance == "2.25.7"
    assert broker.told[0]["uid"] == "2.25.7"


def test_a_step_of_some_ten_thousand_images_is_taken_whole() -> None:
    images = [{"00081150": ["1.2"], "00081155": [f"1.2.{number}"]} for number in range(12_000)]
    broker = Broker()
    told = {"00400340": [{"0020000E": ["1.2.9"], "00081140": images}]}
    assert tell(broker, SET, Encoder(EXPLICIT).encode(told)).command.status == SUCCESS
    assert broker.told[0]["attributes"] == told


@pytest.mark.parametrize(
    ("said", "status", "comment", "error_id"),
    [
        ({"status": "0111", "error": "there is one"}, 0x0111, "there is one", None),
        ({"status": "0110", "error": "no longer", "error_id": "A710"}, 0x0110, "no longer", 0xA710),
        ({"status": "0120", "error": "x" * 80}, 0x0120, "x" * 61 + "...", None),
        ({}, PROCESSING_FAILURE, None, None),
        ("not JSON", PROCESSING_FAILURE, ..., None),
        (ConnectionLost(), PROCESSING_FAILURE, "The archive cannot be reached, ask again later", None),
        (MError("M  ERROR=no"), PROCESSING_FAILURE, ..., None),
    ],
)
def test_what_the_broker_refuses_is_refused_for_its_reason(
    said: dict[str, Any] | str | Exception, status: int, comment: Any, error_id: int | None
) -> None:
    answer = tell(Broker(said), SET, Encoder(EXPLICIT).encode(ATTRIBUTES)).command
    assert (answer.status, answer.error_id) == (status, error_id)
    assert answer.error_comment if comment is ... else answer.error_comment == comment


@pytest.mark.parametrize(
    ("command", "data", "status"),
    [
        (CREATE, b"\x08\0", PROCESSING_FAILURE),
        (SET, b"".join(b"\x08\0\x50\0SH\0\0" for _ in range(MOST_ELEMENTS + 1)), RESOURCE_LIMITATION),
        (Command(field=CommandField.N_CREATE_RQ, sop_class="1.2.3", sop_instance="1.2"), b"", CLASS_INSTANCE_CONFLICT),
        (Command(field=CommandField.N_SET_RQ, requested_sop_instance="1.2"), b"", CLASS_INSTANCE_CONFLICT),
    ],
    ids=["broken", "too much", "another class", "no class"],
)
def test_what_cannot_be_a_step_is_refused_before_the_broker_hears_of_it(command: Command, data: bytes, status: int) -> None:
    broker = Broker()
    answer = tell(broker, command, data or Encoder(EXPLICIT).encode(ATTRIBUTES)).command
    assert answer.status == status
    assert answer.error_comment
    assert broker.told == []


def test_a_broker_that_does_not_answer_is_not_waited_for_for_ever() -> None:
    peer = Peer(STEP, lambda reactor: step_services(_Silent(), reactor))
    asked = peer.ask(CREATE, Encoder(EXPLICIT).encode(ATTRIBUTES))
    peer.pair.reactor.advance(CALL_SECONDS)
    (answer,) = peer.answers(asked)
    assert answer.command.status == PROCESSING_FAILURE
    assert answer.command.error_comment == f"The archive did not answer within {CALL_SECONDS:g} s"


class _Silent:
    """A broker that never answers."""

    async def call(self, _name: str, *_arguments: Argument) -> Answer:
        """Wait."""
        answer: Answer = await Deferred()
        return answer
