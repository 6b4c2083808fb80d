"""Under vista semantics rules decide, queue and log as the recorded MAGBRTE4 did."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import pytest

from fileman.dates import from_fileman
from rules import Action, Destinations, ImageFacts, Moment, compile_rules, from_elements
from rules.judging.semantics import vista
from rules.judging.wildcard import vista_match
from tests.oracle.records import read_records
from tests.unit.rules.recorded import recorded_images

IMAGES = recorded_images()
ROUTERS = {"ROUTE-DEST-A": 14, "ROUTE-DEST-B": 15, "ROUTE-OFFLINE": 16, "ROUTE-NOFLAGS": 17}
SERVICES = {"PACS-ARCHIVE": 1, "WORKSTATION-1": 2, "REMOTE-688": 3, "DUP-NAME": 4}
CASES = [record for record in read_records("c1_rules") if "rules" in record]
#: What this stage does not do: balancing, and images of prior studies.
LATER = [record for record in CASES if any("^ACTION^BALANCE" in element for element in record["rules"])]
#: Images without a file, which the evaluator passes over before any rule is asked.
FILELESS = [record for record in CASES if record["image"] in (17, 999)]
NOW_CASES = [record for record in CASES if record not in LATER and record not in FILELESS]


def evaluate(record: dict[str, Any], remembered: dict[int, bool]) -> tuple[Any, tuple[str, ...]]:
    parsed = from_elements([(str(number), text) for number, text in enumerate(record["rules"], start=2)])
    compiled = compile_rules(parsed.rules, "vista")
    now = Moment(from_fileman(record["result"]["now"].split(" ")[1]))
    holidays = set(re.findall(r"\^HOLIDAY\((\d{7}),0\)", record.get("pre") or ""))
    destinations = Destinations(ROUTERS.get, SERVICES.get)
    facts = IMAGES[record["image"]]
    return compiled.evaluate(facts, now, destinations, remembered, holidays.__contains__), parsed.log


def queued(actions: tuple[Action, ...]) -> set[tuple[str, int, int]]:
    return {(action.verb, action.destination, action.priority) for action in actions}


def recorded_queues(result: dict[str, Any]) -> set[tuple[str, int, int]]:
    sends = dict(
        re.match(r"\^MAGQUEUE\(2006\.035,(\d+),0\)=(.*)", node).groups() for node in result["send_queue"] if ",0)=" in node
    )
    levels = dict(
        re.match(r"\^MAGQUEUE\(2006\.035,(\d+),1\)=(.*)", node).groups()
        for node in result["send_queue"]
        if re.match(r".*2006\.035,\d+,1\)=", node)
    )
    found = {("SEND", int(text.split("^")[1].split(";")[0]), int(levels[ien].split("^")[1])) for ien, text in sends.items()}
    for node in result["dicom_export"]:
        if match := re.match(r"\^MAGDOUTP\(2006\.574,\d+,0\)=([^^]*)\^[^^]*\^[^^]*\^[^^]*\^(\d+)", node):
            found.add(("DICOM", SERVICES[match[1]], int(match[2])))
    return found


def test_most_cases_are_compared() -> None:
    assert len(NOW_CASES) > 180
    assert len(LATER) < 40
    assert [record["result"]["log"] for record in FILELESS] == [[], []]


@pytest.mark.parametrize("record", [record for record in NOW_CASES if record["keep"] == 0], ids=lambda record: record["id"])
def test_an_image_is_judged_as_recorded(record: dict[str, Any]) -> None:
    evaluation, dropped = evaluate(record, {})
    result = record["result"]
    assert [*dropped, *evaluation.log] == [line[10:] for line in result["log"]]
    decided = {int(match[1]): match[2] == "1" for node in result["study_cache"] if (match := re.search(r",(\d+)\)=(.)", node))}
    if IMAGES[record["image"]].study_uid:
        assert dict(evaluation.remember) == decided
    flagless = {action for action in queued(evaluation.actions) if action[:2] == ("SEND", ROUTERS["ROUTE-NOFLAGS"])}
    assert queued(evaluation.actions) - flagless == recorded_queues(result)


@pytest.mark.parametrize("record", [row for row in read_records("t_wldmatch") if "result" in row], ids=lambda row: row["id"])
def test_wildcards_match_as_recorded(record: dict[str, Any]) -> None:
    value, pattern = (record[side].encode().decode("iso-8859-1") for side in ("value", "pattern"))  # VistA compares bytes
    assert vista_match(value, pattern) is bool(int(record["result"]))


@pytest.mark.parametrize("record", [row for row in read_records("t_pri") if "result" in row], ids=lambda row: row["id"])
def test_priorities_are_as_recorded(record: dict[str, Any]) -> None:
    facts = IMAGES.get(record["image"], ImageFacts(record["image"], ""))
    assert vista.priority(record["priority"], facts) == int(record["result"])


def test_a_moment_reads_as_vista_writes_it() -> None:
    assert Moment(datetime.fromisoformat("2024-01-15T15:30:40")).vista == "MON 3240115.15304"
