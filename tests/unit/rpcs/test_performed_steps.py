"""What modalities may tell of a performed procedure step, and when (PS3.4 F.7.2)."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from rpcs.worklist import performed
from rpcs.worklist.performed import COMPLETED, DISCONTINUED, IN_PROGRESS, Refused

UID = "1.2.3.4"
SERIES: dict[str, Any] = {
    "0020000E": ["1.2.3.4.1"],
    "0008103E": ["HEAD"],
    "00181030": ["HEAD WITHOUT"],
    "00081050": ["GREY^MEREDITH"],
    "00081070": ["TECH^TIM"],
    "00080054": ["ARCHIVE"],
    "00081140": [{"00081150": ["1.2.840.10008.5.1.4.1.1.2"], "00081155": ["1.2.3.4.1.1"]}] * 2,
    "00400220": [{"00081150": ["1.2.840.10008.5.1.4.1.1.7"], "00081155": ["1.2.3.4.1.9"]}],
}
CREATED: dict[str, Any] = {
    "00400270": [{"0020000D": ["1.2.3"], "00080050": ["A1"], "00400009": ["S1"], "00401001": ["R1"]}],
    "00100010": ["DOE^JANE"],
    "00100020": ["P1"],
    "00400253": ["PPS1"],
    "00400241": ["CT1"],
    "00400242": [],
    "00400244": ["20261124"],
    "00400245": ["103000"],
    "00400252": ["IN PROGRESS"],
    "00080060": ["CT"],
    "00400340": [],
}
ENDED: dict[str, Any] = {"00400252": ["COMPLETED"], "00400250": ["20261124"], "00400251": ["104500"], "00400340": [SERIES]}


def without(attributes: dict[str, Any], *tags: str) -> dict[str, Any]:
    return {tag: value for tag, value in attributes.items() if tag not in tags}


def ended(status: str) -> dict[str, Any]:
    return {**CREATED, **ENDED, "00400252": [status]}


def test_a_step_in_progress_may_be_told_of() -> None:
    performed.created(UID, CREATED)
    assert performed.changed(CREATED, ENDED) == {**CREATED, **ENDED}


@pytest.mark.parametrize(
    ("uid", "attributes", "status"),
    [
        ("", CREATED, "0117"),
        ("1.02", CREATED, "0117"),
        ("1." * 33 + "1", CREATED, "0117"),
        (UID, {**CREATED, "00400252": ["COMPLETED"]}, "0106"),
        (UID, {**CREATED, "00400252": ["in progress"]}, "0106"),
        (UID, {**CREATED, "00400252": []}, "0106"),
        (UID, without(CREATED, "00400252"), "0120"),
        (UID, without(CREATED, "00080060"), "0120"),
        (UID, without(CREATED, "00400253"), "0120"),
        (UID, without(CREATED, "00400241"), "0120"),
        (UID, without(CREATED, "00400244"), "0120"),
        (UID, without(CREATED, "00400245"), "0120"),
        (UID, without(CREATED, "00400270"), "0120"),
        (UID, {**CREATED, "00400270": []}, "0121"),
        (UID, {**CREATED, "00400270": [{"00080050": ["A1"]}]}, "0120"),
        (UID, {**CREATED, "00400270": [{"0020000D": []}]}, "0121"),
        (UID, {**CREATED, "00400253": []}, "0121"),
        (UID, {**CREATED, "00400253": "PPS1"}, "0106"),
        (UID, {**CREATED, "00400253": [1]}, "0106"),
        (UID, {**CREATED, "00400253": ["x" * 65]}, "0106"),
        (UID, {**CREATED, "00400270": [{"0020000D": ["1" * 65]}]}, "0106"),
        (UID, {**CREATED, "00400340": [SERIES] * 1001}, "0106"),
    ],
)
def test_a_step_that_does_not_begin_right_is_refused(uid: str, attributes: dict[str, Any], status: str) -> None:
    with pytest.raises(Refused) as refused:
        performed.created(uid, attributes)
    assert refused.value.status == status
    assert str(refused.value)


#: Status before, what N-SET says, and the status of the answer with its error ID; "" where the change is made.
CHANGES: list[tuple[str, dict[str, Any], str, str]] = [
    (IN_PROGRESS, {"00400340": [SERIES]}, "", ""),
    (IN_PROGRESS, {"00400252": ["IN PROGRESS"], "00400254": ["HEAD"]}, "", ""),
    (IN_PROGRESS, ENDED, "", ""),
    (IN_PROGRESS, {**ENDED, "00400252": ["DISCONTINUED"]}, "", ""),
    (IN_PROGRESS, {**without(ENDED, "00400340"), "00400252": ["DISCONTINUED"]}, "", ""),
    (IN_PROGRESS, {**ENDED, "00400252": ["DONE"]}, "0106", ""),
    (IN_PROGRESS, without(ENDED, "00400250"), "0120", ""),
    (IN_PROGRESS, {**ENDED, "00400251": []}, "0121", ""),
    (IN_PROGRESS, without(ENDED, "00400340"), "0121", ""),
    (IN_PROGRESS, {**ENDED, "00400340": [without(SERIES, "0020000E")]}, "0120", ""),
    (IN_PROGRESS, {"00100020": ["P2"]}, "0106", ""),
    (IN_PROGRESS, {"00400270": []}, "0106", ""),
    (COMPLETED, {"00400252": ["IN PROGRESS"]}, "0110", "A710"),
    (COMPLETED, {"00400254": ["HEAD"]}, "0110", "A710"),
    (COMPLETED, {"00400252": ["DISCONTINUED"]}, "0110", "A710"),
    (DISCONTINUED, {"00400252": ["COMPLETED"]}, "0110", "A710"),
    (COMPLETED, ENDED, "", ""),  # told again
    (DISCONTINUED, {**ENDED, "00400252": ["DISCONTINUED"]}, "", ""),
]


@pytest.mark.parametrize(("before", "change", "status", "error_id"), CHANGES)
def test_a_step_changes_as_the_standard_allows(before: str, change: dict[str, Any], status: str, error_id: str) -> None:
    stored = CREATED if before == IN_PROGRESS else ended(before)
    kept = deepcopy(stored)
    if status:
        with pytest.raises(Refused) as refused:
            performed.changed(stored, change)
        assert (refused.value.status, refused.value.error_id) == (status, error_id)
    else:
        assert performed.changed(stored, change) == {**stored, **change}
    assert stored == kept


def test_series_and_what_they_were_made_for_are_read() -> None:
    (series,) = performed.series_of(ended(COMPLETED))
    assert (series.series_uid, series.protocol, series.operator, series.instances) == ("1.2.3.4.1", "HEAD WITHOUT", "TECH^TIM", 3)
    (order,) = performed.done_for(CREATED)
    assert (order.accession, order.step_id, order.study_uid) == ("A1", "S1", "1.2.3")
