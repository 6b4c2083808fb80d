"""One destination hangs, one refuses an instance, one is down, and one is healthy, at once: each has what is its own."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dul import CommandField, InMemory, Listener, Listening, Policy, Request, Sink, negotiate
from runtime import ReactorThread
from tests.support.dicom import STATION, Storescp, make_slices, storescu
from tests.support.services import Services, demo_site
from tests.support.waiting import until

#: Associations to a destination that the gateway has at most, by default.
TO_DESTINATION = 2
HEALTHY, HANGING, REFUSING, DOWN = "HEALTHY", "HANGING", "REFUSING", "DOWN"
#: Tried again so soon, and so often, that the test need not wait.
SETTINGS = {"*": {"retries": 1000, "retry_minutes": 0.02}}


class Refusing:
    """A destination that takes every object but those that it is told to refuse."""

    def __init__(self, refused: set[str]) -> None:
        self.refused = refused
        self.taken = Counter[str]()
        self.reactor = ReactorThread("refusing")
        policy = Policy(choose=lambda _syntax, proposed: proposed[0])
        listening = Listening(lambda request, _peer: negotiate(request, policy), {CommandField.C_STORE_RQ: self._store})
        self.port = self.reactor.call(Listener(listening, self.reactor.reactor).listen, 0, "127.0.0.1").getHost().port

    def _store(self, request: Request) -> Sink:
        return InMemory(lambda _data: self._came(request), 1 << 24)

    def _came(self, request: Request) -> None:
        uid = str(request.command.sop_instance)
        if uid not in self.refused:
            self.taken[uid] += 1
        request.respond(0xC000 if uid in self.refused else 0)


def entries(services: Services) -> dict[str, dict[str, tuple[str, str, bool]]]:
    """Give status, reason, and whether it was sent again, of every entry, by destination and SOP Instance UID."""
    statement = (
        "SELECT e.application, i.uid, e.status, e.reason, e.repeated FROM dicom_export_image e JOIN image i ON i.ien = e.image"
    )
    found: dict[str, dict[str, tuple[str, str, bool]]] = {name: {} for name in (HEALTHY, HANGING, REFUSING, DOWN)}
    for application, uid, status, reason, repeated in services.rows(statement):
        found.setdefault(application, {})[uid] = status, reason, bool(repeated)
    return found


@contextmanager
def services_for(directory: Path, ports: dict[str, int]) -> Iterator[Services]:
    """Run broker and gateway with a rule that sends every slice everywhere."""
    rules = directory / "slices.rule"
    rules.write_text("".join(f'dicom("{name}") when STATION_NAME="{STATION}"\n' for name in ports), encoding="utf-8")
    environment = {"MAGBROKER_GATEWAY__DESTINATION": json.dumps(SETTINGS)}
    with Services(directory / "var", demo_site(directory / "site.toml", *ports.items()), rules, environment) as services:
        yield services


def check_that_each_destination_has_its_own(tmp_path: Path, count: int, time_outs: int) -> None:
    """Send so many slices to all four; the healthy one has them all while the others have their troubles; then repair those."""
    slices = make_slices(tmp_path / "slices", count)
    refused = sorted(slices)[count // 2]
    healthy = Storescp(tmp_path / "healthy")
    hanging = Storescp(tmp_path / "hanging", options=("--sleep-during", "3600"))
    down = Storescp(tmp_path / "down")
    refusing = Refusing({refused})
    ports = {HEALTHY: healthy.port, HANGING: hanging.port, REFUSING: refusing.port, DOWN: down.port}
    with services_for(tmp_path, ports) as services, healthy:
        with hanging:
            storescu(services.dicom_port, tmp_path / "slices")
            until(lambda: set(healthy.received()) == set(slices), "every slice at the healthy destination", seconds=120)
            waited = doubtful(entries(services))
            assert len(waited) <= time_outs * TO_DESTINATION, "all was there before the hanging one had more time-outs"
            until(lambda: set(refusing.taken) == set(slices) - {refused}, "all but one at the one that refuses", seconds=120)
            until(lambda: bool(doubtful(entries(services))), "a doubt", seconds=60)
            told = entries(services)
            until(
                lambda: {it[0] for it in entries(services)[HEALTHY].values()} == {"SUCCESS"}, "success at the healthy destination"
            )
        status, reason, repeated = entries(services)[REFUSING][refused]
        assert status in {"RETRY", "WAITING", "XMIT"}
        assert (reason.startswith("status C000"), repeated) == (True, False)
        assert {it[0] for it in told[DOWN].values()} <= {"RETRY", "WAITING", "XMIT"}
        reasons = {reason for _status, reason, _repeated in told[DOWN].values() if reason}
        assert reasons
        assert all("No association" in reason for reason in reasons)
        assert {it[0] for it in told[HANGING].values()} <= {"RETRY", "WAITING", "XMIT"}
        refusing.refused.clear()
        mended = Storescp(tmp_path / "mended", port=hanging.port)
        with mended, down:
            until(lambda: _statuses(services) == {"SUCCESS"}, "success of every entry", seconds=240)
        at_last = entries(services)
        assert set(down.received()) == set(mended.received()) == set(refusing.taken) == set(slices)
    assert Counter(refusing.taken.values()) == {1: count}
    assert all(len(copies) == 1 for it in (healthy, down, mended) for copies in it.received().values())
    again = {uid for uid, (_status, _reason, repeated) in at_last[HANGING].items() if repeated}
    assert doubtful(told)
    assert doubtful(told) <= again, "what was sent without an answer being seen, and once more"
    assert len(again) <= len(doubtful(told)) + TO_DESTINATION, "and what was under way when the destination was mended"
    assert not any(repeated for name in (HEALTHY, REFUSING, DOWN) for _status, _reason, repeated in at_last[name].values())
    refusing.reactor.stop()


def doubtful(told: dict[str, dict[str, tuple[str, str, bool]]]) -> set[str]:
    """Give what the hanging destination was sent and did not answer, as its entries tell."""
    return {uid for uid, (_status, reason, _repeated) in told[HANGING].items() if "may have arrived" in reason}


def _statuses(services: Services) -> set[str]:
    return {status for by_uid in entries(services).values() for status, _reason, _repeated in by_uid.values()}


def test_a_hanging_a_refusing_and_a_dead_destination_hold_up_nobody(tmp_path: Path) -> None:
    check_that_each_destination_has_its_own(tmp_path, 60, time_outs=1)
