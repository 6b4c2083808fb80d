"""A DICOM gateway inside a program of yours: `run(settings, elements)` receives, files and sends until a signal.

With an `Application` of yours it asks it about connections and objects. A `Listener` does so without any broker, a `Requester`
for what it gets from a peer. `commit_files` and `commit_instances` ask a peer for storage commitment.
"""

from gateway_client import (
    Application,
    CommitmentResult,
    CommitmentSCU,
    FileMeta,
    Gateway,
    Keep,
    Origin,
    Place,
    Reference,
    StoredObject,
    commit_files,
    commit_instances,
    run,
)
from gateway_client import ApplicationListener as Listener
from gateway_client.query_retrieve import Peer, Requester, Retrieved, Secured
from rules import for_elements, for_vista, parse_rules, to_elements
from runtime import GatewaySettings, Settings, load_settings

__all__ = [
    "Application",
    "CommitmentResult",
    "CommitmentSCU",
    "FileMeta",
    "Gateway",
    "GatewaySettings",
    "Keep",
    "Listener",
    "Origin",
    "Peer",
    "Place",
    "Reference",
    "Requester",
    "Retrieved",
    "Secured",
    "Settings",
    "StoredObject",
    "commit_files",
    "commit_instances",
    "for_elements",
    "for_vista",
    "load_settings",
    "parse_rules",
    "run",
    "to_elements",
]
