"""For tests of programs that talk to a broker: brokers whose answers the test writes, in memory and on a real port."""

from xwb.testing import InMemoryBroker, InMemoryConnection, ScriptedBroker, ScriptedSession, connect_in_memory

__all__ = ["InMemoryBroker", "InMemoryConnection", "ScriptedBroker", "ScriptedSession", "connect_in_memory"]
