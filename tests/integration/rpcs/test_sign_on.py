"""Signing on: refusals, the greeting, expired and changed codes, lockout, tokens, divisions, the log."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import select

from fileman import Store
from fileman.files import NewPerson, SignOnLog
from runtime import FixedClock
from tests.integration.rpcs.conftest import MakeBroker
from tests.support.broker import RunningBroker
from tests.support.waiting import until
from xwb import BrokerClient, Cipher, MError, SecurityRefused, SignOnRefused

FRED = ("FRED1", "1FRED!@#$")
SECOND = """
[[user]]
duz = 2
name = "SECOND,SUE"
access = "SUE2"
verify = "2SUE!@#$"
"""


def connect(broker: RunningBroker) -> BrokerClient:
    return BrokerClient("127.0.0.1", broker.port, timeout=30, name="test-client").connect()


def enciphered(text: str) -> str:
    return Cipher.standard().encipher(text.encode()).decode("iso-8859-1")


def lines_of(broker: RunningBroker, access: str, verify: str) -> list[str]:
    """Sign on over a new connection; give the lines of XUS AV CODE."""
    with connect(broker) as client:
        client.call("XUS SIGNON SETUP")
        return client.call("XUS AV CODE", enciphered(f"{access};{verify}")).lines


@pytest.mark.parametrize(
    ("user", "settings", "message"),
    [
        ("disuser = true", "", "No access allowed for this user."),
        (
            "terminated = 2026-11-18",
            "",
            "Your ACCESS CODE has been terminated. Please see your site manager!",
        ),
        (
            "locked_until = 2026-11-19T08:30:00",
            "",
            "You are LOCKED OUT until 11/19/26 8:30 am because of too many invalid attempts.",
        ),
        ('prohibited_times = "0800-1630"', "", "Your access to the system is prohibited from 8:00 am through 4:30 pm."),
        ('prohibited_times = "MO-FR@1130-1200"', "", "Your access to the system is prohibited from 11:30 am through 12:00 pm."),
        ("", "logons_inhibited = true", "Signons not currently allowed on this processor."),
    ],
)
def test_who_may_not_sign_on_hears_why(make_broker: MakeBroker, store: Store, user: str, settings: str, message: str) -> None:
    broker = make_broker(user=user)
    client = connect(broker)
    client.call("XUS SIGNON SETUP")
    if settings:
        make_broker(settings=settings, user=user)  # the site changes while the client is connected
    answer = client.call("XUS AV CODE", enciphered(";".join(FRED))).lines
    assert answer[0] == "0"
    assert answer[3] == message
    client.close()


@pytest.mark.parametrize(
    "user",
    [
        "",
        "terminated = 2026-11-19",
        "locked_until = 2026-11-18T11:59:00",
        'prohibited_times = "SA-SU@0800-1630,MO-FR@1700-0600"',
    ],
    ids=["plain", "terminated tomorrow", "lock is over", "prohibited at other times"],
)
def test_who_may_sign_on_does(make_broker: MakeBroker, user: str) -> None:
    assert lines_of(make_broker(user=user), *FRED)[:6] == ["1", "0", "0", "", "0", "0"]


def test_a_wrong_verify_code_tells_nothing_of_the_user(make_broker: MakeBroker) -> None:
    broker = make_broker(user="disuser = true")
    assert lines_of(broker, "FRED1", "WRONG")[3] == "Not a valid ACCESS CODE/VERIFY CODE pair."


def test_the_greeting_holds_the_sites_text_and_what_happened_since(make_broker: MakeBroker, clock: FixedClock) -> None:
    broker = make_broker(
        settings='post_sign_on = ["Downtime tonight", ""]\ncount_post_sign_on = true\nsignon_attempts = 9',
        user='nickname = "FREDDY"\nverify_age_days = 86',
    )
    expiry = "     Your Verify code will expire in 4 days"
    assert lines_of(broker, *FRED)[5:] == ["5", "Downtime tonight", "", "", "Good afternoon FREDDY", expiry]
    lines_of(broker, "FRED1", "WRONG")
    lines_of(broker, "FRED1", "WRONG")
    clock.advance(86400)
    assert lines_of(broker, *FRED)[9:] == [
        "Good afternoon FREDDY",
        "     You last signed on yesterday at 12:00",
        "There were 2 unsuccessful attempts since you last signed on.",
        "     Your Verify code will expire in 3 days",
    ]


def change(client: BrokerClient, old: str, new: str, again: str | None = None) -> list[str]:
    return client.call("XUS CVC", "^".join(map(enciphered, (old, new, new if again is None else again)))).lines


def test_an_expired_code_is_changed_and_its_user_signed_on_by_it(make_broker: MakeBroker) -> None:
    broker = make_broker(user="verify_age_days = 91")
    with connect(broker) as client:
        with pytest.raises(SignOnRefused) as refused:
            client.sign_on(*FRED)
        assert refused.value.verify_must_change
        with pytest.raises(SecurityRefused, match="not fully sign-on"):
            client.call("XUS GET USER INFO")
        assert change(client, FRED[1], "SHORT1!") == [
            "1",
            "Enter 8-20 characters mixed alphanumeric and punctuation (except '^', ';', ':')",
        ]
        assert change(client, FRED[1], "2NEWCODE!", "OTHER") == ["0", ""]
        assert client.call("XUS GET USER INFO").lines[:2] == ["1", "FIRST,FRED"]
        client.create_context("MAIN")
    assert lines_of(broker, *FRED)[0] == "0"
    assert lines_of(broker, "FRED1", "2newcode!")[0] == "1"


@pytest.mark.parametrize(
    ("new", "number", "text"),
    [
        ("lower1!case", "1", "Enter 8-20 characters"),
        ("SEMI;COLON1!", "1", "Enter 8-20 characters"),
        ("WITH:COLON1!", "1", "Enter 8-20 characters"),
        ("TWENTY-ONE-CHARS-1234", "1", "Enter 8-20 characters"),
        ("ONLYLETTERS", "2", "must be a mix"),
        ("LETTERS123", "2", "must be a mix"),
        ("LETTERS!!!", "2", "must be a mix"),
        ("1234567!", "2", "must be a mix"),
        ("1FRED!@#$", "3", "same as the current one"),
        ("ACC1!CODE", "5", "different than the ACCESS CODE"),
        ("9FIRST!!!", "6", "Name cannot be part of code."),
        ("9FRED!!!!", "6", "Name cannot be part of code."),
    ],
)
def test_a_bad_new_code_is_refused_with_its_reason(make_broker: MakeBroker, new: str, number: str, text: str) -> None:
    broker = make_broker()
    access = "FRED1"
    if number == "5":
        broker = make_broker(more=SECOND.replace("SUE2", "ACC1!CODE"))
        access = "ACC1!CODE"
    verify = "2SUE!@#$" if number == "5" else FRED[1]
    with connect(broker) as client:
        client.sign_on(access, verify)
        answer = change(client, verify, new)
        assert answer[0] == number
        assert text in answer[1]
        assert client.call("XUS CVC", "x").lines == ["99"]


def test_a_former_code_is_not_taken_again(make_broker: MakeBroker) -> None:
    broker = make_broker()
    with connect(broker) as client:
        client.sign_on(*FRED)
        assert change(client, FRED[1], "2NEWCODE!") == ["0", ""]
        assert change(client, "2NEWCODE!", "3NEWCODE!") == ["0", ""]
        assert change(client, "3NEWCODE!", "2NEWCODE!")[0] == "4"
    with connect(broker) as client:
        client.sign_on("FRED1", "3NEWCODE!")
        assert change(client, "3NEWCODE!", FRED[1]) == ["4", "This has been used previously as the VERIFY CODE."]


def test_failures_from_one_address_lock_it_and_a_good_code_opens_it(make_broker: MakeBroker, clock: FixedClock) -> None:
    broker = make_broker(settings="signon_attempts = 3")
    answers = [lines_of(broker, "NOBODY", "X")[:4] for _ in range(3)]
    assert [answer[1] for answer in answers] == ["0", "0", "1"]
    assert answers[2][3] == "Device/IP address is locked due to too many invalid signon attempts."
    assert lines_of(broker, *FRED)[0] == "1"
    assert lines_of(broker, "NOBODY", "X")[1] == "0"
    clock.advance(31)
    assert [lines_of(broker, "NOBODY", "X")[1] for _ in range(2)] == ["0", "0"]


def test_a_locked_address_stays_locked_for_the_sites_time(make_broker: MakeBroker, clock: FixedClock) -> None:
    broker = make_broker(settings="signon_attempts = 2\nlock_addresses = true\nlockout_seconds = 600")
    for _ in range(2):
        lines_of(broker, "NOBODY", "X")
    locked = lines_of(broker, *FRED)
    assert locked[:2] == ["0", "0"]
    assert "is locked due to too many" in locked[3]
    clock.advance(599)
    assert "is locked due to too many" in lines_of(broker, *FRED)[3]
    clock.advance(2)
    assert lines_of(broker, *FRED)[0] == "1"


def test_a_locked_user_stays_locked_from_everywhere_while_others_sign_on(make_broker: MakeBroker, clock: FixedClock) -> None:
    broker = make_broker(settings="signon_attempts = 2\nlock_users = true\nlockout_seconds = 600", more=SECOND)
    for _ in range(2):
        lines_of(broker, "FRED1", "WRONG")
    assert "You are LOCKED OUT until 11/18/26 12:10 pm" in lines_of(broker, *FRED)[3]
    assert lines_of(broker, "SUE2", "2SUE!@#$")[0] == "2"
    clock.advance(601)
    assert lines_of(broker, *FRED)[0] == "1"


@pytest.mark.parametrize(
    ("settings", "user"), [("multiple_sign_on = false", ""), ("", 'multiple_sign_on = "NOT ALLOWED"')], ids=["site", "user"]
)
def test_a_second_sign_on_may_be_forbidden(make_broker: MakeBroker, settings: str, user: str) -> None:
    broker = make_broker(settings=settings, user=user)
    client = connect(broker)
    client.sign_on(*FRED)
    assert lines_of(broker, *FRED)[3] == "*** MULTIPLE SIGNONS NOT ALLOWED ***"
    client.bye()
    until(lambda: lines_of(broker, *FRED)[0] == "1", "the first session ends")


def test_from_one_address_a_user_may_sign_on_twice(make_broker: MakeBroker) -> None:
    broker = make_broker(user='multiple_sign_on = "ONE ADDRESS"')
    with connect(broker) as client:
        client.sign_on(*FRED)
        assert lines_of(broker, *FRED)[0] == "1"


def test_a_full_volume_takes_nobody_more(make_broker: MakeBroker) -> None:
    broker = make_broker(settings="max_signed_on = 1", more=SECOND)
    with connect(broker) as client:
        client.sign_on(*FRED)
        refused = lines_of(broker, "SUE2", "2SUE!@#$")
        assert refused[1:4] == ["1", "0", "Maximum number of users already signed on to this processor."]


def test_a_token_signs_a_new_connection_on_once_and_for_ninety_seconds(make_broker: MakeBroker, clock: FixedClock) -> None:
    broker = make_broker()
    with connect(broker) as client:
        assert client.call("XUS GET TOKEN").text == "NOT AUTHENTICATED"
        client.sign_on(*FRED)
        first, late = client.call("XUS GET TOKEN").text, client.call("XUS GET TOKEN").text
    assert first.startswith("~1XWBAS")
    assert sign_on_with(broker, first)[0] == "1"
    assert sign_on_with(broker, first)[0] == "0"
    clock.advance(91)
    assert sign_on_with(broker, late)[0] == "0"


def sign_on_with(broker: RunningBroker, token: str) -> list[str]:
    with connect(broker) as client:
        client.call("XUS SIGNON SETUP")
        return client.call("XUS AV CODE", token).lines


def test_a_user_of_two_divisions_chooses_one(make_broker: MakeBroker, store: Store) -> None:
    broker = make_broker(user="default_division = 688", more=SECOND)
    with connect(broker) as client:
        client.sign_on("SUE2", "2SUE!@#$")
        assert client.call("XUS DIVISION GET").lines == ["0"]
    broker = make_broker(more=SECOND + "divisions = [688, 660]\ndefault_division = 688\n")
    with connect(broker) as client:
        client.sign_on("SUE2", "2SUE!@#$")
        assert client.call("XUS DIVISION GET").lines == ["2", "660^SALT LAKE CITY^660", "688^WASHINGTON DC^688^1"]
        assert client.call("XUS GET USER INFO").lines[3] == "660^SALT LAKE CITY^660"
        assert client.call("XUS DIVISION SET", "`688").text == "1"
        assert client.call("XUS DIVISION SET", "`999").text == "0"
        assert client.call("XUS GET USER INFO").lines[3] == "688^WASHINGTON DC^688"
        entry = select(SignOnLog.division).where(SignOnLog.signed_off == "", SignOnLog.duz == 2)
        assert 688 in store.read(lambda connection: connection.execute(entry).scalars().all())


def test_the_log_tells_when_a_session_ended(make_broker: MakeBroker, store: Store, clock: FixedClock) -> None:
    broker = make_broker()
    client = connect(broker)
    client.sign_on(*FRED)
    clock.advance(60)
    client.close()  # without #BYE#
    entry = select(SignOnLog.signed_on, SignOnLog.signed_off, SignOnLog.address, SignOnLog.client)

    def entries() -> list[tuple[str, ...]]:
        return [tuple(row) for row in store.read(lambda connection: connection.execute(entry).all())]

    until(lambda: entries()[0][1] != "", "the log is closed")
    assert entries() == [("3261118.12", "3261118.1201", "127.0.0.1", "test-client")]


def test_sign_ons_of_a_broker_that_died_do_not_count(make_broker: MakeBroker, store: Store, clock: FixedClock) -> None:
    broker = make_broker(settings="multiple_sign_on = false")
    client = connect(broker)
    client.sign_on(*FRED)
    clock.advance(120)  # nobody renewed the broker's lease: it is as good as dead
    assert lines_of(broker, *FRED)[0] == "1"
    client.close()


def test_who_must_not_guess_codes_cannot_find_them_in_the_database(make_broker: MakeBroker, store: Store) -> None:
    make_broker()
    row = store.read(lambda connection: connection.execute(select(NewPerson.access_hash, NewPerson.verify_hash)).one())
    assert not any(code in value for code in FRED for value in row)
    assert row.verify_hash.startswith("$argon2")


def test_sign_on_without_codes_is_an_m_error_that_signs_off(make_broker: MakeBroker) -> None:
    with connect(make_broker()) as client:
        client.sign_on(*FRED)
        client.call("XUS SIGNON SETUP")
        client.sign_on(*FRED)
        with pytest.raises(MError):
            client.call("XUS AV CODE")
        with pytest.raises(SecurityRefused, match="User not fully sign-on"):
            client.call("XUS GET USER INFO")
        assert client.sign_on(*FRED).duz == 1


def test_changing_a_code_without_codes_is_an_m_error_and_the_user_stays(make_broker: MakeBroker) -> None:
    with connect(make_broker()) as client:
        client.sign_on(*FRED)
        with pytest.raises(MError):
            client.call("XUS CVC")
        assert client.call("XUS GET USER INFO").lines[0] == "1"


@pytest.mark.parametrize(
    ("settings", "answer"),
    [
        ("logons_inhibited = true", "Signons not currently allowed on this processor."),
        ("lock_addresses = true\nsignon_attempts = 1", "Device/IP address is locked due to too many invalid signon attempts."),
    ],
)
def test_locks_are_looked_at_before_the_codes(make_broker: MakeBroker, settings: str, answer: str) -> None:
    with connect(make_broker()) as client:
        client.call("XUS SIGNON SETUP")
        other = make_broker(settings=settings)
        if "lock_addresses" in settings:
            lines_of(other, "FRED1", "WRONG1!")
        assert client.call("XUS AV CODE").lines[3] == answer


def test_a_sign_on_does_not_clear_the_failures_of_its_connection(make_broker: MakeBroker) -> None:
    with connect(make_broker(settings="signon_attempts = 3")) as client:
        client.call("XUS SIGNON SETUP")
        codes = [("FRED1", "WRONG1!")] * 2 + [FRED] + [("FRED1", "WRONG1!")]
        answers = [client.call("XUS AV CODE", enciphered(";".join(pair))).lines for pair in codes]
    assert [lines[0] for lines in answers] == ["0", "0", "1", "0"]
    assert answers[3][3].startswith("Device/IP address is locked")


def test_the_user_whose_access_code_came_last_is_locked(make_broker: MakeBroker, clock: FixedClock) -> None:
    broker = make_broker(settings="signon_attempts = 3\nlock_users = true\nlock_addresses = true", more=SECOND)
    with connect(broker) as client:
        client.call("XUS SIGNON SETUP")
        for pair in ("FRED1;WRONG1!", "FRED1;WRONG1!", "NOBODY1;WRONG1!"):
            client.call("XUS AV CODE", enciphered(pair))
    assert lines_of(broker, *FRED)[3].startswith("You are LOCKED OUT until")
    assert lines_of(broker, "SUE2", "2SUE!@#$")[0] == "2"


def test_a_wrong_code_does_not_take_the_right_to_change_an_expired_one(make_broker: MakeBroker) -> None:
    broker = make_broker(user="verify_changed = 2020-01-01")
    with connect(broker) as client:
        client.call("XUS SIGNON SETUP")
        assert client.call("XUS AV CODE", enciphered(";".join(FRED))).lines[2] == "1"
        client.call("XUS AV CODE", enciphered("NOBODY1;WRONG1!"))
        assert change(client, "1FRED!@#$", "NEW1CODE!")[0] == "0"


def test_the_old_code_is_compared_as_it_comes(make_broker: MakeBroker) -> None:
    with connect(make_broker()) as client:
        client.sign_on(*FRED)
        assert change(client, "1fred!@#$", "NEW1CODE!") == ["1", "Sorry that isn't the correct current code"]


@pytest.mark.parametrize("which", ["known", "unknown"])
def test_a_client_with_another_cipher_table_is_told_from_one_with_wrong_codes(
    make_broker: MakeBroker, caplog: pytest.LogCaptureFixture, which: str, other_cipher: Callable[[], Cipher]
) -> None:
    other = other_cipher()
    broker = make_broker(other_ciphers={"OTHER": other})
    code = "FRED1;1FRED!@#$" if which == "known" else "NOBODY;X"
    with connect(broker) as client:
        client.call("XUS SIGNON SETUP")
        assert client.call("XUS AV CODE", other.encipher(code.encode(), 3, 7)).lines[0] == "0"
    told = any("cipher table OTHER" in record.getMessage() for record in caplog.records)
    assert told == (which == "known")
