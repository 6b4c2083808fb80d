"""The RPC Broker on Twisted: listeners, sessions, dispatch, bounds."""

from broker.connection import ConnectionBase, Hub
from broker.dispatch import Dispatcher, Outcome, TaskEngine
from broker.errors import BrokerError, PortTaken
from broker.limits import Limits
from broker.ns_session import NSSession
from broker.service import BrokerService
from broker.text_session import TextSession
from broker.timing import TIMINGS, Timing, timing_of

__all__ = [
    "TIMINGS",
    "BrokerError",
    "BrokerService",
    "ConnectionBase",
    "Dispatcher",
    "Hub",
    "Limits",
    "NSSession",
    "Outcome",
    "PortTaken",
    "TaskEngine",
    "TextSession",
    "Timing",
    "timing_of",
]
