"""Who is signed on: user information, divisions, security keys."""

from __future__ import annotations

from sqlalchemy import select, update

from fileman.files import NewPerson, SignOnLog, UserDivision, UserKey
from rpcs.call import Call
from rpcs.errors import undefined
from rpcs.numbers import entry_number
from rpcs.registry import Access, Answer, Availability, listed, literal, procedure
from rpcs.session import DivisionSet
from rpcs.sign_on.people import given_name_first
from xwb import LocalArray, ResultType, m_number

NOT_SIGNED_ON = "User not fully sign-on"

_TITLE = select(NewPerson.title, NewPerson.service)
_DIVISIONS = select(UserDivision.institution).order_by(UserDivision.institution)
_DEFAULT_DIVISION = select(NewPerson.default_division)
#: Stands for a number that no user can have.
NOBODY = -1

_KEYS = select(UserKey.key).order_by(UserKey.position)
_HOLDERS = select(UserKey.key)


@procedure(
    "XUS GET USER INFO",
    returns=ResultType.ARRAY,
    access=Access.READS,
    routine="USERINFO^XUSRB2",
    word_wrap=False,
    availability=Availability.PUBLIC,
    version=1,
)
def get_user_info(call: Call) -> Answer:
    """Answer who is signed on: DUZ, name, name as written, division, title, service, language, time-out, VPID."""
    session = call.session
    if not session.duz:
        return Answer(["0", *["unk"] * 6], security=NOT_SIGNED_ON)
    row = call.connection.execute(_TITLE.where(NewPerson.duz == session.duz)).first()
    title, service = (row.title, row.service) if row is not None else ("", "")
    names = [str(session.duz), session.name, given_name_first(session.name), _division(call, session.division)]
    return Answer([*names, title, service, "", str(session.timeout), ""])


def _division(call: Call, ien: int) -> str:
    institution = call.site.institutions.get(ien)
    return f"{institution.ien}^{institution.name}^{institution.station}" if institution is not None else ""


def _divisions(call: Call) -> list[int]:
    rows = call.connection.execute(_DIVISIONS.where(UserDivision.duz == call.session.duz))
    return list(rows.scalars())


def _enter(call: Call, division: int) -> DivisionSet:
    """Note the division in the SIGN-ON LOG too (UPDIV^XUSRB2)."""
    entry = update(SignOnLog).where(SignOnLog.ien == call.session.sign_on)
    call.connection.execute(entry.values(division=division))
    return DivisionSet(division)


@procedure(
    "XUS DIVISION GET", returns=ResultType.ARRAY, access=Access.WRITES, routine="DIVGET^XUSRB2", parameters=(literal("IEN", 30),)
)
def division_get(call: Call) -> Answer:
    """Answer how many divisions the user may choose from, then `ien^name^station`, and `^1` after the default one.

    With one division there is nothing to choose: the answer is 0 and the user works there.
    """
    divisions = _divisions(call)
    if len(divisions) < 2:
        return Answer(["0"], effects=tuple(_enter(call, division) for division in divisions))
    default = call.connection.execute(_DEFAULT_DIVISION.where(NewPerson.duz == call.session.duz)).scalar()
    lines = [_division(call, ien) + ("^1" if ien == default else "") for ien in divisions]
    return Answer([str(len(divisions)), *lines])


@procedure("XUS DIVISION SET", access=Access.WRITES, routine="DIVSET^XUSRB2", parameters=(literal("DIV", 12, required=True),))
def division_set(call: Call) -> Answer:
    """Set the user's division, named by a grave accent and its IEN or by its station number: 1, or 0 when it is not his.

    A name does not do, as the recorded VistA has it.
    """
    wanted = call.text(0)
    for division in _divisions(call):
        institution = call.site.institutions.get(division)
        if wanted == f"`{division}" or (institution is not None and wanted and wanted == institution.station):
            return Answer("1", effects=(_enter(call, division),))
    return Answer("0")


@procedure(
    "XUS KEY CHECK",
    returns=ResultType.ARRAY,
    access=Access.READS,
    routine="OWNSKEY^XUSRB",
    parameters=(
        listed("KEY", 30, required=True, formal="LIST"),
        literal("IEN"),
    ),
    availability=Availability.PUBLIC,
)
def key_check(call: Call) -> list[str] | LocalArray[str]:
    """Answer 1 or 0 for a security key, or for each of a list of keys: whether the user, or another by IEN, holds it."""
    holder = call.text(1)
    another = holder.isdecimal() and m_number(holder)
    duz = (entry_number(holder) or NOBODY) if another else call.session.duz
    if not duz:
        return ["0"]
    if not call.arguments:
        raise undefined("OWNSKEY+4^XUSRB", "LIST")
    held = set(call.connection.execute(_HOLDERS.where(UserKey.duz == duz)).scalars())
    asked = call.list(0).first_level()
    if not asked:
        return [str(int(call.text(0) in held))]
    return LocalArray.from_mapping({subscript: str(int(key in held)) for subscript, key in asked})


@procedure(
    "XUS ALLKEYS",
    returns=ResultType.GLOBAL_ARRAY,
    access=Access.READS,
    routine="ALLKEYS^XUSRB",
    parameters=(
        literal("IEN", 10),
        literal("FLAG", 3, formal="FLG"),
    ),
    version=1,
)
def all_keys(call: Call) -> LocalArray[str]:
    """Answer the security keys of the user, or of another by IEN, a line each; -1 when nobody is signed on."""
    holder = call.text(0)
    duz = entry_number(holder) if holder.isdecimal() else 0 if holder else call.session.duz
    if duz <= 0:
        return LocalArray.from_mapping({0: "-1"})
    keys = call.connection.execute(_KEYS.where(UserKey.duz == duz)).scalars()
    return LocalArray.from_mapping({(number, 0): key for number, key in enumerate(keys, start=1)})
