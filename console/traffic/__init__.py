"""RPC traffic: recorded by a proxy, served again as a mock broker, compared with what another broker answers."""

from console.traffic.comparison import NORMALISATIONS, Codes, Compared, Comparison, Verdict, normalise
from console.traffic.conversation import Conversation
from console.traffic.exchange import BadRecording, Exchange, Part, decode_request, error_of, read_recording, to_json
from console.traffic.masking import Masker
from console.traffic.mock import MockBroker
from console.traffic.ns_wire import decode_answer
from console.traffic.playback import Playback
from console.traffic.pseudonyms import Blanks, Kind, Pseudonyms
from console.traffic.recorder import Recorder, Recording, Summary
from console.traffic.rules import CREDENTIAL_RULES, FIELD_RULES, TEXT_RULES

__all__ = [
    "CREDENTIAL_RULES",
    "FIELD_RULES",
    "NORMALISATIONS",
    "TEXT_RULES",
    "BadRecording",
    "Blanks",
    "Codes",
    "Compared",
    "Comparison",
    "Conversation",
    "Exchange",
    "Kind",
    "Masker",
    "MockBroker",
    "Part",
    "Playback",
    "Pseudonyms",
    "Recorder",
    "Recording",
    "Summary",
    "Verdict",
    "decode_answer",
    "decode_request",
    "error_of",
    "normalise",
    "read_recording",
    "to_json",
]
