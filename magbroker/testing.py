"""For tests of programs that talk to a broker: real brokers, and brokers whose answers the test writes.

`magbroker.fixtures` has them as pytest fixtures.
"""

from console.real_broker import RealBroker, SiteTemplate
from xwb.testing import InMemoryBroker, InMemoryConnection, ScriptedBroker, ScriptedSession, connect_in_memory

__all__ = [
    "InMemoryBroker",
    "InMemoryConnection",
    "RealBroker",
    "ScriptedBroker",
    "ScriptedSession",
    "SiteTemplate",
    "connect_in_memory",
]
