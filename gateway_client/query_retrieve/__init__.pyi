# The public names; see runtime/late_names.py.

from gateway_client.query_retrieve.keys import SYNTAXES, Key, decode, encode, identifier_of, parse_key, to_json
from gateway_client.query_retrieve.peer import Peer
from gateway_client.query_retrieve.query import FIND, GET, MOVE, Query, Question, find_matches, question, wanted_objects
from gateway_client.query_retrieve.requester import Requester
from gateway_client.query_retrieve.retrieval import Retrieved, get_objects, move_objects, sop_classes_of
from gateway_client.query_retrieve.running import run
from gateway_client.query_retrieve.tls import Secured, UnusableCertificate
from gateway_client.query_retrieve.words import STORAGE, named, printable, told_status

__all__ = [
    "FIND",
    "GET",
    "MOVE",
    "STORAGE",
    "SYNTAXES",
    "Key",
    "Peer",
    "Query",
    "Question",
    "Requester",
    "Retrieved",
    "Secured",
    "UnusableCertificate",
    "decode",
    "encode",
    "find_matches",
    "get_objects",
    "identifier_of",
    "move_objects",
    "named",
    "parse_key",
    "printable",
    "question",
    "run",
    "sop_classes_of",
    "to_json",
    "told_status",
    "wanted_objects",
]
