"""The recorded rule cases' images in a database, and its queues written as the recorded nodes are."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update
from sqlalchemy.orm import aliased

from fileman import Store, reset_numbers
from fileman.files import (
    BalanceDeal,
    BalanceDeck,
    BalanceMark,
    DicomExport,
    DicomExportImage,
    EvaluatorLog,
    Exam,
    Image,
    Report,
    RuleDecision,
    SendQueue,
    StudyDecision,
)
from rules import balance_nodes
from rules.evaluator.decisions import memory_of
from rules.evaluator.desk import read_balances
from rules.evaluator.explaining import explain_image
from rules.evaluator.versions import ELEMENTS, Loaded, elements_text, load, store_version
from tests.oracle.records import read_records

_NODE = re.compile(r'\^(MAG\(2005|RARPT)[,(](\d+),("?[A-Z0-9]+"?)\)="?(.*?)"?$')
#: Column, node and piece of what images are recorded with.
_TEXTS = {
    "name": ("0", 1),
    "file_ref": ("0", 2),
    "procedure": ("0", 8),
    "last_access": ("0", 9),
    "saved_at": ("2", 1),
    "short_description": ("2", 4),
    "procedure_time": ("2", 5),
    "parent_file": ("2", 6),
    "package": ("40", 1),
    "origin": ("40", 6),
    "uid": ("PACS", 1),
    "series_uid": ("SERIESUID", 1),
}
_NUMBERS = {
    "location": ("0", 3),
    "abstract_location": ("0", 4),
    "jukebox_location": ("0", 5),
    "object_type": ("0", 6),
    "patient": ("0", 7),
    "parent": ("0", 10),
    "parent_ien": ("2", 7),
    "image_class": ("40", 2),
    "image_type": ("40", 3),
    "procedure_or_event": ("40", 4),
    "specialty": ("40", 5),
    "acquisition_site": ("100", 3),
    "acquisition_device": ("100", 4),
    "big_location": ("FBIG", 1),
    "report": ("PACS", 2),
}
_CACHED = re.compile(r'(\^XTMP\("MAGEVALSTUDY",\d+,)"?([\d.]+)"?(,\d+\)=\d)')
GATEWAY_USER, LOCATION = 9002, 660
#: The prior exam of the patient of images 2 and 3, with the images 9 and 10; and where it is while it is not to be found.
PRIOR_EXAM, ELSEWHERE = "010123-90", 1
IMAGES_OF_A_STUDY = 10
Group = aliased(Image)


def fill_recorded_images(connection: Connection) -> None:
    """File the images and reports of the recorded cases; the site must be there.

    No exam has a prior one at first, as none could be looked up in the recording: see `let_priors_be_found`.
    """
    nodes: dict[str, dict[int, dict[str, list[str]]]] = {"MAG(2005": {}, "RARPT": {}}
    for line in read_records("c1_rules")[0]["globals"]:
        if match := _NODE.fullmatch(line):
            entry = nodes[match[1]].setdefault(int(match[2]), {})
            entry.setdefault(match[3].strip('"'), match[4].split("^"))
    for ien, node in nodes["RARPT"].items():
        if ien and "0" in node:
            _file_report(connection, ien, node["0"])
    connection.execute(update(Exam).where(Exam.accession == PRIOR_EXAM).values(location=ELSEWHERE))
    for ien, node in nodes["MAG(2005"].items():
        if ien and "0" in node:
            values: dict[str, Any] = {column: _piece(node, *where) for column, where in _TEXTS.items()}
            values |= {column: int(_piece(node, *where) or 0) or None for column, where in _NUMBERS.items()}
            connection.execute(insert(Image).values(ien=ien, saved_by=0, **values))


def let_priors_be_found(connection: Connection) -> None:
    """Put the exam of 2023 at the same site as that of the images 2 and 3."""
    here = select(Exam.location).where(Exam.accession == "061024-101").scalar_subquery()
    connection.execute(update(Exam).where(Exam.accession == PRIOR_EXAM).values(location=here))


def _file_report(connection: Connection, ien: int, node: list[str]) -> None:
    accession = node[0]
    by_name = select(Exam.ien, Exam.exam_date).where((Exam.accession == accession) | (Exam.site_accession == accession))
    exam = connection.execute(by_name).one()
    values = {"service": "RAD", "accession": accession, "exam": exam.ien, "patient": int(node[1]), "exam_date": exam.exam_date}
    connection.execute(insert(Report).values(ien=ien, entered=node[5], entered_by=GATEWAY_USER, **values))


def _piece(node: dict[str, list[str]], name: str, piece: int) -> str:
    pieces = node.get(name, [])
    return pieces[piece - 1] if len(pieces) >= piece else ""


def clear_queues(connection: Connection) -> None:
    """Empty what evaluators fill, as before each recorded case."""
    decided = (StudyDecision, RuleDecision, EvaluatorLog, BalanceDeck, BalanceDeal, BalanceMark)
    for table in (SendQueue, DicomExportImage, DicomExport, *decided):
        connection.execute(delete(table))
    reset_numbers(connection, ["send_queue", "dicom_export"])


def dump(connection: Connection, task: int) -> dict[str, list[str]]:
    """Write log, study decisions and queues as the recorded nodes are; an export's $H is left out."""
    log = select(EvaluatorLog.text).where(EvaluatorLog.task == task).order_by(EvaluatorLog.line)
    sends: list[str] = []
    for row in connection.execute(select(SendQueue).order_by(SendQueue.ien)).mappings():
        first = "^".join(str(row[column]) for column in ("image", "destination", "file_type", "mechanism", "origin"))
        sends.append(f"^MAGQUEUE(2006.035,{row['ien']},0)={first}^{row['transaction']}")
        sends.append(f"^MAGQUEUE(2006.035,{row['ien']},1)={row['status']}^{row['priority']}^{row['queued']}")
    exports: list[str] = []
    for row in connection.execute(select(DicomExport).order_by(DicomExport.ien)).mappings():
        pieces = ("application", "group", "accession", "origin", "priority", "to_hipaa", "requested")
        node = f"^MAGDOUTP(2006.574,{row['ien']}"
        exports.append(f"{node},0)={'^'.join(str(row[column]) for column in pieces)}")
        exports.append(f"{node},1,0)=^2006.5744^{row['last_sequence']}^{row['image_count']}")
        images = select(DicomExportImage).where(DicomExportImage.export == row["ien"]).order_by(DicomExportImage.sequence)
        exports += [
            f"{node},1,{image['sequence']},0)={image['image']}^{image['status']}"
            for image in connection.execute(images).mappings()
        ]
        exports.append(f"{node},2)={row['study_uid']}")
    return {
        "log": list(connection.execute(log).scalars()),
        "study_cache": _study_cache(connection),
        "balance": balance_nodes(read_balances(connection, LOCATION)),
        "send_queue": sends,
        "dicom_export": exports,
    }


def file_studies(connection: Connection, first: int, studies: int) -> list[int]:
    """File studies like the recorded ones, their images numbered from `first` on; give these, of all studies in turn."""
    models = select(Image.__table__).where(Image.ien.in_([1, 2])).order_by(Image.ien)
    group, image = (dict(row) for row in connection.execute(models).mappings())
    images = list(range(first, first + studies * IMAGES_OF_A_STUDY))
    groups = [images[-1] + number for number in range(1, studies + 1)]
    connection.execute(insert(Image), [{**group, "ien": ien, "uid": f"9.7.{ien}"} for ien in groups])
    parents = [groups[at % studies] for at in range(len(images))]
    rows = [{**image, "ien": ien, "uid": f"9.7.{of}.{ien}", "parent": of} for ien, of in zip(images, parents, strict=True)]
    connection.execute(insert(Image), rows)
    return images


def complaints_about_versions(store: Store, task: int) -> list[str]:
    """Say which image is not explained by one version, which decided its study, or explained otherwise than it went."""
    wanted = (
        select(RuleDecision.image, RuleDecision.version, StudyDecision.version.label("of_study"))
        .join(Image, Image.ien == RuleDecision.image)
        .join(Group, Group.ien == Image.parent)
        .join(StudyDecision, (StudyDecision.task == RuleDecision.task) & (StudyDecision.study_uid == Group.uid), isouter=True)
        .where(RuleDecision.task == task)
    )
    rows = store.read(lambda connection: connection.execute(wanted).all())
    others = select(func.count()).select_from(RuleDecision).where(RuleDecision.task != task)
    wrong = [f"image {row.image} has version {row.version}, its study {row.of_study}" for row in rows if row[1] != row[2]]
    wrong += ["no image is explained"] if not rows else []
    wrong += ["another task decided"] if store.read(lambda connection: connection.execute(others).scalar()) else []
    for row in rows:
        told = store.read(lambda connection, image=row.image: explain_image(connection, image))
        if told.unexplained or told.fired != tuple(rule.number for rule in told.rules if rule.matched):
            wrong.append(f"image {row.image} went by rules {told.fired} and is explained by {told.rules}")
    return wrong


def _study_cache(connection: Connection) -> list[str]:
    """Write what was decided of studies as a node for each rule of the version that decided."""
    nodes = []
    for row in connection.execute(select(StudyDecision).order_by(StudyDecision.study_uid)).mappings():
        memory = memory_of(row)
        rules = load(connection, row["version"]).compiled.rules
        numbers = [rule.number for rule in rules] if memory.decided is None else sorted(memory.decided)
        nodes += [
            f'^XTMP("MAGEVALSTUDY",{row["task"]},{row["study_uid"]},{number})={int(number in memory.fired)}' for number in numbers
        ]
    return nodes


def stored_elements(store: Store, rules: Sequence[str], semantics: str = "vista") -> Loaded:
    """Store rules as those of a ROUTE EVAL START, as its evaluator does; give them compiled."""
    text = elements_text((str(number), element) for number, element in enumerate(rules, start=2))
    return store.transact(
        lambda connection: load(connection, store_version(connection, text, ELEMENTS, semantics, "a test", 0.0))
    )


def recorded_nodes(result: dict[str, Any]) -> dict[str, list[str]]:
    """Give the same of a record, as far as it has them: entries without cross-references, studies with a UID only."""
    cache = (re.fullmatch(_CACHED, node) for node in result.get("study_cache", ()))
    nodes = {
        "study_cache": [f"{match[1]}{match[2]}{match[3]}" for match in cache if match],
        "send_queue": [node for node in result["send_queue"] if re.match(r"\^MAGQUEUE\(2006\.035,\d+,[01]\)=", node)],
        "dicom_export": [
            re.sub(r"(1,\d+,0\)=\d+\^\w+)\^.*", r"\1", node)
            for node in result["dicom_export"]
            if re.match(r"\^MAGDOUTP\(2006\.574,\d+,", node)
        ],
    }
    return {name: nodes.get(name, recorded) for name, recorded in result.items() if name in (*nodes, "log", "balance")}
