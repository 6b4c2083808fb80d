"""Every refusal that a broker has is explained, with something to do about it."""

from __future__ import annotations

import pytest

from console.complaints import CALL_REFUSALS, CONTEXT_REFUSALS, SIGN_ON_REFUSALS, Complaint, explain
from rpcs import permission
from rpcs.sign_on import codes as sign_on

SIGN_ON = [
    value
    for name, value in vars(sign_on).items()
    if name.isupper() and isinstance(value, str) and value.endswith((".", "***", "!"))
]
CONTEXT = [
    "The context 'X' does not exist on server.",
    "User DOC,ONE does not have access to option X",
    "Option out of order with message: closed.",
    "Option locked, DOC,ONE does not hold the key.",
    "Reverse lock, DOC,ONE holds the key.",
    "This option is time restricted.",
]
CALL = [
    permission.NO_CONTEXT,
    "Remote Procedure 'X' doesn't exist on the server.",
    "Remote Procedure 'X' cannot be run at this time.",
    "The remote procedure X is not registered to the option Y.",
    "Remote procedure is locked.",
]


def test_the_broker_s_sign_on_refusals_were_found() -> None:
    assert len(SIGN_ON) >= 9


@pytest.mark.parametrize(
    ("text", "complaints"),
    [
        *((text, SIGN_ON_REFUSALS) for text in SIGN_ON),
        *((text, CONTEXT_REFUSALS) for text in CONTEXT),
        *((text, CALL_REFUSALS) for text in CALL),
    ],
)
def test_every_refusal_is_explained_by_one_complaint(text: str, complaints: tuple[Complaint, ...]) -> None:
    assert sum(bool(complaint.pattern.search(text)) for complaint in complaints) == 1
    found, advice = explain(text, complaints, "otherwise")
    assert not found.startswith("otherwise")
    assert advice


def test_what_nobody_knows_is_quoted() -> None:
    found, advice = explain("Rules test failed {x}", CALL_REFUSALS, "The call is refused")
    assert found == "The call is refused: Rules test failed {x}"
    assert "these words" in advice
