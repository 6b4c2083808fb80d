"""Each action that changes something: who holds the key does it, who does not is refused; both are audited."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import Connection, insert, select

import taskman.api as taskman
from fileman import Store, add_alert
from fileman.files import (
    AuditChange,
    AuditRecord,
    DicomExport,
    DicomExportImage,
    DicomFailedImage,
    Image,
    LockedAddress,
    LongTermFault,
    TaskSyncFlag,
)
from rpcs.actions import ACTIONS, NotAllowed, answer_of
from runtime import FixedClock
from taskman.error_log import log_error
from tests.integration.rpcs.conftest import MakeBroker
from tests.integration.rpcs.two_users import MAY, UNA, User, site_of_two_users
from xwb import BrokerClient

SITE = (
    site_of_two_users("MAGB GATEWAY", ACTIONS, "MAG SYSTEM", "ZTMQ", "XUMGR")
    + """
[[patient]]
dfn = 100
name = "DEMO,PATIENT ONE"
ssn = "666001100"
birth_date = 1950-01-31
sex = "M"

[[patient]]
dfn = 101
name = "DEMO,PATIENT TWO"
ssn = "666001101"

[[exam]]
accession = "112426-2"
patient = 101
datetime = 2026-11-24T10:30:00
procedure = "CT HEAD"

[[network_location]]
ien = 1
name = "RAID1"
physical = '\\\\ARCHIVE\\IMAGE1$\\'
kind = "MAG"

[[network_location]]
ien = 2
name = "JUKEBOX1"
physical = '\\\\ARCHIVE\\PLATTER1\\'
kind = "JUKEBOX"
label = "PLATTER-0001"

[[transmit_destination]]
ien = 1
name = "ARCHIVE"
ae_title = "ARCHIVE"
host = "127.0.0.1"
port = 11113
location = 660

[[transmit_destination]]
ien = 2
name = "SECOND"
ae_title = "SECOND"
host = "127.0.0.1"
port = 11114
location = 660
"""
)
RULES = 'dicom("ARCHIVE") when MODALITY=CT\n'
OPTION = "MAGB RESTART EVALUATORS"
ROW = {
    "accession": "A1",
    "patient_id": "666001100",
    "patient_name": "DEMO^PATIENT ONE",
    "modality": "CT",
    "start_date": "20261124",
}

Ask = Callable[..., Any]


@dataclass(frozen=True)
class Site:
    """A broker's site: what a test puts into it, and what its users ask."""

    store: Store
    clock: FixedClock
    ask: Ask

    def put(self, file: type[Any], **values: object) -> None:
        self.store.transact(lambda connection: connection.execute(insert(file).values(**values)))

    def do(self, work: Callable[[Connection], Any]) -> Any:
        return self.store.transact(work)

    def may(self, name: str, /, **asked: object) -> Any:
        return self.ask(MAY, name, **asked)


@pytest.fixture
def site(make_broker: MakeBroker, store: Store, clock: FixedClock) -> Iterator[Site]:
    broker = make_broker(more=SITE)
    clients: dict[User, BrokerClient] = {}

    def ask(user: User, name: str, /, **asked: object) -> Any:
        if user not in clients:
            clients[user] = broker.client(user.access, user.verify, "MAGB GATEWAY")
        request = {key.upper().replace("_", " "): str(value) for key, value in asked.items()}
        return answer_of(clients[user].call(f"MAGB {name}", request).text)

    yield Site(store, clock, ask)
    for client in clients.values():
        client.bye()


def filed_image(site: Site) -> dict[str, object]:
    common = {"name": "DEMO,PATIENT ONE  666-00-1100  CT", "saved_at": "3261118.12", "saved_by": 0, "patient": 100}
    site.put(Image, ien=1, object_type=11, uid="1.2", members=1, last_member=1, **common)
    file = {"file_ref": "SL000000000002.DCM", "location": 1}
    site.put(Image, ien=2, object_type=100, uid="1.2.1", parent=1, group_sequence=1, procedure="CT", **file, **common)
    return {"image": 2}


def rejected_image(site: Site) -> dict[str, object]:
    asked = filed_image(site)
    site.may("IMAGE REJECT", reason="blurred", **asked)
    return asked


def nothing(_site: Site) -> dict[str, object]:
    return {}


def failed_image(site: Site) -> dict[str, object]:
    uids = {"image_uid": "1.2.1", "study_uid": "1.2"}
    site.put(DicomFailedImage, ien=1, file_path="1.dcm", reason="NO CASE #", entered="3261123", machine="GW", name="A^B", **uids)
    return {"study": 1}


def fixed_image(site: Site) -> dict[str, object]:
    asked = failed_image(site)
    site.may("CORRECT FIX", **asked)
    return asked


def fault(site: Site) -> dict[str, object]:
    site.put(LongTermFault, image=1, location=2, reason="differs", found_at=1.0)
    return {"images": 1}


def off_line(site: Site) -> dict[str, object]:
    site.may("ARCHIVE UNMOUNT", label="PLATTER-0001")
    return {"label": "PLATTER-0001"}


def held(site: Site) -> dict[str, object]:
    site.may("EXPORT HOLD", destination="ARCHIVE")
    return {"destination": "ARCHIVE"}


def published(site: Site) -> dict[str, object]:
    site.may("RULES PUBLISH", location=660, text=RULES)
    return {"location": 660}


def published_twice(site: Site) -> dict[str, object]:
    published(site)
    site.may("RULES PUBLISH", location=660, text=RULES + "# again\n")
    return {"location": 660}


def started(site: Site) -> dict[str, object]:
    published(site)
    site.may("RULES START", location=660)
    return {"location": 660}


def scheduled(site: Site) -> dict[str, object]:
    ien = site.may("TASK SCHEDULE ADD", option=OPTION, frequency="60S")["ien"]
    return {"ien": ien}


def task(site: Site) -> dict[str, object]:
    now = site.clock.seconds()
    return {"numbers": site.do(lambda it: taskman.load(it, "TAG^ZZACT", {}, "a test", MAY.duz, now))}


def flag(site: Site) -> dict[str, object]:
    site.put(TaskSyncFlag, name="ZZ~", task=1, status="")
    return {"name": "ZZ~"}


def error(site: Site) -> dict[str, object]:
    site.do(lambda it: log_error(it, 1, "TAG^ZZACT", "", ValueError("no"), site.clock.seconds() - 1.0))
    return {}


def locked_address(site: Site) -> dict[str, object]:
    site.put(LockedAddress, address="192.0.2.7", until="3991231")
    return {"address": "192.0.2.7"}


def new_context(site: Site) -> dict[str, object]:
    site.may("CONTEXT ADD", name="ZZ NEW", rpcs="XWB IM HERE")
    return {"name": "ZZ NEW"}


def granted(site: Site) -> dict[str, object]:
    site.may("CONTEXT GRANT", name="MAGB GATEWAY", duz=1)
    return {}


def fault_set(site: Site) -> dict[str, object]:
    site.may("FAULT SET", fault="locked-exam", accession="1-1")
    return {"fault": "locked-exam"}


def session(site: Site) -> dict[str, object]:
    return {"ien": site.may("SESSION LIST")["entries"][0]["ien"]}


def waiting_export(site: Site, status: str = "WAITING") -> dict[str, object]:
    common = {"origin": 660, "priority": 500, "application": "ARCHIVE"}
    site.put(DicomExport, ien=7, group=1, requested="3261118.12", image_count=1, last_sequence=1, **common)
    site.put(DicomExportImage, export=7, sequence=1, image=1, status=status, status_at=1.0, **common)
    return {"entries": "7^1"}


def failed_export(site: Site) -> dict[str, object]:
    return waiting_export(site, "FAIL")


def alert(site: Site) -> dict[str, object]:
    text = "Gateway GW1 was heard of last 5 minutes ago."
    return {"ien": site.do(lambda it: add_alert(it, "gateway", "GW1", text, site.clock.seconds(), raised=True)).ien}


def token(site: Site) -> dict[str, object]:
    return {"ien": site.may("TOKEN MAKE", label="another")["ien"]}


@dataclass(frozen=True)
class Case:
    """How an action is asked for: what is put there before gives what is asked besides; `subject` is what the audit names.

    Without a key everybody may do it to what is his own.
    """

    asked: dict[str, object] = field(default_factory=dict)
    before: Callable[[Site], dict[str, object]] = nothing
    subject: str = ""


CASES = {
    "ALERT ACKNOWLEDGE": Case(before=alert, subject="alert 1 gateway GW1"),
    "ALERT QUIET": Case({"kind": "gateway", "until": "T+1"}, subject="alerts gateway"),
    "ALERT TEST": Case({"text": "does it ring?"}, subject="alerts: a test"),
    "ADDRESS UNLOCK": Case(before=locked_address, subject="address 192.0.2.7"),
    "ARCHIVE MOUNT": Case(before=off_line, subject="location JUKEBOX1"),
    "ARCHIVE RECHECK": Case(before=fault, subject="faults of long-term copies"),
    "ARCHIVE RULE": Case({"scope": "PATIENT", "subject": "100", "rule": "KEEP"}, subject="patient 100"),
    "ARCHIVE UNMOUNT": Case({"label": "PLATTER-0001"}, subject="location JUKEBOX1"),
    "CONTEXT ADD": Case({"name": "ZZ NEW", "rpcs": "XWB IM HERE"}, subject="context ZZ NEW"),
    "CONTEXT EDIT": Case({"name": "MAIN", "out_of_order": "rebuilt"}, subject="context MAIN"),
    "CONTEXT GRANT": Case({"name": "MAIN", "duz": 3}, subject="user USER,UNA"),
    "CONTEXT REMOVE": Case(before=new_context, subject="context ZZ NEW"),
    "CONTEXT REVOKE": Case({"name": "MAGB GATEWAY", "duz": 1}, granted, subject="user FIRST,FRED"),
    "CORRECT DELETE": Case({"reason": "doubled"}, failed_image, "CORRECT entry 1"),
    "CORRECT FIX": Case({"accession": "021026-201"}, failed_image, "CORRECT entry 1"),
    "CORRECT UNDO": Case(before=fixed_image, subject="CORRECT entry 1"),
    "DESTINATION ADD": Case(
        {"name": "NEW", "ae_title": "NEW", "host": "127.0.0.1", "port": 104, "location": 660}, subject="transmit destination NEW"
    ),
    "DESTINATION EDIT": Case({"ien": 1, "port": 105}, subject="transmit destination ARCHIVE"),
    "DESTINATION REMOVE": Case({"ien": 1}, subject="transmit destination ARCHIVE"),
    "EXPORT HOLD": Case({"destination": "ARCHIVE"}, subject="destination ARCHIVE"),
    "EXPORT RELEASE": Case(before=held, subject="destination ARCHIVE"),
    "FAULT CLEAR": Case(before=fault_set, subject="fault locked-exam 1-1"),
    "FAULT SET": Case({"fault": "locked-exam", "accession": "021026-201"}, subject="fault locked-exam 021026-201"),
    "INSTITUTION ADD": Case({"name": "LAKESIDE", "ien": 700}, subject="institution LAKESIDE"),
    "INSTITUTION EDIT": Case({"ien": 688, "station": "688A"}, subject="institution WASHINGTON DC"),
    "INSTITUTION REMOVE": Case({"ien": 688}, subject="institution WASHINGTON DC"),
    "KEY GRANT": Case({"duz": 3, "key": "MAG SYSTEM"}, subject="user USER,UNA"),
    "KEY REVOKE": Case({"duz": 2, "key": "ZTMQ"}, subject="user MANAGER,MAY"),
    "LOCATION ADD": Case({"name": "RAID2", "physical": "//ARCHIVE/IMAGE2$/"}, subject="network location RAID2"),
    "LOCATION EDIT": Case({"ien": 1, "label": "SHELF 1"}, subject="network location RAID1"),
    "LOCATION OFFLINE": Case({"ien": 2}, subject="network location JUKEBOX1"),
    "LOCATION ONLINE": Case({"ien": 2}, subject="network location JUKEBOX1"),
    "LOCATION REMOVE": Case({"ien": 1}, subject="network location RAID1"),
    "PLACE ADD": Case({"institution": 688, "namespace": "WA"}, subject="imaging place "),
    "PLACE EDIT": Case({"ien": 1, "write_location": 1}, subject="imaging place 1"),
    "IMAGE ACCEPT": Case(before=rejected_image, subject="image 2"),
    "IMAGE DELETE": Case({"reason": "doubled"}, filed_image, "image 2"),
    "IMAGE MOVE": Case({"accession": "112426-2", "reason": "misfiled"}, filed_image, "image 2"),
    "IMAGE REJECT": Case({"reason": "blurred"}, filed_image, "image 2"),
    "IMAGE RETRACT": Case({"reason": "sent in error"}, filed_image, "image 2"),
    "PATIENT MERGE": Case({"dfn": 100, "into": 101}, subject="patient 100"),
    "PATIENT UPDATE": Case({"dfn": 100, "sex": "F"}, subject="patient 100"),
    "QUEUE DESTINATION": Case({"queue": "EXPORT", "to": "SECOND"}, failed_export, "export entry 7^1"),
    "QUEUE PRIORITY": Case({"queue": "EXPORT", "priority": 900}, waiting_export, "export entry 7"),
    "QUEUE PURGE": Case({"queue": "EXPORT"}, failed_export, "export entry 7^1"),
    "QUEUE REQUEUE": Case({"queue": "EXPORT"}, failed_export, "export entry 7^1"),
    "RULES PUBLISH": Case({"location": 660, "text": RULES}, subject="rules of location 660"),
    "RULES ROLLBACK": Case(before=published_twice, subject="rules of location 660"),
    "RULES START": Case(before=published, subject="evaluator of location 660"),
    "RULES STOP": Case(before=started, subject="task "),
    "SESSION END": Case(before=session, subject="session "),
    "SITE EDIT": Case({"name": "broker_timeout", "value": "300"}, subject="site setting broker_timeout"),
    "TASK CLEAN": Case({"days": 7}, subject="tasks that ended"),
    "TASK DELETE": Case(before=task, subject="task "),
    "TASK DEQUEUE": Case(before=task, subject="task "),
    "TASK ERRORS CLEAR": Case(before=error, subject="errors of tasks"),
    "TASK FLAG CLEAR": Case(before=flag, subject="sync flag ZZ~"),
    "TASK REQUEUE": Case(before=task, subject="task "),
    "TASK SCHEDULE ADD": Case({"option": OPTION, "frequency": "60S"}, subject="schedule entry "),
    "TASK SCHEDULE EDIT": Case({"paused": 1}, scheduled, "schedule entry "),
    "TASK SCHEDULE REMOVE": Case(before=scheduled, subject="schedule entry "),
    "TASK SCHEDULE RUN": Case(before=scheduled, subject="task "),
    "TASK START": Case({"what": OPTION}, subject="task "),
    "TASK STOP": Case(before=task, subject="task "),
    "TOKEN END": Case(before=token, subject="token "),
    "TOKEN MAKE": Case({"label": "monitoring"}, subject="token "),
    "USER ADD": Case({"name": "NEW,NORA", "divisions": "660"}, subject="user NEW,NORA"),
    "USER CODES": Case({"duz": 1, "verify_code": "2ZEBRA!@#"}, subject="user FIRST,FRED"),
    "USER EDIT": Case({"duz": 1, "title": "CLERK"}, subject="user FIRST,FRED"),
    "USER REMOVE": Case({"duz": 1}, subject="user FIRST,FRED"),
    "USER UNLOCK": Case({"duz": 1}, subject="user FIRST,FRED"),
    "WORKLIST FEED": Case({"rows1": json.dumps([[2, ROW]])}, subject="scheduled step A1 A1"),
}


def test_there_is_a_case_for_every_action_that_changes_something() -> None:
    assert {f"MAGB {name}" for name in CASES} == {name for name, action in ACTIONS.items() if action.writes}


def last_record(site: Site) -> Any:
    columns = (AuditRecord.ien, AuditRecord.action, AuditRecord.outcome, AuditRecord.duz)
    return site.store.read(lambda it: it.execute(select(*columns).order_by(AuditRecord.ien.desc()).limit(1)).first())


def subjects(site: Site, record: int) -> list[str]:
    chosen = select(AuditChange.subject).where(AuditChange.record == record).order_by(AuditChange.number)
    return list(site.store.read(lambda it: it.execute(chosen).scalars().all()))


@pytest.mark.parametrize("name", CASES)
def test_who_may_does_it_and_is_audited(site: Site, name: str) -> None:
    case = CASES[name]
    asked = {**case.asked, **case.before(site)}
    told = site.may(name, dry_run=1, **asked)
    before = last_record(site)
    assert told["changes"][0]["subject"].startswith(case.subject), "tried first, which leaves no trace"
    site.may(name, **asked)
    record = last_record(site)
    assert before is None or record.ien == before.ien + 1
    assert (record.action, record.outcome, record.duz) == (f"MAGB {name}", "done", MAY.duz)
    assert subjects(site, record.ien)[0].startswith(case.subject)


@pytest.mark.parametrize("name", [name for name in CASES if ACTIONS[f"MAGB {name}"].key])
def test_who_may_not_is_refused_and_audited(site: Site, name: str) -> None:
    case = CASES[name]
    asked = {**case.asked, **case.before(site)}
    with pytest.raises(NotAllowed):
        site.ask(UNA, name, **asked)
    record = last_record(site)
    assert (record.action, record.outcome, record.duz) == (f"MAGB {name}", "key", UNA.duz)
    assert subjects(site, record.ien) == []


@pytest.mark.parametrize("name", [name for name in CASES if name.startswith("TASK") and not ACTIONS[f"MAGB {name}"].key])
def test_who_may_change_what_is_his_own_changes_nobody_elses(site: Site, name: str) -> None:
    case = CASES[name]
    site.ask(UNA, name, **case.asked, **case.before(site))
    record = last_record(site)
    assert (record.action, record.outcome, record.duz, subjects(site, record.ien)) == (f"MAGB {name}", "done", UNA.duz, [])
