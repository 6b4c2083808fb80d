"""The DICOM gateway: receives by C-STORE, files over the RPC broker, sends what the rules queue. A process of its own."""

from gateway_client.configuration import Configuration
from gateway_client.errors import (
    AnswerMismatch,
    BrokerRefused,
    GatewayError,
    JournalError,
    NotAnObject,
    NotPart10,
    ObjectTooLarge,
    PlacementError,
    SpoolError,
    SpoolFull,
    UIDMismatch,
    UnknownShare,
)
from gateway_client.gateway import Gateway, run
from gateway_client.heartbeat import start_evaluator

__all__ = [
    "AnswerMismatch",
    "BrokerRefused",
    "Configuration",
    "Gateway",
    "GatewayError",
    "JournalError",
    "NotAnObject",
    "NotPart10",
    "ObjectTooLarge",
    "PlacementError",
    "SpoolError",
    "SpoolFull",
    "UIDMismatch",
    "UnknownShare",
    "run",
    "start_evaluator",
]
