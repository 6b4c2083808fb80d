"""The gateway's pulse: says who it is, starts the rule evaluator of its location, tells every few seconds how it is."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence

from gateway_client.broker import Broker
from gateway_client.configuration import Configuration
from gateway_client.objects.part10 import IMPLEMENTATION_VERSION
from xwb import RemoteError

log = logging.getLogger(__name__)

RUNNING_ALREADY, NOT_ACCEPTED = "-3,", "-4,"

Element = tuple[str, str]
"""A subscript of the RULES list, and a caret element such as `1^ACTION^DICOM`."""


def start_evaluator(broker: Broker, location: int, elements: Sequence[Element]) -> str:
    """Start a location's rule evaluator with compiled rules (START^MAGDRPC5); gives VistA's answer.

    `0,TaskMan task#=n`; -3 when one is running already, with the rules that it was started with; -4 when TaskMan is down.
    """
    rules = {int(subscript): element for subscript, element in elements}
    return broker.call("MAG DICOM ROUTE EVAL START", str(location), rules).text


class Heartbeat:
    """The task of the heartbeat worker; `status` gives what it tells."""

    def __init__(
        self, configuration: Configuration, status: Callable[[], Mapping[str, object]], elements: Sequence[Element] = ()
    ) -> None:
        self._configuration = configuration
        self._status = status
        self._elements = elements
        self._evaluator_pending = False

    def connected(self, broker: Broker) -> None:
        """Have this machine numbered, and start the evaluator on every new session: a broker that was away may have none."""
        broker.call("MAG DICOM GET MACHINE ID", self._configuration.machine)
        self._evaluator_pending = bool(self._elements)

    def offline(self) -> None:
        """Do nothing."""

    def step(self, broker: Broker) -> bool:
        """Tell how the gateway is; ask again for an evaluator that TaskMan would not start."""
        if self._evaluator_pending:
            self._start_evaluator(broker)
        status = {"pid": os.getpid(), "version": IMPLEMENTATION_VERSION, **self._status()}
        broker.call("MAGB GATEWAY HEARTBEAT", self._configuration.machine, [f"{key}={value}" for key, value in status.items()])
        return False

    def _start_evaluator(self, broker: Broker) -> None:
        try:
            answer = start_evaluator(broker, self._configuration.location, self._elements)
        except RemoteError as error:
            answer = str(error)
        self._evaluator_pending = answer.startswith(NOT_ACCEPTED)
        level = logging.INFO if answer.startswith(("0,", RUNNING_ALREADY)) else logging.WARNING
        log.log(level, "rule evaluator of location %d: %s", self._configuration.location, answer)
