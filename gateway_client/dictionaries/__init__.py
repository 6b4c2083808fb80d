"""The gateway's dictionaries: files of lines with bars as the VA's gateways have them, or tables of the settings.

Readers are pure: text becomes lines, lines become records, and whatever is wrong is told with its place.
"""

from gateway_client.dictionaries.entries import DictionaryError, Problem
from gateway_client.dictionaries.instrument import Instrument
from gateway_client.dictionaries.modality import Extractor, Modalities, Modality
from gateway_client.dictionaries.reading import Dictionaries, read_dictionaries
from gateway_client.dictionaries.user_application import UserApplication
from gateway_client.dictionaries.worklist import Worklist

__all__ = [
    "Dictionaries",
    "DictionaryError",
    "Extractor",
    "Instrument",
    "Modalities",
    "Modality",
    "Problem",
    "UserApplication",
    "Worklist",
    "read_dictionaries",
]
