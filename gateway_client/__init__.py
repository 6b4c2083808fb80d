"""The DICOM gateway: receives by C-STORE, files over the RPC broker, sends what the rules queue. A process of its own."""

from gateway_client.application import Application, Keep, Place, StoredObject
from gateway_client.configuration import Configuration
from gateway_client.errors import (
    AnswerMismatch,
    BrokerRefused,
    GatewayError,
    JournalError,
    NotAccepted,
    NotAnObject,
    NotPart10,
    ObjectTooLarge,
    PlacementError,
    PlaceTaken,
    SpoolError,
    SpoolFull,
    UIDMismatch,
    UnknownShare,
)
from gateway_client.gateway import Gateway, run
from gateway_client.heartbeat import start_evaluator
from gateway_client.listening import ApplicationListener
from gateway_client.part10 import FileMeta
from gateway_client.spool import Origin

__all__ = [
    "AnswerMismatch",
    "Application",
    "ApplicationListener",
    "BrokerRefused",
    "Configuration",
    "FileMeta",
    "Gateway",
    "GatewayError",
    "JournalError",
    "Keep",
    "NotAccepted",
    "NotAnObject",
    "NotPart10",
    "ObjectTooLarge",
    "Origin",
    "Place",
    "PlaceTaken",
    "PlacementError",
    "SpoolError",
    "SpoolFull",
    "StoredObject",
    "UIDMismatch",
    "UnknownShare",
    "run",
    "start_evaluator",
]
