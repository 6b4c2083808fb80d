# The public names; see runtime/late_names.py.

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
from gateway_client.object_file import WINDOW, ObjectFile, Outcome, Result, ask_to_store, outcome_of, outcome_when_lost
from gateway_client.part10 import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION, FileMeta, encode_head, read_meta
from gateway_client.spool import Origin

__all__ = [
    "IMPLEMENTATION_CLASS_UID",
    "IMPLEMENTATION_VERSION",
    "WINDOW",
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
    "ObjectFile",
    "ObjectTooLarge",
    "Origin",
    "Outcome",
    "Place",
    "PlaceTaken",
    "PlacementError",
    "Result",
    "SpoolError",
    "SpoolFull",
    "StoredObject",
    "UIDMismatch",
    "UnknownShare",
    "ask_to_store",
    "encode_head",
    "outcome_of",
    "outcome_when_lost",
    "read_meta",
    "run",
    "start_evaluator",
]
