"""Contexts: menus, locks, keys and times decide which procedures a session may run."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest
from sqlalchemy import func, insert, select

from broker.trap import STRANGERS_A_MINUTE
from fileman import Store
from fileman.files import ErrorLog, Holiday
from rpcs import Access, Call, Pack
from runtime import FixedClock
from tests.integration.rpcs.conftest import MakeBroker
from tests.integration.rpcs.test_sign_on import FRED, connect
from tests.support.broker import RunningBroker
from xwb import ApplicationError, BrokerClient, MError, Reference, SecurityRefused

MENU = """
[[context]]
name = "TOP"
type = "M"
items = ["MIDDLE"]

[[context]]
name = "MIDDLE"
type = "M"
items = ["MAIN", "TOP"]
"""


def signed_on(broker: RunningBroker) -> BrokerClient:
    client = connect(broker)
    client.sign_on(*FRED)
    return client


def refusal(client: BrokerClient, name: str, *arguments: str) -> str:
    with pytest.raises(SecurityRefused) as refused:
        client.call(name, *arguments)
    return refused.value.text


def context_refusal(client: BrokerClient, name: str) -> str:
    with pytest.raises(SecurityRefused) as refused:
        client.create_context(name)
    assert refused.value.data.decode() == refused.value.text
    return refused.value.text


@pytest.mark.parametrize(
    ("context", "why"),
    [
        ('out_of_order = "BACK AT NOON"', "Option out of order with message: BACK AT NOON."),
        ('lock = "XKEY"', "Option locked, FIRST,FRED does not hold the key."),
        ('reverse_lock = "HELD"', "Reverse lock, FIRST,FRED holds the key."),
        ('prohibited_times = "1100-1300"', "This option is time restricted."),
        ('prohibited_times = "WE@1100-1300"', "This option is time restricted."),
    ],
)
def test_an_option_that_is_closed_becomes_no_context(make_broker: MakeBroker, context: str, why: str) -> None:
    with signed_on(make_broker(user='keys = ["HELD"]', context=context)) as client:
        assert context_refusal(client, "MAIN") == why
        assert refusal(client, "ZZ ORACLE SINGLE", "x") == "Application context has not been created!"


@pytest.mark.parametrize(
    "context",
    ['lock = "HELD"', 'reverse_lock = "XKEY"', 'prohibited_times = "1300-1100"', 'prohibited_times = "TH-TU@1100-1300"'],
)
def test_an_option_that_is_open_to_its_user_becomes_the_context(make_broker: MakeBroker, context: str) -> None:
    with signed_on(make_broker(user='keys = ["HELD"]', context=context)) as client:
        client.create_context("MAIN")
        assert client.call("ZZ ORACLE SINGLE", "x").text == "[x]"


def test_an_option_that_closes_while_it_is_the_context_refuses_calls(make_broker: MakeBroker) -> None:
    with signed_on(make_broker()) as client:
        client.create_context("MAIN")
        make_broker(context='out_of_order = "SORRY"')
        assert refusal(client, "ZZ ORACLE SINGLE", "x") == "Option out of order with message: SORRY."


def test_an_option_below_a_users_menu_is_his(make_broker: MakeBroker) -> None:
    beside = '[[context]]\nname = "DEEP"\n[[context]]\nname = "BESIDE"\n'
    broker = make_broker(user='primary_menu = "TOP"', more=MENU.replace('"MAIN"', '"DEEP"') + beside)
    with signed_on(broker) as client:
        for name in ("TOP", "MIDDLE", "DEEP", "MAIN"):
            client.create_context(name)
        assert context_refusal(client, "BESIDE") == "User FIRST,FRED does not have access to option BESIDE"


def test_an_option_below_the_common_menu_is_everybodys(make_broker: MakeBroker) -> None:
    more = '[[context]]\nname = "XUCOMMAND"\ntype = "M"\nitems = ["SHARED"]\n[[context]]\nname = "SHARED"\n'
    with signed_on(make_broker(more=more)) as client:
        client.create_context("SHARED")
        assert context_refusal(client, "XUCOMMAND") == "User FIRST,FRED does not have access to option XUCOMMAND"


def test_procedures_of_a_broker_option_below_count_as_the_contexts_own(make_broker: MakeBroker) -> None:
    part = '[[context]]\nname = "PART"\nrpcs = ["ZZ ORACLE GLOBAL"]\n'
    more = part + '[[context]]\nname = "MENU"\ntype = "M"\nrpcs = ["ZZ ORACLE WP"]\n'
    with signed_on(make_broker(context='items = ["PART", "MENU"]', more=more)) as client:
        client.create_context("MAIN")
        assert client.call("ZZ ORACLE GLOBAL", "x").lines == ["g1", "x", "g3.0"]
        assert refusal(client, "ZZ ORACLE WP", "x") == "The remote procedure ZZ ORACLE WP is not registered to the option MAIN."


def test_a_closed_option_below_closes_the_context(make_broker: MakeBroker) -> None:
    more = '[[context]]\nname = "PART"\nlock = "XKEY"\nrpcs = ["ZZ ORACLE GLOBAL"]\n'
    with signed_on(make_broker(context='items = ["PART"]', more=more)) as client:
        assert context_refusal(client, "MAIN") == "Option locked, FIRST,FRED does not hold the key."


@pytest.mark.parametrize(("keys", "runs"), [("", False), ('keys = ["ORACLE"]', True), ('keys = ["XUPROGMODE"]', True)])
def test_a_procedure_may_want_a_key(make_broker: MakeBroker, keys: str, runs: bool) -> None:
    with signed_on(make_broker(user=keys, context='rpc_keys = {"ZZ ORACLE SINGLE" = "ORACLE"}')) as client:
        client.create_context("MAIN")
        if runs:
            assert client.call("ZZ ORACLE SINGLE", "x").text == "[x]"
        else:
            assert refusal(client, "ZZ ORACLE SINGLE", "x") == "Remote procedure is locked."
        assert client.call("ZZ ORACLE PARAMS", "x").lines[0] == "P1=x"


def test_signing_on_again_leaves_nobody_signed_on_while_it_lasts(make_broker: MakeBroker) -> None:
    with signed_on(make_broker()) as client:
        client.call("XUS SIGNON SETUP")
        assert refusal(client, "XUS GET USER INFO") == "User not fully sign-on"


@pytest.mark.parametrize(
    ("reference", "value"),
    [
        ("DUZ", "1"),
        ("DUZ(2)", "660"),
        ("U", "^"),
        ("DT", "3261118"),
        ("$H", "67892,43200"),
        ("$HOROLOG", "67892,43200"),
        ('"a ""quoted"" text"', 'a "quoted" text'),
        ('"first" second', "first"),
        ('$P(^VA(200,DUZ,0),"^")', "FIRST,FRED"),
        ("$P(^VA(200,DUZ,0),U,1)", "FIRST,FRED"),
        ("$P($G(^VA(200,DUZ,0)),U,2)", ""),
        ('^XMB("NETNAME")', "DEMO.MAGBROKER.EXAMPLE"),
        ("$$ANYTHING^ANYWHERE", ""),
        ("$P", "/dev/null"),
    ],
)
def test_a_reference_has_the_value_that_the_session_holds(make_broker: MakeBroker, reference: str, value: str) -> None:
    with signed_on(make_broker()) as client:
        assert client.call("XWB GET VARIABLE VALUE", Reference(reference.encode())).text == value


@pytest.mark.parametrize("reference", ["NOSUCH", "$ZVERSION", "$P(^DPT(1,0),U)", "^DPT(1,0)", "DUZ+1", "$E(DUZ)", '"open'])
def test_nothing_else_is_evaluated(make_broker: MakeBroker, reference: str) -> None:
    with signed_on(make_broker()) as client:
        with pytest.raises(MError, match="Undefined local variable"):
            client.call("XWB GET VARIABLE VALUE", Reference(reference.encode()))
        assert client.call("XWB IM HERE").text == "1"


def test_what_a_procedure_raises_is_an_m_error_and_stands_in_the_log_with_its_traceback(
    make_broker: MakeBroker, store: Store, clock: FixedClock
) -> None:
    broker = make_broker(context="")
    broker.registry.add(_faulty(broker))
    with signed_on(broker) as client:
        client.create_context("MAIN")
        with pytest.raises(MError) as raised:
            client.call("ZZ ORACLE SINGLE", "secret of a patient")
        assert raised.value.text == "BAD^ZZBAD, Attempt to divide by zero,150373210,-%GTM-E-DIVZERO"
        assert client.call("XUS GET USER INFO").lines[7] == "30"
        assert client.call("ZZ ORACLE PARAMS", "x").lines[0] == "P1=x"
    entries = store.read(lambda connection: connection.execute(select(ErrorLog)).all())
    (entry,) = entries
    assert (entry.rpc, entry.duz, entry.address, entry.context) == ("ZZ ORACLE SINGLE", 1, "127.0.0.1", "MAIN")
    assert entry.at == "3261118.12"
    assert "ZeroDivisionError" in entry.traceback
    assert "test_contexts.py" in entry.traceback


@pytest.mark.parametrize("access", list(Access))
def test_a_procedure_that_wants_to_end_the_broker_or_gives_no_value_is_answered(
    make_broker: MakeBroker, store: Store, access: Access, caplog: pytest.LogCaptureFixture
) -> None:
    """On every road: the reactor's thread, the writer's, the readers'. What a writer has written goes back."""
    broker = make_broker(context="")
    pack = Pack("ZZBAD")

    def written(call: Call) -> None:
        if access is Access.WRITES:
            call.connection.execute(insert(Holiday).values(date="3261225", name="Christmas Day"))

    @pack.procedure("ZZ ORACLE SINGLE", access=access, parameters=("X",))
    def leave(call: Call) -> str:
        written(call)
        sys.exit(3)

    @pack.procedure("ZZ ORACLE PARAMS", access=access, parameters=("X",))
    def number(call: Call) -> str:
        written(call)
        return 5  # a pack's mistake that the broker has to survive

    pack.register(broker.registry)
    with signed_on(broker) as client:
        client.create_context("MAIN")
        for name, error in (
            ("ZZ ORACLE SINGLE", "LEAVE^ZZBAD, ProcedureStopped"),
            ("ZZ ORACLE PARAMS", "NUMBER^ZZBAD, WrongValue"),
        ):
            with pytest.raises(MError) as raised:
                client.call(name, "x")
            assert raised.value.text == f"{error},150381234,-%GTM-E-SETECODE"
        assert client.call("XUS GET USER INFO").lines[0] == "1", "the session goes on"
    assert "ZZ ORACLE SINGLE must not end the broker: SystemExit(3)" in caplog.text
    assert "ZZ ORACLE PARAMS must return a str (SINGLE VALUE), not int" in caplog.text
    assert store.read(lambda connection: connection.execute(select(Holiday)).all()) == []


def test_a_preparation_that_wants_to_end_the_broker_is_answered(make_broker: MakeBroker) -> None:
    broker = make_broker(context="")
    single = broker.registry.get("ZZ ORACLE SINGLE")
    assert single is not None
    broker.registry.add(replace(single, prepare=lambda _call: sys.exit(3)))
    with signed_on(broker) as client:
        client.create_context("MAIN")
        with pytest.raises(MError, match="ProcedureStopped"):
            client.call("ZZ ORACLE SINGLE", "x")


def test_strangers_cannot_flood_the_error_log(
    make_broker: MakeBroker, store: Store, clock: FixedClock, caplog: pytest.LogCaptureFixture
) -> None:
    with connect(make_broker()) as client:
        for _ in range(STRANGERS_A_MINUTE + 20):
            with pytest.raises(MError):
                client.call("XUS AV CODE", "x")
        clock.advance(60)
        with pytest.raises(MError):
            client.call("XUS AV CODE", "x")
    count = store.read(lambda connection: connection.execute(select(func.count()).select_from(ErrorLog)).scalar_one())
    assert count == STRANGERS_A_MINUTE + 1
    assert sum("too fast for the error log" in record.getMessage() for record in caplog.records) == 1


def _faulty(broker: RunningBroker):
    single = broker.registry.get("ZZ ORACLE SINGLE")
    assert single is not None
    return replace(single, handler=lambda call: str(1 // 0), routine="BAD^ZZBAD")


def test_a_procedures_own_error_goes_into_the_application_segment(make_broker: MakeBroker) -> None:
    with signed_on(
        make_broker(context='items = ["PART"]', more='[[context]]\nname = "PART"\nrpcs = ["ZZ ORACLE APPERR"]\n')
    ) as client:
        client.create_context("MAIN")
        with pytest.raises(ApplicationError) as raised:
            client.call("ZZ ORACLE APPERR", "x")
        assert (raised.value.text, raised.value.data) == ("application error x", b"data after app error")


def test_the_procedures_that_are_there_can_be_asked_for(make_broker: MakeBroker) -> None:
    with signed_on(make_broker(user='keys = ["XUPROGMODE", "OTHER"]')) as client:
        names = client.call("XWB RPC LIST", "XWB I").lines
        assert names[:2] == ["XWB IM HERE", "XWB IS RPC AVAILABLE"]
        assert client.call("XWB IS RPC AVAILABLE", "XWB IM HERE").text == "1"
        asked = ["XWB IM HERE", "NO SUCH^1", "ZZ ORACLE INACTIVE", "XWB IM HERE^2.5"]
        assert client.call("XWB ARE RPCS AVAILABLE", "R", asked).lines == ["1", "0", "0", "0"]
        assert client.call("XUS KEY CHECK", {"a": "OTHER", 2: "NONE"}).lines == ["0", "1"]
        assert client.call("XUS ALLKEYS").lines == ["XUPROGMODE", "OTHER"]


def test_the_example_procedures_answer(make_broker: MakeBroker) -> None:
    with signed_on(make_broker(user='keys = ["XUPROGMODE"]')) as client:
        assert client.call("XWB EGCHO STRING", "hallo").text == "hallo"
        assert client.call("XWB EGCHO LIST").lines[27] == "List Item #28"
        assert len(client.call("XWB EGCHO BIG LIST").lines) == 2048
        assert client.call("XWB EGCHO SORT LIST", "HI", {3: "", 20: "", 1: ""}).lines == ["20", "3", "1"]
        assert client.call("XWB EGCHO MEMO", ["one", "two"]).lines == ["DHCP RECEIVED:", "one", "two"]
        assert client.call("XWB EXAMPLE GET LIST", "LINES", "9").lines[-2:] == ["Line #8-+", "Line #9-+"]
        assert client.call("XWB EXAMPLE GET LIST", "KILOBYTES", "2").lines.count("2-Kilobyte******") == 64
        assert client.call("XWB EXAMPLE SORT NUMBERS", "HI", {1: "3", 2: "-7.5", 3: "20"}).lines == ["20", "3", "-7.5"]
        assert client.call("XWB EXAMPLE BIG TEXT", ["abc", "", "de"]).text == "5^3"
