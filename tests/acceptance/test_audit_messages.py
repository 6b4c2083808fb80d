"""A broker tells a real syslog server who signed on, what was done and what came in, before and after it is killed."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from xml.etree.ElementTree import fromstring

from console.demo import DEMO_ACCESS, DEMO_VERIFY
from console.real_broker import signed_on_client
from tests.support.audit_schema import faults
from tests.support.dicom import make_slices, storescu
from tests.support.http import Web
from tests.support.rsyslog import Rsyslog
from tests.support.services import Services, demo_site
from tests.support.waiting import until

START, STOP, LOGIN, LOGOUT, TRANSFERRED = "110120", "110121", "110122", "110123", "110104"


def told(server: Rsyslog) -> Counter[str]:
    """Count what came, by the last code of its event; all of it is as the standard has it."""
    found: Counter[str] = Counter()
    for record in server.records():
        assert faults(record.text) == []
        event = fromstring(record.text).find("EventIdentification")
        assert event is not None
        found[event[-1].get("csd-code", event[0].get("csd-code", ""))] += 1
    return found


def instances(server: Rsyslog) -> int:
    """Count the instances that were told to be transferred to us."""
    texts = [it.text for it in server.records() if b'EventActionCode="C"' in it.text]
    return sum(int(it.get("NumberOfInstances", "0")) for text in texts for it in fromstring(text).iter("SOPClass"))


def test_what_happens_is_told_whatever_falls_over(tmp_path: Path) -> None:
    server = Rsyslog(tmp_path / "rsyslog")
    make_slices(tmp_path / "first", 4)
    make_slices(tmp_path / "second", 3)
    atna = {"host": "127.0.0.1", "port": server.port, "transport": "tcp", "source": "site-660"}
    environment = {"MAGBROKER_ATNA": json.dumps(atna)}
    with server, Services(tmp_path / "var", demo_site(tmp_path / "site.toml"), None, environment) as services:
        storescu(services.dicom_port, tmp_path / "first")
        with signed_on_client(services.broker_port, DEMO_ACCESS, DEMO_VERIFY):
            pass
        owner = Web(directory=services.directory)
        assert owner.post("/api/export/hold", destination="READING ROOM").status == 200
        until(lambda: instances(server) == 4 and told(server)["110132"] == 1, "what came in, and the action", seconds=120)
        until(lambda: told(server)[LOGOUT] >= 1, "the end of the session")
        assert told(server)[START] == 1
        services.kill(services.broker)
        server.kill()
        services.start(services.broker)
        storescu(services.dicom_port, tmp_path / "second")
        assert owner.post("/api/export/release", destination="READING ROOM").status == 200
        server.start()
        until(lambda: instances(server) >= 7, "what came in while the repository was away", seconds=180)
        until(lambda: told(server)["110132"] >= 2 and told(server)[START] >= 2, "what was done then, and the start")
    counts = told(server)
    assert 7 <= instances(server) <= 11, "at most the last of before the kill again"
    assert (counts[START] <= 3, counts[STOP], counts["110132"] <= 3) == (True, 1, True)
    assert {it.application for it in server.records()} == {"site-660"}
