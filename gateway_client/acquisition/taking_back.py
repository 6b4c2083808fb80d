"""Taking back: an image that has an entry number and whose file cannot be placed is removed from VistA (ROLLBACK)."""

from __future__ import annotations

from collections.abc import Sequence

from gateway_client.acquisition.answers import TakenBack, read_rollback_answers
from gateway_client.acquisition.filing import Filing
from gateway_client.acquisition.placement import unusable
from gateway_client.acquisition.store_request import rollback_lines
from gateway_client.broker import Broker
from gateway_client.journal import Change, Instance, RequestKind, State

#: Seconds after which an object that was taken back is stored anew, once; the second time it is held.
ANEW_PAUSE = 300.0


class TakingBack(Filing[tuple[TakenBack, str]]):
    """The task that takes back what is TAKING_BACK."""

    kind = RequestKind.ROLLBACK
    before = State.TAKING_BACK

    def _go_on(self, broker: Broker) -> bool:
        """Take the oldest images back."""
        waiting = self._journal.in_state(State.TAKING_BACK, self._clock.seconds(), self._configuration.batch)
        ready = [instance for instance in waiting if instance.alone][:1] or waiting
        if not ready:
            return False
        number = self._new_uuid()
        self._carry_out(broker, self._open(number, rollback_lines(number, [it.ien or 0 for it in ready]), ready))
        return True

    def _found(self, instances: Sequence[Instance], answer: Sequence[str]) -> list[tuple[TakenBack, str]]:
        """Read the answers; with each, why the object cannot be stored anew, if its file says so."""
        found = read_rollback_answers(answer, len(instances))
        return [(outcome, unusable(self._spool.path(it.name), it.digest)) for it, outcome in zip(instances, found, strict=True)]

    def _change(self, instance: Instance, found: tuple[TakenBack, str]) -> Change:
        outcome, lost = found
        if not outcome.gone:
            return self._refused(instance, f"{instance.reason} Imaging entry #{instance.ien} is still there: {outcome.message}")
        why = f"{instance.reason} Imaging entry #{instance.ien} was successfully removed."
        if instance.taken_back or lost:
            return self._refused(instance, why)
        self._tell([self._event(instance, "PLACE", "taken back", why)])
        return Change(
            *(instance.id, State.RECEIVED, 0, "", "", "", why),
            tries=1,  # its ACQUIRED is counted already
            next_try=self._clock.seconds() + ANEW_PAUSE,
            alone=False,
            taken_back=1,
        )
