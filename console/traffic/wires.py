"""The transports whose messages are decoded. Those of others are recorded as bytes.

The text transport is what begins like none of the others.
"""

from __future__ import annotations

from collections.abc import Mapping

from console.traffic.m2m_wire import M2MWire
from console.traffic.ns_wire import NSWire
from console.traffic.text_wire import TextWire
from console.traffic.wire import Wire
from xwb import Transport

WIRES: Mapping[Transport, Wire] = {Transport.NS: NSWire(), Transport.M2M: M2MWire(), Transport.UNKNOWN: TextWire()}
