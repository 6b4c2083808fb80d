"""Our tables as the nodes of VistA's globals, to be compared with what was recorded of them.

Each file is one function that puts its nodes into `Nodes`, in a module by theme; `RENDERERS` names them by the beginning of
their nodes. A node is compared whole, its cross-references too. What the product does not keep of a file is a constant beside
its renderer, named for what it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from fileman import SiteKey
from tests.oracle.nodes import evaluators, filing, images, locations, queues, radiology
from tests.oracle.nodes.writing import Nodes, Renderer

#: The files that can be rendered, by the beginning of their nodes.
RENDERERS: dict[str, Renderer] = {
    "^%ZTSK(": evaluators.tasks,
    "^MAG(2005,": images.images,
    "^MAG(2005.1,": images.deleted_images,
    "^MAG(2005.2,": locations.network_locations,
    "^MAG(2006.04,": filing.devices,
    "^MAG(2006.5838,": filing.lab_groups,
    "^MAG(2006.5839,": filing.consult_groups,
    "^MAGD(2006.5715,": filing.current_images,
    "^MAGD(2006.575,": filing.failed_images,
    "^MAGD(2006.5752,": filing.importable_objects,
    "^MAGDAUDT(2006.5762,": filing.acquisition_counts,
    "^MAGDOUTP(2006.574,": queues.dicom_export,
    "^MAGQUEUE(2006.03,": queues.background_queue,
    "^MAGQUEUE(2006.031,": queues.queue_pointers,
    "^MAGQUEUE(2006.035,": queues.send_queue,
    "^RADPT(": radiology.exams,
    "^RARPT(": radiology.reports,
    "^XTMP(": evaluators.logs,
}
#: Dumps that show parts of files only: which.
PARTS = {
    "b1_store-007": {"^RADPT(": ('^RADPT(1,"DT",6759389.9069,',)},
    "b2_duplicates-015": {"^MAG(2005,": ('^MAG(2005,"P",', "^MAG(2005,1,1,")},
    "b9_correct-036": {"^MAGD(2006.575,": ("^MAGD(2006.575,1,", '^MAGD(2006.575,"AFX",')},
    "d2_route_queue-055": {"^MAG(2005.2,": ("^MAG(2005.2,16,", '^MAG(2005.2,"C",')},
    "d2_route_queue-057": {"^MAG(2005.2,": ("^MAG(2005.2,16,",)},
    "d3_misc_rpcs-029": {"^MAG(2005.2,": ("^MAG(2005.2,14,", "^MAG(2005.2,99,", '^MAG(2005.2,"C",')},
    "d3_misc_rpcs-047": {"^MAG(2005,": ("^MAG(2005,2,4,", '^MAG(2005,"ROUTE",')},
    "d4_eval_purge_and_extras-055": {"^%ZTSK(": ("^%ZTSK(1065,",)},
}
_RECORDED_DAY = "3261121"
#: Moments and numbers that depend on the clock and on what ran besides, and what is put in their place.
_CHANCE = (
    (re.compile(r"(?<!\d)6[6-9]\d{3},\d{1,5}(?!\d)"), "<horolog>"),
    (re.compile(r"(Sun|Mon|Tue|Wed|Thu|Fri|Sat) \d\d:\d\d "), "<log time> "),
    (re.compile(r"(^\^%ZTSK\(\d+,\.04\)=)\d+"), r"\1<seconds>"),
    (re.compile(r"(^\^%ZTSK\(\d+,\.1\)=.*\^)[^^]*(\^{5})"), r"\1<job>\2"),
)


class UnknownFile(AssertionError):
    """A dump shows a file that nobody renders."""


def differences(
    connection: Connection,
    record: dict[str, Any],
    days: set[str],
    key: SiteKey | None = None,
    tasks: Mapping[int, str] | None = None,
) -> list[str]:
    """Compare a dump with our tables: `-` a node that VistA had, `+` one that only we have.

    The moment of each is blanked: `days` are the FileMan days on which our entries may have been made. `key` is the site's,
    for what is kept enciphered; `tasks` gives the recorded task's number of each of ours.
    """
    lines = [line for line in record["globals"] if not evaluators.is_earlier_task(line)]
    recorded = {_blanked(line, {_RECORDED_DAY}) for line in lines}
    beginnings = {_beginning(line) for line in lines}
    nodes = Nodes(record["id"], key, tasks or {})
    for beginning in beginnings:
        RENDERERS[beginning](connection, nodes)
    parts = PARTS.get(record["id"], {})
    wanted = tuple(part for beginning in beginnings for part in parts.get(beginning, (beginning,)))
    rendered = {_blanked(line, days) for line in nodes.lines() if line.startswith(wanted)}
    return [*(f"- {line}" for line in sorted(recorded - rendered)), *(f"+ {line}" for line in sorted(rendered - recorded))]


def _beginning(line: str) -> str:
    found = next((beginning for beginning in RENDERERS if line.startswith(beginning)), None)
    if found is None:
        raise UnknownFile(f"no renderer for {line}")
    return found


def _blanked(line: str, days: set[str]) -> str:
    """Put <now> for a moment of those days, <today> for the day alone, and a word for what chance decides."""
    for day in days:
        line = re.sub(rf"(?<!\d){day}\.\d{{1,6}}(?!\d)", "<now>", line)
        line = re.sub(rf"(?<![\d.]){day}(?![\d.])", "<today>", line)
    for chance, word in _CHANCE:
        line = chance.sub(word, line)
    return line
