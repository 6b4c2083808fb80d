"""The RPC Broker on Twisted: listeners, sessions, dispatch, bounds."""

from broker.connection import ConnectionBase
from broker.dispatch import Dispatcher, Outcome, Reactor, TaskEngine
from broker.errors import BrokerError, PortTaken
from broker.front import Front
from broker.hub import Hub
from broker.limits import Limits
from broker.m2m_session import M2MSession
from broker.ns_session import NSSession
from broker.service import BrokerService, Listener, SessionFactory, hl7_listener, text_listener
from broker.text_session import TextSession
from broker.timing import TIMINGS, Timing, timing_of

__all__ = [
    "TIMINGS",
    "BrokerError",
    "BrokerService",
    "ConnectionBase",
    "Dispatcher",
    "Front",
    "Hub",
    "Limits",
    "Listener",
    "M2MSession",
    "NSSession",
    "Outcome",
    "PortTaken",
    "Reactor",
    "SessionFactory",
    "TaskEngine",
    "TextSession",
    "Timing",
    "hl7_listener",
    "text_listener",
    "timing_of",
]
