"""What rule evaluators leave: their logs and decisions (^XTMP), and their entries of TASKS (#14.4).

Our tasks are rendered under the numbers that the recorded ones had (`Nodes.tasks`); a task that stands for none is not there.
"""

from __future__ import annotations

import json
from datetime import datetime

from sqlalchemy import Connection

from fileman import site_settings, to_horolog
from fileman.files import EvaluatorLog, StudyDecision, Task
from rules.evaluator.versions import load
from tests.oracle.nodes.writing import Entry, Nodes, pieces, rows_of
from xwb import m_number

#: When the evaluators' log may be purged: in VistA it has its day and no term.
PURGEABLE = "^3261121^Routing Rule Evaluator Log - Can be purged at any time"
#: An evaluator of the recorded VistA's earlier hours, which the log was taken from while it ran.
EARLIER_LOG = (
    (1058, 2, "Sat 03:44 ^XTMP was cleaned up."),
    (1058, 3, "Sat 03:44 Stopped at 67895,13472"),
)
#: The last task that the recorded VistA had before, of those that its TASKS file had from earlier hours.
LAST_EARLIER_TASK = 1060
#: TaskMan's own header: it counts nothing there.
TASKS_HEADER = "TASKS^14.4^1000"
#: What %ZTLOAD saves of its caller with every task: the user's settings in DUZ, and the option by which he came.
CALLER = {0: "", 1: "", 2: 660, "AG": "V", "AUTHENTICATION": "AVCODES", "AUTO": 0, "BUF": 1, "LANG": "", "LOA": 2}
OPTION = (10022, "MAG DICOM GATEWAY FULL")


def logs(connection: Connection, nodes: Nodes) -> None:
    """What evaluators said, and decided of studies."""
    for name in ("MAGEVAL", "MAGEVALSTUDY"):
        nodes.put("^XTMP", name, 0, value=PURGEABLE)
    for task, line, text in EARLIER_LOG:
        nodes.put("^XTMP", "MAGEVAL", task, line, value=text)
    for row in rows_of(connection, EvaluatorLog, "task", "line"):
        if row.task in nodes.tasks:
            nodes.put("^XTMP", "MAGEVAL", nodes.tasks[row.task], row.line, value=row.text)
    for row in rows_of(connection, StudyDecision, "task", "study_uid"):
        if row.task in nodes.tasks:
            fired = json.loads(row.fired_rules)
            for rule in load(connection, row.version).compiled.rules:
                study = (nodes.tasks[row.task], row.study_uid, rule.number)
                nodes.put("^XTMP", "MAGEVALSTUDY", *study, value=int(rule.number in fired))


def tasks(connection: Connection, nodes: Nodes) -> None:
    """The records of evaluators in TASKS (#14.4)."""
    nodes.put("^%ZTSK", 0, value=TASKS_HEADER)
    nodes.put("^%ZTSK", -1, value=max(nodes.tasks.values(), default=""))
    settings = site_settings(connection)
    for row in rows_of(connection, Task, "number"):
        if row.number in nodes.tasks:
            _task(nodes, nodes.tasks[row.number], row, settings.uci, settings.volume)


def is_earlier_task(line: str) -> bool:
    """Tell whether a recorded node is of a task that the recorded VistA had before the scenario began."""
    name, _, rest = line.partition("(")
    return name == "^%ZTSK" and 0 < m_number(rest.partition(",")[0]) <= LAST_EARLIER_TASK


def _task(nodes: Nodes, number: str, row: Entry, uci: str, volume: str) -> None:
    def put(*subscripts: object, value: object = "") -> None:
        nodes.put("^%ZTSK", number, *subscripts, value=value)

    made, starts = (datetime.fromtimestamp(at) for at in (row.created_at, row.scheduled_at))  # noqa: DTZ006  $H is local time
    who = (row.duz, "", to_horolog(made), to_horolog(starts), "R", *OPTION, row.creator, uci, volume, "ZTDESC", "", "")
    put(0, value=pieces(row.entry_point, *who, strip=False))
    put(".02", value=f"1^{volume}^^")
    put(".03", value=row.description)
    days, seconds = to_horolog(starts).split(",")
    put(".04", value=int(days) * 86400 + int(seconds))
    since = to_horolog(datetime.fromtimestamp(row.status_at))  # noqa: DTZ006  $H is local time
    put(".1", value=f"{row.status}^{since}^{row.message}^{row.job}^^^^^")
    for empty in (".2", ".21", ".25"):
        put(empty)
    for subscript, value in CALLER.items():
        put(".3", "DUZ(", subscript, value=value)
    given = json.loads(row.arguments)
    put(".3", "LOCATION", value=given["location"])
    for subscript, text in given["rules"]:
        put(".3", f"RULES({subscript})", value=text)
    put(".3", "XQY", value=OPTION[0])
    put(".3", "XQY0", value=OPTION[1])
