"""Queues and decisions written as VistA keeps them: one text per global node, in the order of $QUERY.

`^MAGQUEUE(2006.035)` is the send queue, `^MAGDOUTP(2006.574)` the export queue, `^XTMP("MAGEVALSTUDY")` what was decided of
studies. A node of a cross-reference is empty: its text ends with `=`. The balance is written by `rules.judging.balance`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from xwb import collation_key, is_canonical

Subscript = str | int
#: What a query gives: a mapping of columns.
Row = Any


@dataclass(frozen=True, slots=True)
class Node:
    """One node: its subscripts, and what it holds."""

    subscripts: tuple[Subscript, ...]
    value: str = ""

    def text(self, name: str) -> str:
        """Write the node of a global."""
        return f"{name}({','.join(_quoted(it) for it in self.subscripts)})={self.value}"


def _quoted(subscript: Subscript) -> str:
    text = str(subscript)
    return text if is_canonical(text) else '"' + text.replace('"', '""') + '"'


def _written(name: str, nodes: Iterable[Node]) -> list[str]:
    ordered = sorted(nodes, key=lambda node: [collation_key(str(it)) for it in node.subscripts])
    return [node.text(name) for node in ordered]


def send_queue(rows: Iterable[Row]) -> list[str]:
    """Write the entries of the send queue with their cross-references DEST and STS."""
    nodes: list[Node] = []
    for row in rows:
        ien, status, destination = row["ien"], row["status"], row["destination"]
        first = ("image", "destination", "file_type", "mechanism", "origin", "transaction")
        nodes.append(Node(("2006.035", ien, 0), "^".join(str(row[column]) for column in first)))
        nodes.append(Node(("2006.035", ien, 1), f"{status}^{row['priority']}^{row['queued']}"))
        nodes.append(Node(("2006.035", "DEST", destination, status, row["image"], row["file_type"], ien)))
        nodes.append(Node(("2006.035", "STS", row["origin"], status, row["priority"], destination, ien)))
    return _written("^MAGQUEUE", nodes)


def dicom_export(exports: Iterable[Row], images: Iterable[Row]) -> list[str]:
    """Write exports and their images with their cross-references C, STS and STUDY; `at` of an image is its $HOROLOG."""
    nodes: list[Node] = []
    for row in exports:
        ien = row["ien"]
        first = ("application", "group", "accession", "origin", "priority", "to_hipaa", "requested")
        nodes.append(Node(("2006.574", ien, 0), "^".join(str(row[column]) for column in first)))
        nodes.append(Node(("2006.574", ien, 1, 0), f"^2006.5744^{row['last_sequence']}^{row['image_count']}"))
        nodes.append(Node(("2006.574", ien, 2), str(row["study_uid"])))
        nodes.append(Node(("2006.574", "C", row["requested"], ien)))
        nodes.append(Node(("2006.574", "STUDY", row["study_uid"], ien)))
    for row in images:
        export, sequence = row["export"], row["sequence"]
        nodes.append(Node(("2006.574", export, 1, sequence, 0), f"{row['image']}^{row['status']}^{row['at']}"))
        nodes.append(Node(("2006.574", "STS", row["origin"], row["priority"], row["status"], export, sequence)))
    return _written("^MAGDOUTP", nodes)


def study_cache(decided: Mapping[tuple[int, str], Mapping[int, bool]]) -> list[str]:
    """Write what was decided, by task and study, of each rule."""
    return _written(
        "^XTMP",
        (
            Node(("MAGEVALSTUDY", task, study, rule), str(int(fired)))
            for (task, study), rules in decided.items()
            for rule, fired in rules.items()
        ),
    )
