"""The transports whose messages are decoded. Those of others are recorded as bytes."""

from __future__ import annotations

from collections.abc import Mapping

from console.traffic.m2m_wire import M2MWire
from console.traffic.ns_wire import NSWire
from console.traffic.wire import Wire
from xwb import Transport

WIRES: Mapping[Transport, Wire] = {Transport.NS: NSWire(), Transport.M2M: M2MWire()}
