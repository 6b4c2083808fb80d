"""A-ASSOCIATE as Orthanc writes it: read, and written as it was."""

from __future__ import annotations

import pytest

from dul import AS_SCP, Role
from dul.associate import accepted_contexts
from dul.associate_codec import (
    decode_associate_accept,
    decode_associate_request,
    encode_associate_accept,
    encode_associate_request,
)
from tests.unit.dul import captured
from tests.unit.dul.captured_orthanc import ANSWERS, COMMITMENT, REQUESTS, STORE
from tests.unit.dul.test_associate import CT, _without_reserved


@pytest.mark.parametrize("service", REQUESTS)
def test_a_request_of_orthanc_is_read_and_written_as_it_was(service: str) -> None:
    request = decode_associate_request(REQUESTS[service])
    assert (request.calling_ae_title, request.called_ae_title) == ("ORTHANC", "PEER")
    again = encode_associate_request(request)
    assert decode_associate_request(again) == request
    # As with DCMTK: the order of user information is free.
    assert sorted(_without_reserved(REQUESTS[service])) == sorted(again)


def test_what_orthanc_proposes_is_read() -> None:
    stores, commitment = decode_associate_request(STORE), decode_associate_request(COMMITMENT)
    assert CT in {context.abstract_syntax for context in stores.contexts}
    assert [context.abstract_syntax for context in commitment.contexts] == ["1.2.840.10008.1.20.1"]


@pytest.mark.parametrize("tool", ANSWERS)
def test_an_answer_of_orthanc_is_read_and_written_as_it_was(tool: str) -> None:
    accept = decode_associate_accept(ANSWERS[tool])
    again = encode_associate_accept(accept)
    assert decode_associate_accept(again) == accept
    assert sorted(again) == sorted(ANSWERS[tool])


def test_orthanc_grants_the_roles_that_a_c_get_needs() -> None:
    request, accept = decode_associate_request(captured.GETSCU), decode_associate_accept(ANSWERS["getscu"])
    contexts = accepted_contexts(request, accept, Role.REQUESTOR)
    assert [context.scp for context in contexts.values() if context.abstract_syntax == CT] == [True]
    assert request.roles[CT] == AS_SCP
