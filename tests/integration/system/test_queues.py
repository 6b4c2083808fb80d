"""Queues and short-lived rows lose what is done with, a batch at a time, and nothing else."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from fileman import to_fileman
from fileman.files import (
    AnsweredRequest,
    DicomExport,
    DicomExportImage,
    EvaluatorLog,
    FailedAccess,
    LockedAddress,
    PerformedOrder,
    PerformedSeries,
    PerformedStep,
    QueryResult,
    QueryResultLine,
    RuleDecision,
    ScheduledStep,
    ScheduledValue,
    SendQueue,
    SignOnToken,
    StudyDecision,
    Task,
)
from fileman.worklist import complete
from taskman import BadVariables, find_option
from taskman.system import batches
from tests.integration.system.conftest import DAY, Site

OPTION = "MAGB PURGE QUEUES"


def send(site: Site, ien: int, status: str, days: float, destination: str = "9;MAG(2005.2,", **columns: Any) -> None:
    facts = {"image": 1, "destination": destination, "file_type": "FULL", "mechanism": 1, "origin": 660, "priority": 500}
    at = site.clock.seconds() - days * DAY
    site.add(SendQueue, {"ien": ien, **facts, "queued": "3261121", "status": status, "status_at": at, **columns})


def left(site: Site) -> list[int]:
    return list(site.all(select(SendQueue.ien).order_by(SendQueue.ien)))


def test_entries_that_were_sent_go_after_a_month_and_those_that_wait_for_somebody_stay(site: Site) -> None:
    for ien, (status, days) in enumerate(
        [("SENT", 31), ("NOT FOUND", 31), ("SENT", 29), ("FAILED", 400), ("WAITING", 400), ("SENDING", 400), ("FOO", 400)], 1
    ):
        send(site, ien, status, days)
    assert site.run(OPTION).said == "2 send queue entries"
    assert left(site) == [3, 4, 5, 6, 7]
    assert site.run(OPTION, days=20).said == "1 send queue entries"
    assert left(site) == [4, 5, 6, 7]


def test_exported_images_go_and_an_export_goes_with_its_last_image(site: Site) -> None:
    for ien in (1, 2):
        facts = {"application": "PACS", "group": ien, "origin": 660, "priority": 500, "requested": "3261121"}
        site.add(DicomExport, {"ien": ien, **facts, "image_count": 2, "last_sequence": 2})
    old, new = site.clock.seconds() - 31 * DAY, site.clock.seconds()
    for export, sequence, status, at in [
        (1, 1, "SUCCESS", old),
        (1, 2, "SUCCESS", old),
        (2, 1, "SUCCESS", old),
        (2, 2, "FAIL", old),
    ]:
        facts = {"export": export, "sequence": sequence, "image": sequence, "origin": 660, "priority": 500}
        site.add(DicomExportImage, {**facts, "status": status, "status_at": at})
    site.add(
        DicomExportImage,
        {"export": 2, "sequence": 3, "image": 3, "origin": 660, "priority": 500, "status": "SUCCESS", "status_at": new},
    )
    assert site.run(OPTION).said == "3 export entries"
    assert site.all(select(DicomExport.ien, DicomExport.image_count)) == [(2, 1)]
    assert site.all(select(DicomExportImage.sequence).order_by(DicomExportImage.sequence)) == [2, 3]


def test_answers_tokens_failures_and_locks_go_when_their_time_is_over(site: Site) -> None:
    now, wall = site.clock.seconds(), site.clock.now()
    for name, days in (("old", 7.1), ("young", 6.9)):
        site.add(
            AnsweredRequest,
            {"machine": "GW", "uuid": name, "answered_at": now - days * DAY, "body_digest": "", "answer": ""},
        )
    for name, seconds in (("old", -1), ("young", 1)):
        site.add(SignOnToken, {"token_hash": name, "duz": 1, "expires_at": now + seconds})
        site.add(FailedAccess, {"address": name, "attempts": 1, "last_at": now - DAY + seconds})
        site.add(LockedAddress, {"address": name, "until": to_fileman(wall + timedelta(seconds=seconds))})
    said = site.run(OPTION).said
    assert said == "1 answered requests, 1 sign-on tokens, 1 failed sign-ons, 1 past locks of addresses"
    kept = [AnsweredRequest.uuid, SignOnToken.token_hash, FailedAccess.address, LockedAddress.address]
    assert [site.all(select(column)) for column in kept] == [["young"]] * 4


def test_what_was_fed_to_the_worklist_goes_three_months_after_its_day_and_what_was_performed_of_it(site: Site) -> None:
    today = site.clock.now()
    for number, (source, days) in enumerate([("HL7", 91), ("CSV", 91), ("HL7", 89), ("SITE", 400), ("EXAM", 400)], 1):
        day = f"{today - timedelta(days=days):%Y%m%d}"
        step = {"accession": f"A{number}", "step_id": "1", "source": source, "patient_id": "1", "patient_name": "DOE"}
        whole = complete({**step, "modality": "CT", "start_date": day, "status": "COMPLETED" if number == 2 else "SCHEDULED"})
        site.add(ScheduledStep, {"ien": number, **whole})
        site.add(ScheduledValue, {"step": number, "tag": "00100010", "position": 0, "text": "DOE"})
        site.add(PerformedStep, {"uid": f"1.{number}", "status": "COMPLETED", "attributes": "{}", **performed(site, days)})
        site.add(PerformedSeries, {"step": f"1.{number}", "position": 1})
        site.add(PerformedOrder, {"step": f"1.{number}", "position": 1})
    assert site.run(OPTION).said == "2 scheduled steps, 4 performed steps"
    for column in (ScheduledStep.ien, ScheduledValue.step):
        assert list(site.all(select(column).order_by(column))) == [3, 4, 5]
    for uid in (PerformedStep.uid, PerformedSeries.step, PerformedOrder.step):
        assert list(site.all(select(uid))) == ["1.3"]


def performed(site: Site, days: float) -> dict[str, float]:
    at = site.clock.seconds() - days * DAY
    return {"created_at": at, "changed_at": at}


def test_results_of_queries_that_nobody_cleaned_up_go_after_five_days(site: Site) -> None:
    for ien, days in ((1, 6), (2, 4), (3, 6)):
        changed = to_fileman(site.clock.now() - timedelta(days=days))
        site.add(QueryResult, {"ien": ien, "status": "OK", "changed": changed, "task": None})
        for line in (1, 2):
            site.add(QueryResultLine, {"result": ien, "line": line, "text": "0020,000D^9.1"})
    assert site.run(OPTION).said == "2 results of DICOM queries"
    assert list(site.all(select(QueryResult.ien))) == [2]
    assert list(site.all(select(QueryResultLine.result))) == [2, 2]


def test_what_evaluators_left_goes_with_their_records_and_what_they_decided_after_its_time(site: Site) -> None:
    alive = site.begin(OPTION).number
    for task in (alive, alive + 500, alive + 501):
        site.add(EvaluatorLog, {"task": task, "line": 1, "text": "Sat 12:00 Started"})
        decided = {"study_uid": "1.2", "version": "x", "fired_rules": "[1]", "decided_at": site.clock.seconds()}
        site.add(StudyDecision, {"task": task, **decided})
    for image, days in ((1, 91), (2, 89)):
        moment = to_fileman(site.clock.now() - timedelta(days=days))
        facts = {"version": "x", "evaluated_at": moment, "facts": "{}", "fired": "[]"}
        site.add(RuleDecision, {"image": image, "task": alive, **facts})
    said = site.run(OPTION).said
    assert said == "1 rule decisions, 2 lines of evaluators' logs, 2 decisions about studies"
    assert site.all(select(EvaluatorLog.task)) == site.all(select(StudyDecision.task)) == [alive]
    assert site.all(select(RuleDecision.image)) == [2]


def test_an_evaluator_that_runs_for_years_keeps_the_end_of_its_log_and_young_decisions(site: Site) -> None:
    alive = site.begin(OPTION).number
    site.add(EvaluatorLog, *({"task": alive, "line": line, "text": "Sat 12:00 x"} for line in range(1, 1001)))
    decided = {"task": alive, "version": "x", "fired_rules": "[1]"}
    for study, days in (("1.1", 91), ("1.2", 89)):
        site.add(StudyDecision, {**decided, "study_uid": study, "decided_at": site.clock.seconds() - days * DAY})
    assert site.run(OPTION).said == "1 old decisions about studies"
    assert site.run(OPTION, log_lines=300).said == "700 old lines of evaluators' logs"
    assert site.all(select(EvaluatorLog.line).order_by(EvaluatorLog.line)) == list(range(701, 1001))
    assert site.all(select(StudyDecision.study_uid)) == ["1.2"]


def test_a_run_deletes_a_batch_at_a_time_until_all_is_gone(site: Site) -> None:
    for ien in range(1, 2 * batches.BATCH + 4):
        send(site, ien, "SENT", 31, image=ien)
    assert site.run(OPTION).said == f"{2 * batches.BATCH + 3} send queue entries"


def test_a_stop_is_heeded_between_batches(site: Site) -> None:
    send(site, 1, "SENT", 31)
    context = site.begin(OPTION)
    site.store.transact(lambda connection: connection.execute(Task.__table__.update().values(stop_requested=True)))
    find_option(OPTION).body(context)
    assert left(site) == [1]


@pytest.mark.parametrize("variables", [{"day": 30}, {"days": 0}, {"days": -1}, {"days": "30"}, {"days": True}])
def test_a_variable_that_is_wrong_deletes_nothing(site: Site, variables: dict[str, Any]) -> None:
    send(site, 1, "SENT", 400)
    with pytest.raises(BadVariables):
        site.run(OPTION, **variables)
    assert left(site) == [1]
