# The public names; see runtime/late_names.py.

from gateway_client.acquisition.lots import LotWriter
from gateway_client.archive.entities import entities_of
from gateway_client.coercion.changes import change_for, check_destinations
from gateway_client.coercion.comparison import Difference, compare
from gateway_client.coercion.pseudonyms import read_key
from gateway_client.commitment.scu import CommitmentSCU, commit_files, commit_instances, references_of
from gateway_client.commitment.transaction import MOST_REFERENCES, CommitmentResult, Reference, reason_text
from gateway_client.configuration import Configuration, imports_of
from gateway_client.dictionaries import Dictionaries, DictionaryError, read_dictionaries
from gateway_client.errors import (
    AnswerMismatch,
    BadCommitment,
    BadQuery,
    BrokerRefused,
    CoercionError,
    CutOff,
    GatewayError,
    JournalError,
    LotError,
    NoAssociation,
    NoCommitmentResult,
    NotAccepted,
    NotAnObject,
    NotPart10,
    ObjectTooLarge,
    PeerFailed,
    PlacementError,
    PlaceTaken,
    SpoolError,
    SpoolFull,
    UIDMismatch,
    UnknownInstitution,
    UnknownShare,
)
from gateway_client.frozen_gateway import FrozenGateway, NotFrozen, freeze_gateway
from gateway_client.gateway import Gateway, run
from gateway_client.heartbeat import start_evaluator
from gateway_client.locations import NetworkLocations
from gateway_client.objects.part10 import (
    HEAD_LIMIT,
    IMPLEMENTATION_CLASS_UID,
    IMPLEMENTATION_VERSION,
    FileMeta,
    decode_head,
    digest_of,
    encode_head,
    read_meta,
)
from gateway_client.objects.splicing import Change
from gateway_client.objects.wholeness import check_file
from gateway_client.reception.application import Application, Keep, Place, StoredObject
from gateway_client.reception.listeners import listeners_of
from gateway_client.reception.listening import ApplicationListener
from gateway_client.reception.port_offers import offers_of
from gateway_client.reception.spool import Origin
from gateway_client.transmission.object_file import (
    WINDOW,
    ObjectFile,
    Outcome,
    Result,
    ask_to_store,
    outcome_of,
    outcome_when_lost,
)

__all__ = [
    "HEAD_LIMIT",
    "IMPLEMENTATION_CLASS_UID",
    "IMPLEMENTATION_VERSION",
    "MOST_REFERENCES",
    "WINDOW",
    "AnswerMismatch",
    "Application",
    "ApplicationListener",
    "BadCommitment",
    "BadQuery",
    "BrokerRefused",
    "Change",
    "CoercionError",
    "CommitmentResult",
    "CommitmentSCU",
    "Configuration",
    "CutOff",
    "Dictionaries",
    "DictionaryError",
    "Difference",
    "FileMeta",
    "FrozenGateway",
    "Gateway",
    "GatewayError",
    "JournalError",
    "Keep",
    "LotError",
    "LotWriter",
    "NetworkLocations",
    "NoAssociation",
    "NoCommitmentResult",
    "NotAccepted",
    "NotAnObject",
    "NotFrozen",
    "NotPart10",
    "ObjectFile",
    "ObjectTooLarge",
    "Origin",
    "Outcome",
    "PeerFailed",
    "Place",
    "PlaceTaken",
    "PlacementError",
    "Reference",
    "Result",
    "SpoolError",
    "SpoolFull",
    "StoredObject",
    "UIDMismatch",
    "UnknownInstitution",
    "UnknownShare",
    "ask_to_store",
    "change_for",
    "check_destinations",
    "check_file",
    "commit_files",
    "commit_instances",
    "compare",
    "decode_head",
    "digest_of",
    "encode_head",
    "entities_of",
    "freeze_gateway",
    "imports_of",
    "listeners_of",
    "offers_of",
    "outcome_of",
    "outcome_when_lost",
    "read_dictionaries",
    "read_key",
    "read_meta",
    "reason_text",
    "references_of",
    "run",
    "start_evaluator",
]
