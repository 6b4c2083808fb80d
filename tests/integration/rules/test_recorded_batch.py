"""A batch answers every recorded case with the log, the queues, the balance and the decisions that VistA was left with."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from console.trial_site import TrialSite, site_of_file, site_of_store
from fileman import Store
from rules.judging.facts import ImageFacts
from rules.trials import Defaults, TrialQueues, Trials, answer_lines, memory_database
from tests.conftest import ORACLE_SITE
from tests.integration.rules.recorded_site import fill_recorded_images
from tests.oracle.records import read_records
from tests.unit.rules.judging.recorded import recorded_images

FACTS = recorded_images()
CASES = [record for theme in ("c1_rules", "c2_priorstudy") for record in read_records(theme) if "rules" in record]
#: Answer's name by the record's, for what both have.
NAMES = {"log": "log", "send_queue": "send", "dicom_export": "export", "balance": "balance", "study_cache": "study_cache"}
#: Two cases in which VistA never came back.
ENDLESS = [record["id"] for record in CASES if "hang" in record["result"]]
#: Group, study UID and accession number by image, which conditions do not ask for.
STUDIES = {
    2: (1, "9.1", "660-061024-101"),
    3: (1, "9.1", "660-061024-101"),
    5: (4, "9.2", "660-061124-102"),
    7: (6, "9.3", "061224-103"),
    12: (11, "9.5", "660-061424-105"),
    14: (13, "9.6", ""),
    16: (15, "9.7", "061824-109"),
}
PRIOR = {"group": 8, "study_uid": "9.4", "accession": "660-010123-90", "images": [9, 10]}


def line_of(record: dict[str, Any], facts: dict[str, Any] | None) -> str:
    """Write a record as a line: with facts where they are given, else for a site's image."""
    now = record["result"].get("now", "SAT 3261121.033812")  # c2 tells the moment in its queue entries only
    line = {key: record[key] for key in ("id", "image", "rules", "keep", "location", "ztsk") if key in record}
    line |= {"now": now, "semantics": "vista", "task": record.get("ztsk", 777)}
    pre = record.get("pre") or ""
    if holidays := re.findall(r"\^HOLIDAY\((\d{7}),0\)", pre):
        line["holidays"] = holidays
    if "PRIOR" in pre:
        line["priors"] = [PRIOR for _report in re.findall(r'"4\^[1-9]', pre)]
    return json.dumps(line | ({} if facts is None else {"facts": facts}))


def facts_of(image: int) -> dict[str, Any]:
    """Write an image's facts as JSON."""
    facts: ImageFacts | None = FACTS.get(image)
    if facts is None:
        return {"missing": f"-13,Image {image} is deleted"}
    group, study, accession = STUDIES.get(image, (0, facts.study_uid, ""))
    told: dict[str, Any] = {keyword: values[0] for keyword, values in facts.values.items()}
    told |= {"URGENCY": facts.urgency or None, "urgency_found": facts.urgency_found}
    told |= {"group": group, "study_uid": study, "accession": accession}
    return told | ({"missing": "-1~NO NETWORK OR JUKEBOX LOCATION DEFINED"} if image == 17 else {})


def answers(lines: list[str], site: TrialSite) -> dict[str, dict[str, Any]]:
    with memory_database() as connection:
        trials = Trials(TrialQueues(connection), site.places)
        return {answer["id"]: answer for answer in answer_lines(lines, trials, Defaults(image=site.image, nothing=site.nothing))}


def differences(found: dict[str, dict[str, Any]]) -> dict[str, Any]:
    wrong: dict[str, Any] = {}
    for record in CASES:
        answer, result = found[record["id"]], record["result"]
        for theirs, ours in NAMES.items():
            if theirs in result and answer.get(ours) != result[theirs] and record["id"] not in ENDLESS:
                wrong[f"{record['id']} {ours}"] = (answer.get(ours, answer), result[theirs])
    return wrong


@pytest.fixture
def site_file() -> Iterator[TrialSite]:
    with site_of_file(ORACLE_SITE, 660) as site:
        yield site


def test_facts_are_answered_as_recorded(site_file: TrialSite) -> None:
    assert len(CASES) == 255
    assert len(ENDLESS) == 2
    found = answers([line_of(record, facts_of(record["image"])) for record in CASES], site_file)
    assert differences(found) == {}


def test_images_of_a_site_are_answered_as_recorded(oracle_store: Store) -> None:
    oracle_store.transact(fill_recorded_images)
    found = answers([line_of(record, None) for record in CASES], site_of_store(oracle_store, 660))
    assert differences(found) == {}


def test_an_endless_loop_of_vista_is_logged_and_queues_nothing(site_file: TrialSite) -> None:
    lines = [line_of(record, facts_of(record["image"])) for record in CASES if record["id"] in ENDLESS]
    for answer in answers(lines, site_file).values():
        assert answer["send"] == answer["balance"] == []
        assert re.fullmatch(r"Sat 03:38 .*skipped.*", answer["log"][0])
