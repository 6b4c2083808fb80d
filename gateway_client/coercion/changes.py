"""What becomes of objects on their way to each destination."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gateway_client.coercion.coercing import coerce, parse_coercions
from gateway_client.coercion.deidentification import Deidentification
from gateway_client.coercion.pseudonyms import Pseudonyms
from gateway_client.errors import CoercionError
from gateway_client.objects.patient_name import restore
from gateway_client.objects.splicing import Change, in_turn
from runtime import DestinationSettings


def check_destinations(destinations: Mapping[str, DestinationSettings]) -> None:
    """Raise CoercionError, which names the destination, for attributes and values that there cannot be."""
    for name, settings in destinations.items():
        try:
            parse_coercions(settings.coerce)
        except CoercionError as error:
            raise CoercionError(f'[gateway.destination."{name}"] coerce: {error}') from error


def change_for(settings: DestinationSettings, key: Callable[[], bytes]) -> Change | None:
    """Make what is changed for a destination, if anything is; the key of the pseudonyms is read where they are wanted.

    Names are restored first; what is coerced is coerced in what was de-identified. Raises CoercionError and PseudonymKeyError.
    """
    changes: list[Change] = [restore] if settings.restore_patient_name else []
    if settings.deidentify is not None:
        changes.append(Deidentification(settings.deidentify, Pseudonyms(key())).change)
    if settings.coerce:
        changes.append(coerce(parse_coercions(settings.coerce)))
    return in_turn(changes) if changes else None
