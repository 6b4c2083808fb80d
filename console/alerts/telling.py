"""Telling over one channel: a notice is written down as on its way, sent, and written down as told; what fails goes again."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy import Connection

from console.alerts.deciding import Manners, Plan, plan
from console.alerts.errors import NotTold, Refused
from console.alerts.message import Event, Message
from fileman import (
    AlertNoticeData,
    Store,
    alerts_of,
    change_notices,
    due_notices,
    list_mutes,
    notices_of,
    site_settings,
    take_up_again,
)
from runtime import AlertKind, Clock, QuietTime
from runtime.metrics import ALERT_NOTICES

log = logging.getLogger(__name__)

#: Seconds before the first retry and at most, and after which nobody needs to be told any more.
FIRST_PAUSE, LONGEST_PAUSE, GIVEN_UP_AFTER = 5.0, 900.0, 24 * 3600.0
#: Seconds for which a message is on its way that nobody has heard of since, as who sent it was killed.
SENT_WITHIN = 300.0


class Teller(Protocol):
    """A way to tell people."""

    def tell(self, message: Message) -> str:
        """Send a message and give what is to be remarked. Raises NotTold, Refused."""


@dataclass(frozen=True, slots=True)
class Channel:
    """A way to tell people, with its name, its quiet times and the kinds that it is for, all where there are none."""

    name: str
    teller: Teller
    quiet: tuple[QuietTime, ...] = ()
    kinds: frozenset[AlertKind] = frozenset()


@dataclass(slots=True)
class Telling:
    """Tells over a channel what is due."""

    store: Store
    clock: Clock
    channel: Channel
    critical: frozenset[str]
    make_id: Callable[[], str] = lambda: uuid.uuid4().hex

    def begin(self) -> None:
        """Take up what another process left in the middle of being sent. Raises FileManError."""
        now = self.clock.seconds()
        if count := self.store.transact(lambda connection: take_up_again(connection, self.channel.name, now)):
            log.info("%s: %d notices may have been told before this process began; they are told again", self.channel.name, count)

    def step(self) -> bool:
        """Tell what is due; False where there is nothing. Raises FileManError."""
        now = self.clock.seconds()
        if not self.store.read(lambda connection: due_notices(connection, self.channel.name, now)):
            return False
        message, notices = self.store.transact(lambda connection: self._take(connection, now))
        if message is not None:
            self._tell(message, notices)
        return True

    def _take(self, connection: Connection, now: float) -> tuple[Message | None, list[AlertNoticeData]]:
        due = due_notices(connection, self.channel.name, now)
        alerts = alerts_of(connection, due)
        manners = Manners(self.channel.quiet, self.critical, list_mutes(connection, now))
        decided = plan(due, notices_of(connection, self.channel.name, list(alerts)), alerts, manners, now)
        self._put_off(connection, decided)
        if not decided.tell:
            return None, []
        message_id = decided.tell[0].message or self.make_id()
        tries = max(it.tries for it in decided.tell) + 1
        change_notices(
            connection,
            [it.ien for it in decided.tell],
            state="SENDING",
            due_at=now + SENT_WITHIN,
            message=message_id,
            tries=tries,
        )
        events = [Event.of(it, alerts.get(it.alert) if it.alert is not None else None, self.critical) for it in decided.tell]
        return Message(message_id, site_settings(connection).domain, events, now, repeated=tries > 1), list(decided.tell)

    @staticmethod
    def _put_off(connection: Connection, decided: Plan) -> None:
        change_notices(connection, decided.skip, state="SKIPPED", reason="It was over before anybody was to be told.")
        for wait in sorted(set(decided.hold.values())):
            until, why = wait
            change_notices(connection, [ien for ien, it in decided.hold.items() if it == wait], due_at=until, held=why)

    def _tell(self, message: Message, notices: list[AlertNoticeData]) -> None:
        try:
            remark = self.channel.teller.tell(message)
        except NotTold as error:
            self._failed(notices, str(error), final=isinstance(error, Refused))
        except Exception as error:
            log.exception("%s: a fault", self.channel.name)
            self._failed(notices, f"A fault: {error!r}", final=False)
        else:
            self._write(notices, "told", state="SENT", told_at=self.clock.seconds(), reason=remark)

    def _failed(self, notices: list[AlertNoticeData], reason: str, *, final: bool) -> None:
        now = self.clock.seconds()
        tries = max(it.tries for it in notices) + 1
        log.warning("%s, try %d: %s", self.channel.name, tries, reason)
        if final or now - min(it.made_at for it in notices) > GIVEN_UP_AFTER:
            log.error("%s was not told of %d alerts: %s", self.channel.name, len(notices), reason)
            self._write(notices, "failed", state="FAILED", reason=reason)
            return
        pause = min(FIRST_PAUSE * 2 ** min(tries - 1, 20), LONGEST_PAUSE)
        self._write(notices, "retried", state="WAITING", due_at=now + pause, reason=reason)

    def _write(self, notices: list[AlertNoticeData], outcome: str, **values: object) -> None:
        numbers = [it.ien for it in notices]
        self.store.transact(lambda connection: change_notices(connection, numbers, **values))
        ALERT_NOTICES.labels(self.channel.name, outcome).inc(len(numbers))
