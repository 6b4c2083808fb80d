"""Changing the verify code (`CVC^XUSRB`, `VCHK^XUS2`)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, select, update

from fileman import SiteKey, check_verify_code, hash_verify_code, to_fileman
from fileman.files import NewPerson
from rpcs.call import Call
from rpcs.errors import undefined
from rpcs.registry import Access, Answer, literal, procedure
from rpcs.session import SignOnFailed
from rpcs.sign_on.codes import record_sign_on
from xwb import ResultType

AV_HELP = "Enter 8-20 characters mixed alphanumeric and punctuation (except '^', ';', ':')"
NOT_THE_CODE = "Sorry that isn't the correct current code"
NOT_MIXED = "VERIFY CODE must be a mix of alpha and numerics and punctuation."
SAME_CODE = "This code is the same as the current one."
USED_BEFORE = "This has been used previously as the VERIFY CODE."
AS_ACCESS_CODE = "VERIFY CODE must be different than the ACCESS CODE."
HOLDS_NAME = "Name cannot be part of code."
#: Line 0 when nobody is signed on, nor about to.
NO_USER = "99"
#: Old codes that are remembered: each costs a slow comparison.
HISTORY = 24

_FORM = re.compile(r"[ -:<-\]_`{-~]{8,20}")  # printable, without lower case, caret and semicolon


@dataclass(frozen=True, slots=True)
class Codes:
    """Whose codes they are, and what they are and were."""

    name: str
    access_hash: str
    verify_hash: str
    verify_history: str


_CODES = select(*(getattr(NewPerson, name) for name in Codes.__dataclass_fields__)).where(NewPerson.duz == bindparam("duz_"))


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is wrong with a change (1 to 6 and its text), or the new code's hash."""

    number: int = 0
    text: str = ""
    hashed: str = ""


def _well_formed(code: str) -> bool:
    return _FORM.fullmatch(code) is not None and ":" not in code


def _mixed(code: str) -> bool:
    letters, digits = (any(test(char) for char in code) for test in (str.isalpha, str.isdigit))
    return letters and digits and not code.isalnum()


def _is_current(hashed: str, old: str) -> bool:
    """Compare the old code as it came: unlike XUS AV CODE, VistA does not bring it into capitals here."""
    if not hashed:
        return not old
    return not any("a" <= char <= "z" for char in old) and check_verify_code(hashed, old)


def judge(call: Call) -> Verdict | None:
    """Check old and new code; runs on a thread, because hashes are slow. None when nobody's code is to be changed."""
    duz = call.session.duz or call.session.pending_duz
    if not duz or not call.arguments:
        return None
    old, new = (_clear(call, part) for part in (call.text(0) + "^").split("^")[:2])
    codes = call.store.read(lambda connection: codes_of(connection, duz))
    if codes is None:
        return None
    if not _is_current(codes.verify_hash, old):
        return Verdict(1, NOT_THE_CODE)
    return judge_new(new, codes, call.environment.key)


def codes_of(connection: Connection, duz: int) -> Codes | None:
    """Give a user's codes; None for nobody's number."""
    row = connection.execute(_CODES, {"duz_": duz}).first()
    return None if row is None else Codes(*row)


def judge_new(new: str, codes: Codes, key: SiteKey) -> Verdict:
    """Judge the code that is to follow others (VCHK^XUS2); slow, by 20 ms for each that is remembered."""
    if not _well_formed(new):
        return Verdict(1, AV_HELP)
    if not _mixed(new):
        return Verdict(2, NOT_MIXED)
    if check_verify_code(codes.verify_hash, new):
        return Verdict(3, SAME_CODE)
    if any(check_verify_code(former, new) for former in codes.verify_history.split()):
        return Verdict(4, USED_BEFORE)
    if key.access_hash(new) == codes.access_hash:
        return Verdict(5, AS_ACCESS_CODE)
    if _holds_name(new, codes.name):
        return Verdict(6, HOLDS_NAME)
    return Verdict(hashed=hash_verify_code(new))


def _holds_name(code: str, name: str) -> bool:
    family, _, given = name.upper().partition(",")
    return family in code or given.partition(" ")[0] in code


def _clear(call: Call, text: str) -> str:
    return call.environment.cipher.decipher(text.encode("iso-8859-1", "replace")).decode("iso-8859-1")


@procedure(
    "XUS CVC", returns=ResultType.ARRAY, access=Access.WRITES, routine="CVC^XUSRB", parameters=(literal("XU1"),), prepare=judge
)
def change_verify_code(call: Call) -> Answer:
    """Change the verify code: old, new and new again, each enciphered, with carets between them.

    Line 0 is 0 for done, 1 to 6 for what is wrong with the code (line 1 says it), 99 when nobody is signed on. Who had to
    change an expired code is signed on by it; whoever fails is signed off, but may try again. The third piece is not
    looked at.
    """
    if not (call.session.duz or call.session.pending_duz):
        return Answer([NO_USER])
    if not call.arguments:
        raise undefined("CVC+2^XUSRB", "XU1")
    verdict = call.prepared
    if not isinstance(verdict, Verdict):
        raise RuntimeError("the codes were not checked")
    duz = call.session.duz or call.session.pending_duz
    if verdict.number:
        return Answer([str(verdict.number), verdict.text], effects=(SignOnFailed(),))
    change_code(call.connection, duz, verdict.hashed, to_fileman(call.clock.now()))
    signed_on = () if call.session.duz else (record_sign_on(call, duz),)
    return Answer(["0", ""], effects=signed_on)


def change_code(connection: Connection, duz: int, hashed: str, changed: str) -> None:
    """Put a code in place of a user's, which is remembered; `changed` is the FileMan date from which its days count."""
    codes = Codes(*connection.execute(_CODES, {"duz_": duz}).one())
    history = [codes.verify_hash, *codes.verify_history.split()] if codes.verify_hash else codes.verify_history.split()
    values = {"verify_hash": hashed, "verify_changed": changed, "verify_history": "\n".join(history[:HISTORY])}
    connection.execute(update(NewPerson).where(NewPerson.duz == duz).values(values))


@procedure("XUS AV HELP", returns=ResultType.ARRAY, access=Access.SESSION, routine="AVHELP^XUSRB")
def av_help(_call: Call) -> list[str]:
    """Answer what a verify code has to be made of."""
    return [AV_HELP]
