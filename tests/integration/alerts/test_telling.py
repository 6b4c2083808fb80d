"""What is told over real channels: once, signed, again when it was not taken, late in quiet times, and after a kill."""

from __future__ import annotations

import hashlib
import hmac
import json
import ssl
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import Connection

from console.alerts.mail import Mail
from console.alerts.message import Message
from console.alerts.service import channels_of
from console.alerts.spreading import spread
from console.alerts.telling import FIRST_PAUSE, GIVEN_UP_AFTER, SENT_WITHIN, Channel, Telling
from fileman import Mute, Store, add_alert, add_notices, change_alert, list_notices, lock_alerts, mute_alerts
from runtime import AlertSettings, FixedClock, MailSettings, QuietTime, WebhookSettings
from tests.support.certificates import Authority
from tests.support.telling import Hook, hook, mailbox

NIGHT = datetime.fromisoformat("2026-11-23T23:00")


@pytest.fixture
def hooked() -> Iterator[Hook]:
    with hook() as served:
        yield served


class Told:
    """A database with one webhook that is told, by the clock of the test."""

    def __init__(self, store: Store, url: str, *quiet: str, **hook_settings: object) -> None:
        self.store, self.clock = store, FixedClock(NIGHT)
        settings = AlertSettings.model_validate({"webhook": {"W": {"url": url, "quiet": quiet, **hook_settings}}})
        self.channels = channels_of(settings)
        self.critical = frozenset[str](settings.critical)

    @property
    def telling(self) -> Telling:
        """Begin to tell, as a process does that was just started."""
        return Telling(self.store, self.clock, self.channels[0], self.critical)

    def tell(self) -> None:
        """Tell what is due."""
        self.store.transact(lambda it: spread(it, self.channels, self.clock.seconds()))
        telling = self.telling
        while telling.step():
            pass

    def raises(self, kind: str, subject: str, text: str = "It is broken.") -> int:
        """Raise an alert."""
        now = self.clock.seconds()

        def work(connection: Connection) -> int:
            ien = add_alert(connection, kind, subject, text, now, raised=True).ien
            add_notices(connection, [""], "raised", now, alert=ien)
            return ien

        return self.store.transact(work)

    def clears(self, ien: int) -> None:
        """Clear one."""
        now = self.clock.seconds()

        def work(connection: Connection) -> None:
            lock_alerts(connection)
            change_alert(connection, ien, cleared_at=now)
            add_notices(connection, [""], "cleared", now, alert=ien)

        self.store.transact(work)

    def states(self, channel: str = "W") -> list[tuple[str, int]]:
        """Give state and tries of each notice of the channel, in order."""
        rows = self.store.read(lambda it: list_notices(it, 0, 100, channel=channel))
        return [(row["state"], row["tries"]) for row in rows][::-1]


def test_raised_and_cleared_are_posted_once_and_signed(store: Store, hooked: Hook) -> None:
    told = Told(store, hooked.url, secret="s3cret", headers={"Authorization": "Bearer abc"})
    ien = told.raises("disk", "RAID1", "RAID1 has 3 % free.")
    told.tell()
    told.tell()
    told.clock.advance(60)
    told.clears(ien)
    told.tell()
    assert hooked.events == [("raised", "RAID1"), ("cleared", "RAID1")]
    first = hooked.posted[0]
    (event,) = first.value["events"]
    assert (event["text"], event["critical"], event["alert"]["kind"], event["alert"]["ien"]) == (
        "RAID1 has 3 % free.",
        True,
        "disk",
        ien,
    )
    assert event["advice"].startswith("Make room")
    assert datetime.fromisoformat(event["at"]).timestamp() == NIGHT.timestamp()
    expected = hmac.new(b"s3cret", first.body, hashlib.sha256).hexdigest()
    assert first.headers["X-Magbroker-Signature"] == f"sha256={expected}"
    assert (first.headers["Authorization"], first.path) == ("Bearer abc", "/alerts?site=1")
    assert first.headers["X-Magbroker-Message"] == first.value["id"] != hooked.posted[1].value["id"]
    assert told.states() == [("SENT", 1), ("SENT", 1)]


def test_what_is_not_taken_goes_again_with_growing_pauses_under_the_same_name(store: Store, hooked: Hook) -> None:
    hooked.answers = [503, 503]
    told = Told(store, hooked.url)
    told.raises("gateway", "GW1")
    told.tell()
    assert told.states() == [("WAITING", 1)]
    told.clock.advance(FIRST_PAUSE)
    told.tell()
    told.clock.advance(FIRST_PAUSE)
    told.tell()
    assert len(hooked.posted) == 2, "the second pause is twice as long"
    told.clock.advance(FIRST_PAUSE)
    told.tell()
    assert told.states() == [("SENT", 3)]
    assert {it.value["id"] for it in hooked.posted} == {hooked.posted[0].value["id"]}
    assert [it.value["repeated"] for it in hooked.posted] == [False, True, True]


def test_what_is_refused_or_too_old_is_given_up_and_the_reason_is_kept(store: Store, hooked: Hook) -> None:
    hooked.answers = [404, 500, 500]
    told = Told(store, hooked.url)
    told.raises("gateway", "GW1")
    told.tell()
    told.raises("gateway", "GW2")
    told.tell()
    told.clock.advance(GIVEN_UP_AFTER + 1)
    told.tell()
    assert told.states() == [("FAILED", 1), ("FAILED", 2)]
    reasons = [row["reason"] for row in store.read(lambda it: list_notices(it, 0, 10, state="FAILED"))]
    assert reasons == ["localhost answers 500 Internal Server Error", "localhost answers 404 Not Found"]


def test_in_quiet_times_only_critical_ones_are_told_and_the_rest_in_one_message_afterwards(store: Store, hooked: Hook) -> None:
    told = Told(store, hooked.url, "22:00-06:00")
    slow = told.raises("destination", "ARCHIVE")
    told.raises("correct", "CORRECT")
    told.raises("disk", "RAID1")
    told.tell()
    told.clock.advance(3600)
    told.clears(slow)
    told.tell()
    assert hooked.events == [("raised", "RAID1")]
    told.clock.advance(6 * 3600)
    told.tell()
    assert len(hooked.posted) == 2
    assert hooked.events[1:] == [("raised", "ARCHIVE"), ("raised", "CORRECT"), ("cleared", "ARCHIVE")]


def test_what_is_muted_is_told_when_that_is_over_if_it_is_still_there(store: Store, hooked: Hook) -> None:
    told = Told(store, hooked.url)
    now = told.clock.seconds()
    store.transact(lambda it: mute_alerts(it, Mute("gateway", "", now + 3600, "X", now)))
    short, _long = told.raises("gateway", "GW1"), told.raises("gateway", "GW2")
    told.raises("disk", "RAID1")
    told.tell()
    told.clears(short)
    told.tell()
    assert hooked.events == [("raised", "RAID1")]
    told.clock.advance(3601)
    told.tell()
    assert hooked.events[1:] == [("raised", "GW2")]
    assert [state for state, _tries in told.states()] == ["SKIPPED", "SENT", "SENT", "SKIPPED"]


def test_a_channel_that_is_for_some_kinds_is_told_of_those(store: Store, hooked: Hook) -> None:
    told = Told(store, hooked.url, kinds=("disk",))
    told.raises("gateway", "GW1")
    told.raises("disk", "RAID1")
    told.tell()
    assert hooked.events == [("raised", "RAID1")]
    rows = store.read(lambda it: list_notices(it, 0, 100))
    assert {row["reason"] for row in rows if not row["channel"]} == {
        "No channel of the settings is for it.",
        "It is told over W.",
    }


class Killed(BaseException):
    """The process is killed."""


@pytest.mark.parametrize("heard", [True, False])
def test_who_is_killed_while_he_tells_tells_it_once_more_at_most(store: Store, hooked: Hook, heard: bool) -> None:
    told = Told(store, hooked.url)
    told.raises("disk", "RAID1")
    store.transact(lambda it: spread(it, told.channels, told.clock.seconds()))
    real = told.channels[0].teller

    class Dying:
        def tell(self, message: Message) -> str:
            if heard:
                real.tell(message)
            raise Killed

    with pytest.raises(Killed):
        Telling(store, told.clock, Channel("W", Dying()), told.critical).step()
    assert told.states() == [("SENDING", 1)]
    after = told.telling
    assert not after.step(), "another process may be at it"
    after.begin()
    assert after.step()
    assert not after.step()
    assert [it.value["repeated"] for it in hooked.posted] == ([False, True] if heard else [True])
    assert len({it.value["id"] for it in hooked.posted}) == 1
    assert told.states() == [("SENT", 2)]


def test_what_nobody_took_up_is_told_after_a_while(store: Store, hooked: Hook) -> None:
    told = Told(store, hooked.url)
    told.raises("disk", "RAID1")
    store.transact(lambda it: spread(it, told.channels, told.clock.seconds()))
    store.transact(lambda it: told.telling._take(it, told.clock.seconds()))
    told.clock.advance(SENT_WITHIN - 1)
    assert not told.telling.step()
    told.clock.advance(2)
    assert told.telling.step()
    assert hooked.events == [("raised", "RAID1")]


def test_https_is_checked_against_the_authorities(store: Store, tmp_path: Path) -> None:
    authority = Authority.create(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("localhost"))
    with hook(context=context) as served:
        told = Told(store, served.url)
        told.raises("disk", "RAID1")
        told.tell()
        assert served.posted == []
        assert "CERTIFICATE_VERIFY_FAILED" in store.read(lambda it: list_notices(it, 0, 1))[0]["reason"]
        trusting = Told(store, served.url, authorities=str(authority.file))
        trusting.clock.advance(FIRST_PAUSE)
        trusting.tell()
        assert served.events == [("raised", "RAID1")]


def mail_settings(port: int, authority: Authority, **more: object) -> MailSettings:
    facts = {"host": "localhost", "port": port, "sender": "alerts@site.example", "to": ["ann@site.example", "bob@site.example"]}
    return MailSettings.model_validate({**facts, "authorities": str(authority.file), **more})


def mailing(store: Store, settings: MailSettings) -> Told:
    told = Told(store, "http://localhost:1/")
    told.channels = [Channel("M", Mail(settings), (QuietTime.parse("01:00-02:00"),))]
    return told


def test_mail_goes_over_starttls_with_user_and_password(store: Store, tmp_path: Path) -> None:
    authority = Authority.create(tmp_path)
    with mailbox(*authority.issue("localhost"), magbroker="pass1") as box:
        told = mailing(store, mail_settings(box.port, authority, user="magbroker", password="pass1"))
        told.raises("disk", "RAID1", "RAID1 has 3 % free.\r\nBcc: everybody@example.com")
        told.tell()
        assert told.states("M") == [("SENT", 1)]
        (mail,) = box.mails
        assert box.tls
    assert (mail["From"], mail["To"], mail["Auto-Submitted"]) == (
        "alerts@site.example",
        "ann@site.example, bob@site.example",
        "auto-generated",
    )
    assert "ALERT: RAID1 has 3 % free. Bcc: everybody@example.com" in mail["Subject"]
    assert mail["Bcc"] is None
    text = mail.get_payload(decode=True)
    assert isinstance(text, bytes)
    assert b"What to do: Make room" in text


def test_mail_that_is_not_taken_says_why(store: Store, tmp_path: Path) -> None:
    authority = Authority.create(tmp_path)
    with mailbox(*authority.issue("localhost"), magbroker="pass1") as box:
        told = mailing(store, mail_settings(box.port, authority, user="magbroker", password="wrong"))
        told.raises("disk", "RAID1")
        told.tell()
        assert told.states("M") == [("WAITING", 1)], "the password may be set right"
        assert "does not let magbroker in" in store.read(lambda it: list_notices(it, 0, 1))[0]["reason"]
    with mailbox(*authority.issue("localhost")) as box:
        box.refused = {"ann@site.example"}
        told = mailing(store, mail_settings(box.port, authority))
        told.clock.advance(FIRST_PAUSE)
        told.tell()
        assert told.states("M") == [("SENT", 2)], "bob has it"
        assert "ann@site.example was refused: no such user here" in store.read(lambda it: list_notices(it, 0, 1))[0]["reason"]
        box.refused.add("bob@site.example")
        told.raises("disk", "RAID2")
        told.tell()
        assert told.states("M")[-1] == ("FAILED", 1)
    told.raises("disk", "RAID3")
    told.tell()
    assert told.states("M")[-1] == ("WAITING", 1), "the server is away"


def test_no_mail_goes_where_the_server_has_no_tls(store: Store, tmp_path: Path) -> None:
    authority = Authority.create(tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    with mailbox(*Authority.create(other).issue("localhost")) as box:
        told = mailing(store, mail_settings(box.port, authority))
        told.raises("disk", "RAID1")
        told.tell()
        assert (told.states("M"), box.mails) == ([("WAITING", 1)], [])
        assert "CERTIFICATE_VERIFY_FAILED" in store.read(lambda it: list_notices(it, 0, 1))[0]["reason"]


def test_settings_make_the_channels_that_they_name() -> None:
    mail = {"sender": "a@b", "to": ["c@d"], "quiet": ["22:00-06:00"]}
    settings = AlertSettings.model_validate({"mail": {"M": mail}, "webhook": {"W": {"url": "http://h/", "kinds": ["disk"]}}})
    made = {it.name: it for it in channels_of(settings)}
    assert json.dumps(sorted(made)) == '["M", "W"]'
    assert (len(made["M"].quiet), made["W"].kinds) == (1, frozenset({"disk"}))
    assert isinstance(settings.webhook["W"], WebhookSettings)
