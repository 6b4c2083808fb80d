"""C-FIND: what is asked for at each level, and the matches as they come."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pydicom.dataset import Dataset

from dul import Exchange, c_find
from gateway_client.errors import BadQuery
from gateway_client.query_retrieve.keys import SYNTAXES, Key, decode, encode, identifier_of, parse_key
from gateway_client.query_retrieve.peer import Peer

#: The information models of Query/Retrieve (PS3.4 C.6); the services are .1 C-FIND, .2 C-MOVE, .3 C-GET.
MODELS = {"patient": "1.2.840.10008.5.1.4.1.2.1", "study": "1.2.840.10008.5.1.4.1.2.2"}
FIND, MOVE, GET = ".1", ".2", ".3"
_WORKLIST_MODEL = "1.2.840.10008.5.1.4.31"
_STEP = "ScheduledProcedureStepSequence[0]."
#: What is told of each level where the command line names nothing.
LEVELS: dict[str, tuple[str, ...]] = {
    "patient": ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "NumberOfPatientRelatedStudies"),
    "study": (
        "StudyDate", "StudyTime", "AccessionNumber", "PatientName", "PatientID", "ModalitiesInStudy", "StudyDescription",
        "NumberOfStudyRelatedInstances", "StudyInstanceUID",
    ),
    "series": ("Modality", "SeriesNumber", "SeriesDescription", "NumberOfSeriesRelatedInstances", "SeriesInstanceUID"),
    "image": ("InstanceNumber", "SOPClassUID", "SOPInstanceUID"),
    "worklist": (
        "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "AccessionNumber", "RequestedProcedureDescription",
        *(_STEP + keyword for keyword in (
            "ScheduledProcedureStepStartDate", "ScheduledProcedureStepStartTime", "Modality", "ScheduledStationAETitle",
            "ScheduledProcedureStepDescription", "ScheduledProcedureStepID",
        )),
        "StudyInstanceUID",
    ),
}  # fmt: skip
_UNIQUE = {"patient": "PatientID", "study": "StudyInstanceUID", "series": "SeriesInstanceUID", "image": "SOPInstanceUID"}


@dataclass(frozen=True, slots=True)
class Query:
    """A question: the SOP class of its service, and its identifier."""

    model: str
    identifier: Dataset


@dataclass(frozen=True, slots=True)
class Question:
    """A C-FIND as the command line says it, and the columns of its answers."""

    query: Query
    columns: tuple[Key, ...]


def question(level: str, model: str | None, words: Sequence[str]) -> Question:
    """Make a C-FIND: what is asked back is what is matched, and what has no value, or the level's own where nothing is named so.

    Raises BadQuery.
    """
    if level not in LEVELS:
        raise BadQuery(f"{level!r} is no level: write one of {', '.join(LEVELS)}.")
    keys = [parse_key(word) for word in words]
    told = [key for key in keys if key.value is None]
    if not told:
        named = {key.path for key in keys}
        told = [key for key in map(parse_key, LEVELS[level]) if key.path not in named]
    columns = tuple({key.path: key for key in (*(key for key in keys if key.value is not None), *told)}.values())
    if level == "worklist":
        if model is not None:
            raise BadQuery("--model is for queries of the archive; a worklist has a model of its own.")
        return Question(Query(_WORKLIST_MODEL, identifier_of(columns)), columns)
    return Question(Query(_model(level, model) + FIND, identifier_of(columns, level.upper())), columns)


def _model(level: str, model: str | None) -> str:
    if level == "patient" and model == "study":
        raise BadQuery("The study root model has no patients: leave --model out, or ask for studies.")
    if model is not None and model not in MODELS:
        raise BadQuery(f"{model!r} is no information model: write one of {', '.join(MODELS)}.")
    return MODELS[model or ("patient" if level == "patient" else "study")]


def wanted_objects(service: str, model: str | None, words: Sequence[str]) -> tuple[str, Query]:
    """Make the identifier of a C-MOVE or C-GET, and tell its level: that of the lowest unique key. Raises BadQuery."""
    keys = [parse_key(word if "=" in word else f"{word}=") for word in words]
    values = {key.heading: key.value for key in keys if len(key.path) == 1}
    level = next((level for level, keyword in reversed(_UNIQUE.items()) if values.get(keyword)), None)
    if level is None:
        raise BadQuery(f"Say what is wanted: give one of {', '.join(f'{keyword}=...' for keyword in _UNIQUE.values())}.")
    return level, Query(_model(level, model) + service, identifier_of(keys, level.upper()))


async def find_matches(
    reactor: Any,
    peer: Peer,
    query: Query,
    limit: int | None,
    told: Callable[[Dataset], None],
    established: Callable[[Exchange], None] = lambda _exchange: None,
) -> bool:
    """Ask, and tell of each match as it comes; gives whether there were more than `limit`, which cancels. Raises GatewayError.

    `established` hears of the association first.
    """
    async with peer.association(reactor, [(query.model, SYNTAXES)]) as exchange:
        established(exchange)
        syntax = peer.syntax_for(exchange, query.model)
        count = 0
        async with c_find(exchange, query.model, encode(query.identifier, syntax), transfer_syntax=syntax) as answers:
            async for match in answers:
                if count == limit:
                    return True
                count += 1
                told(decode(match, syntax))
    return False
