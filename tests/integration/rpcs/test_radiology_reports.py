"""Walking over radiology reports gives each once, in order, both ways."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import delete, insert

from fileman import Store
from fileman.files import Exam, Report
from tests.support.broker import RunningBroker
from tests.support.query_plans import statements_of
from xwb import BrokerClient

BY_DATE, BY_PATIENT = "MAG RAD GET NEXT RPT BY DATE", "MAG RAD GET NEXT RPT BY PT"
#: Exam date, patient, report (None: not written yet), in the order of their numbers.
EXAMS = [
    ("3240102.1", 2, 5),
    ("3240101.1", 1, 1),
    ("3240101.1", 1, None),
    ("3240101.1", 1, 2),
    ("3240101.1", 3, 3),
    ("3240102.1", 1, None),
    ("3240103", 1, 9),
]
#: What a walk from the beginning gives: report, date, patient, case.
WALK = ["1^3240101.1^1^1", "2^3240101.1^1^3", "3^3240101.1^3^1", "5^3240102.1^2^1", "9^3240103^1^1"]


@pytest.fixture
def gateway(oracle_store: Store, oracle_broker: RunningBroker) -> Iterator[BrokerClient]:
    rows = [
        {"ien": ien, "service": "RAD", "accession": f"X{ien}", "patient": patient, "exam_date": date, "report": report}
        for ien, (date, patient, report) in enumerate(EXAMS, 1)
    ]
    consult = {"ien": 90, "service": "CON", "accession": "C", "patient": 1, "exam_date": "3240101.1", "report": 77}
    reports = [
        {"ien": report, "service": "RAD", "accession": "", "exam": 1, "patient": patient, "exam_date": date}
        | {"entered": date, "entered_by": 1}
        for date, patient, report in EXAMS
        if report
    ]
    oracle_store.transact(lambda it: (it.execute(delete(Exam)), it.execute(delete(Report))))
    oracle_store.transact(lambda it: (it.execute(insert(Exam), [*rows, consult]), it.execute(insert(Report), reports)))
    with oracle_broker.client() as client:
        yield client


def walked(gateway: BrokerClient, *direction: str) -> list[str]:
    found, seed = [], ""
    while (answer := gateway.call(BY_DATE, seed, *direction).text) != "-1":
        found.append(answer)
        seed = answer.partition("^")[2]
        assert len(found) <= len(WALK)
    return found


def test_a_walk_by_date_gives_every_report_once_in_order_both_ways(gateway: BrokerClient) -> None:
    assert walked(gateway) == WALK
    assert walked(gateway, "-1") == WALK[::-1]


@pytest.mark.parametrize(
    ("seed", "direction", "answer"),
    [
        ("3240101.1", "1", WALK[0]),
        ("3240101.1^1", "1", WALK[0]),
        ("3240101.1^1^2", "1", WALK[1]),
        ("3240101.1^2^9", "1", WALK[2]),
        ("3240101.2", "1", WALK[3]),
        ("3240101.1", "-1", WALK[2]),
        ("3240101.1^1^3", "-1", WALK[0]),
        ("3240101.1^1", "-1", WALK[1]),
        ("3240101.1^1^1", "-1", "-1"),
        ("3240103^1^1", "1", "-1"),
    ],
)
def test_a_walk_begins_anywhere(gateway: BrokerClient, seed: str, direction: str, answer: str) -> None:
    assert gateway.call(BY_DATE, seed, direction).text == answer


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        (["1", ""], "1"),
        (["1", "1"], "2"),
        (["1", "2"], "9"),
        (["1", "9"], ""),
        (["1", "9", "-1"], "2"),
        (["1", "", "-1"], "9"),
        (["1", "1", "-1"], ""),
        (["7", ""], "-2,Patient does not have any radiology reports"),
        ([], "-1,Patient DFN not passed"),
    ],
)
def test_a_patients_reports_follow_each_other(gateway: BrokerClient, arguments: list[str], answer: str) -> None:
    assert gateway.call(BY_PATIENT, *arguments).text == answer


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_step_uses_an_index(oracle_store: Store, gateway: BrokerClient) -> None:
    with statements_of(oracle_store) as statements:
        walked(gateway)
        gateway.call(BY_PATIENT, "1", "1")
    plans = {text: plan for text, plan in statements.plans(oracle_store).items() if "FROM exam" in text or "FROM report" in text}
    assert len(plans) >= 3
    assert not [(text, plan) for text, plan in plans.items() if any("SCAN" in step and "INDEX" not in step for step in plan)]
