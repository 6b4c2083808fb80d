"""Under vista semantics rules decide, queue, log and balance as the recorded MAGBRTE4 and MAGBRTE5 did."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import pytest

from fileman.dates import from_fileman
from rules import (
    Action,
    ImageFacts,
    MemoryDesk,
    Moment,
    PriorStudy,
    StudyMemory,
    balance_nodes,
    compile_rules,
    from_elements,
)
from rules.judging.semantics import vista
from rules.judging.wildcard import vista_match
from tests.oracle.records import read_records
from tests.unit.rules.judging.recorded import EXPORT_ACCESSIONS, recorded_images

IMAGES = recorded_images()
ROUTERS = {"ROUTE-DEST-A": 14, "ROUTE-DEST-B": 15, "ROUTE-OFFLINE": 16, "ROUTE-NOFLAGS": 17}
#: File types that each router takes, in the order in which they are queued.
FILE_TYPES = {14: ("ABSTRACT", "FULL", "BIG", "TEXT"), 15: ("FULL",), 16: ("FULL",), 17: ()}
SERVICES = {"PACS-ARCHIVE": 1, "WORKSTATION-1": 2, "REMOTE-688": 3, "DUP-NAME": 4}
CASES = [record for record in read_records("c1_rules") if "rules" in record]
PRIOR_CASES = [record for record in read_records("c2_priorstudy") if "rules" in record]
#: Images without a file, which the evaluator passes over before any rule is asked.
FILELESS = (17, 999)
PRIOR = PriorStudy(8, "9.4", "660-010123-90", (9, 10))
#: VistA looks for a share for ever; here the rule is skipped, which the log says.
ENDLESS = ("c1_rules-308", "c1_rules-310")


class RecordedSite:
    """Evaluates one recorded case after the other, and writes what is stored then as VistA's nodes."""

    def __init__(self, prior_studies: tuple[PriorStudy, ...] = ()) -> None:
        self.desk = MemoryDesk(ROUTERS, SERVICES, prior_studies)
        self.studies: dict[str, StudyMemory] = {}
        self.copies: list[dict[str, Any]] = []
        self.exports: list[dict[str, Any]] = []

    def clear(self, keep: int) -> None:
        """Forget what the case's `keep` says: 0 all, 2 the study cache, 1 nothing."""
        if keep == 0:
            self.desk = MemoryDesk(ROUTERS, SERVICES, self.desk.prior_studies)
            self.studies, self.copies, self.exports = {}, [], []
        if keep == 2:
            self.studies = {}

    def evaluate(self, record: dict[str, Any]) -> dict[str, list[str]]:
        """Judge the case's image and give log, study cache, queues and balance."""
        self.clear(record.get("keep", 0))
        parsed = from_elements([(str(number), text) for number, text in enumerate(record["rules"], start=2)])
        log = list(parsed.log)
        if record["image"] not in FILELESS:
            log += self._judge(record, parsed.rules)
        return {
            "log": log,
            "study_cache": self._cache(),
            "send_queue": self._send_queue(),
            "balance": balance_nodes(self.desk.balances),
            "dicom_export": self._exports(),
        }

    def _judge(self, record: dict[str, Any], rules: Any) -> tuple[str, ...]:
        compiled = compile_rules(rules, "vista")
        self.moment = record["result"].get("now", "SAT 3261121.033812").split(" ")[1]
        self.location = record.get("location", 660)
        holidays = set(re.findall(r"\^HOLIDAY\((\d{7}),0\)", record.get("pre") or ""))
        facts = IMAGES[record["image"]]
        remembered = self.studies.get(facts.study_uid)
        now = Moment(from_fileman(self.moment))
        evaluation = compiled.evaluate(facts, now, self.desk, remembered, holidays.__contains__)
        if facts.study_uid:
            decided = evaluation.memory.decided or frozenset(rule.number for rule in compiled.rules)
            self.studies[facts.study_uid] = StudyMemory(evaluation.memory.fired, decided)
        for action in evaluation.actions:
            (self._copy if action.verb == "SEND" else self._export)(action, facts)
        return evaluation.log

    def _copy(self, action: Action, _facts: ImageFacts) -> None:
        for kind in FILE_TYPES[action.destination]:
            key = {"image": action.image, "destination": action.destination, "kind": kind}
            waiting = next((row for row in self.copies if key.items() <= row.items()), None)
            if waiting is None:
                self.copies.append({**key, "priority": action.priority, "queued": self.moment, "origin": self.location})
            else:
                waiting["priority"] = max(waiting["priority"], action.priority)

    def _export(self, action: Action, facts: ImageFacts) -> None:
        own = PriorStudy(facts.group or facts.image, facts.study_uid, EXPORT_ACCESSIONS.get(facts.group, ""), ())
        study = action.prior or own
        key = {"name": action.name, "study": study.study_uid, "priority": action.priority, "origin": self.location}
        export = next((row for row in self.exports if key.items() <= row.items()), None)
        if export is None:
            export = {**key, "group": study.group, "accession": study.accession, "images": [], "queued": self.moment}
            self.exports.append(export)
        if action.image not in export["images"]:
            export["images"].append(action.image)

    def _cache(self) -> list[str]:
        return [
            f'^XTMP("MAGEVALSTUDY",777,{study},{rule})={int(rule in memory.fired)}'
            for study, memory in sorted(self.studies.items())
            for rule in sorted(memory.decided or ())
        ]

    def _send_queue(self) -> list[str]:
        nodes = []
        for ien, row in enumerate(self.copies, start=1):
            destination = f"{row['destination']};MAG(2005.2,"
            nodes.append(f"^MAGQUEUE(2006.035,{ien},0)={row['image']}^{destination}^{row['kind']}^1^{row['origin']}^")
            nodes.append(f"^MAGQUEUE(2006.035,{ien},1)=WAITING^{row['priority']}^{row['queued']}")
        return nodes

    def _exports(self) -> list[str]:
        nodes = []
        for ien, row in enumerate(self.exports, start=1):
            pieces = (row["name"], row["group"], row["accession"], row["origin"], row["priority"], 0, row["queued"])
            count = len(row["images"])
            nodes.append(f"^MAGDOUTP(2006.574,{ien},0)={'^'.join(map(str, pieces))}")
            nodes.append(f"^MAGDOUTP(2006.574,{ien},1,0)=^2006.5744^{count}^{count}")
            nodes += [f"^MAGDOUTP(2006.574,{ien},1,{at},0)={image}^WAITING" for at, image in enumerate(row["images"], start=1)]
            nodes.append(f"^MAGDOUTP(2006.574,{ien},2)={row['study']}")
        return nodes


def recorded(result: dict[str, Any]) -> dict[str, list[str]]:
    """Give the same of a record: entries without cross-references, studies without quotes, exports without $H."""
    return {
        "log": [line[10:] for line in result["log"]],
        "study_cache": [
            re.sub(r',"?([\d.]+)"?,(\d+\)=)', r",\1,\2", node)
            for node in result.get("study_cache", ())
            if not re.search(r'777,"",', node)
        ],
        "send_queue": [node for node in result["send_queue"] if re.match(r"\^MAGQUEUE\(2006\.035,\d+,[01]\)=", node)],
        "balance": result.get("balance", []),
        "dicom_export": [
            re.sub(r"(1,\d+,0\)=\d+\^\w+)\^.*", r"\1", node)
            for node in result["dicom_export"]
            if re.match(r"\^MAGDOUTP\(2006\.574,\d+,", node)
        ],
    }


def test_every_recorded_case_comes_out_as_recorded() -> None:
    site, wrong = RecordedSite(), {}
    for record in CASES:
        made, wanted = site.evaluate(record), recorded(record["result"])
        if record["id"] in ENDLESS:
            continue
        differing = {name: (made[name], wanted[name]) for name in wanted if made[name] != wanted[name]}
        if differing:
            wrong[record["id"]] = differing
    assert len(CASES) > 240
    assert not wrong, "\n".join(f"{case}: {nodes}" for case, nodes in wrong.items())


@pytest.mark.parametrize("record", [record for record in CASES if record["id"] in ENDLESS], ids=lambda record: record["id"])
def test_a_balance_that_never_ends_in_vista_is_logged_and_skipped(record: dict[str, Any]) -> None:
    assert "infinite loop" in record["result"]["hang"]
    made = RecordedSite().evaluate({**record, "keep": 0})
    assert made["log"][0] == "Rule 1 is skipped: no share is left to be dealt"
    assert (made["send_queue"], made["balance"]) == ([], [])


@pytest.mark.parametrize("record", PRIOR_CASES, ids=lambda record: record["id"])
def test_prior_studies_go_along_as_recorded(record: dict[str, Any]) -> None:
    counted = [PRIOR] * any(int(count) for count in re.findall(r'"4\^(\d+)"', record["pre"]))
    made, wanted = RecordedSite(tuple(counted)).evaluate(record), recorded(record["result"])
    del made["study_cache"], wanted["study_cache"]
    assert made == wanted


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
