"""Users: the caller's own name, and people by their radiology classification."""

from __future__ import annotations

from sqlalchemy import bindparam, func, select

from fileman import to_fileman
from fileman.files import NewPerson
from rpcs.call import Call
from rpcs.look_ups.lists import LIMIT, search_text, too_many
from rpcs.registry import Access, literal, procedure
from xwb import ResultType

_NAME = select(NewPerson.name).where(NewPerson.duz == bindparam("duz"))
_CLASSIFIED = (
    select(NewPerson.duz, NewPerson.name, NewPerson.terminated, NewPerson.radiology_classes)
    .where(NewPerson.radiology_classes != "", func.substr(NewPerson.name, 1, bindparam("length")) == bindparam("beginning"))
    .order_by(NewPerson.name, NewPerson.duz)
)


@procedure("MAG DICOM GET USERNAME", access=Access.READS, routine="USERNAME^MAGDRPCB", word_wrap=False)
def get_username(call: Call) -> str:
    """Answer the caller's name as file 200 has it."""
    return call.connection.execute(_NAME, {"duz": call.session.duz}).scalar() or ""


@procedure(
    "MAG DICOM GET RAD PERSON",
    returns=ResultType.ARRAY,
    access=Access.SCANS,
    routine="RADLST^MAGDRPCB",
    parameters=(literal("CLASS", 30, required=True), literal("NAME", 30, required=True)),
    word_wrap=False,
    version=3,
)
def get_radiology_person(call: Call) -> list[str]:
    """Answer a count and `duz^name` of people whose name begins so and who are of one of the classes C, R, S, T.

    `-1` without a class or a match, `-2` for more than 100 matches. Who was terminated is left out.
    """
    classes = call.text(0)
    if not classes:
        return ["-1^No RAD/NUC classification provided."]
    beginning = search_text(call.text(1))
    today = to_fileman(call.clock.now().date())
    rows = call.connection.execute(_CLASSIFIED, {"beginning": beginning, "length": len(beginning)})
    found = [
        f"{row.duz}^{row.name}"
        for row in rows
        if set(row.radiology_classes) & set(classes) and not (row.terminated and row.terminated <= today)
    ]
    if not found:
        return ["-1^No provider matching input."]
    return [str(len(found)), *found] if len(found) <= LIMIT else [too_many()]
