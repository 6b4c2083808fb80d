"""Tests of the ZZLAB client, against a broker of their own."""

import pytest
import zzlab
from zzlab_client import order_and_report

from magbroker.client import BrokerClient, XWBError
from magbroker.testing import RealBroker, ScriptedBroker

USER = ("TERRY1", "1LAB!@#$", "ZZLAB CLIENT")


@pytest.fixture
def lab(broker: RealBroker) -> RealBroker:
    """Add the laboratory's procedures, without any orders."""
    zzlab.orders.clear()
    broker.add(zzlab.pack)
    return broker


def test_the_report_names_what_was_ordered(lab: RealBroker) -> None:
    with lab.client(*USER) as client:
        assert "POTASSIUM" in order_and_report(client, "100")
    assert lab.calls_of("ZZLAB ORDER") == [["100", {"1": "fasting", "3": ""}]]


def test_a_lost_answer_leaves_the_order_placed(lab: RealBroker) -> None:
    lab.fault("dropped-answer", rpc="ZZLAB ORDER", times=1)
    with pytest.raises(XWBError), lab.client(*USER) as client:
        order_and_report(client, "100")
    assert len(zzlab.orders) == 1


def test_a_refusal_is_told() -> None:
    """Where the answers are all that counts, a scripted broker gives them without a site."""
    with ScriptedBroker({"ZZLAB ORDER": lambda _arguments: "-1^The laboratory is closed"}) as scripted:
        client = BrokerClient(scripted.host, scripted.port).connect()
        with pytest.raises(RuntimeError, match="closed"):
            order_and_report(client, "100")
        client.bye()
