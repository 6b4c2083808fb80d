"""Where recordings have credentials, and data of persons: the tables of what is masked.

CREDENTIAL_RULES and FIELD_RULES know where a procedure has what; TEXT_RULES look for forms anywhere.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from console.traffic.exchange import Part
from console.traffic.pseudonyms import Kind
from console.traffic.wire import COMMAND

_NO_LETTERS = re.compile(r"[\W_]+")


def meant(rpc: str) -> str:
    """Give what a name comes down to, so that one misspelt in letter case or blanks is known too.

    A broker refuses such a call, but its parameters are on the wire all the same.
    """
    return _NO_LETTERS.sub("", rpc.removeprefix(COMMAND)).upper()


@dataclass(frozen=True, slots=True)
class Rule:
    """Where a value stands: `pattern`'s group, in the texts of one part of a procedure's exchanges.

    `procedure` is a name, or an asterisk for all. A request's texts are its literals and the values of its lists;
    `parameter` means one of them only (0 is the first). An answer is one text. With `enciphered` the group is in the
    sign-on cipher.
    """

    procedure: str
    part: Part
    kind: Kind
    pattern: re.Pattern[str]
    parameter: int | None = None
    enciphered: bool = False

    def holds(self, rpc: str, part: Part, parameter: int | None) -> bool:
        """Tell whether the rule is about such a text."""
        return self.part is part and self.parameter in (None, parameter) and meant(self.procedure) == meant(rpc)


def _asked(procedure: str, kind: Kind, pattern: str, parameter: int | None = None, *, enciphered: bool = False) -> Rule:
    return Rule(procedure, Part.REQUEST, kind, re.compile(pattern, re.MULTILINE | re.DOTALL), parameter, enciphered)


def _answered(procedure: str, kind: Kind, pattern: str, *, enciphered: bool = False) -> Rule:
    return Rule(procedure, Part.ANSWER, kind, re.compile(pattern, re.MULTILINE), None, enciphered)


WHOLE, SOME_TEXT = r"\A(.+)\Z", r"([^\r\n]+)"
#: A token, in clear: of a sign-on that is handed on, or of another signer.
CLEAR_TOKEN = r"\A(?=~|<\?xml)(.+)\Z"
NO_TOKEN = r"\A(?!~|<\?xml)(.+)\Z"

CREDENTIAL_RULES = (
    # In whatever parameter: a client may put an empty one first.
    _asked("XUS AV CODE", Kind.TOKEN, CLEAR_TOKEN),
    _asked("XUS AV CODE", Kind.CODES, NO_TOKEN, enciphered=True),
    _asked("SIGNON", Kind.CODES, WHOLE),  # of the text transport, in clear
    _asked("XUS CVC", Kind.CHANGE, r"([^^]+)", enciphered=True),
    # A token of another signer, after the number of its kind; flags have a few digits.
    _asked("XUS SIGNON SETUP", Kind.TOKEN, r"\A(?!\d{0,3}\Z)(?:-\d+\^)?(.+)\Z"),
    _asked("XUS ESSO VALIDATE", Kind.TOKEN, WHOLE),
    _asked("XUS IAM BIND USER", Kind.TOKEN, WHOLE),
    _asked("XUS BSE TOKEN", Kind.TOKEN, WHOLE),
    _asked("XUS SET VISITOR", Kind.TOKEN, WHOLE),
    _asked("XUS KAAJEE LOGOUT", Kind.TOKEN, WHOLE),
    _answered("XUS GET TOKEN", Kind.TOKEN, r"\A(~[^\r\n]+)"),
    _answered("XUS GET CCOW TOKEN", Kind.TOKEN, r"\A(~[^\r\n]+)"),
    _answered("XUS CCOW VAULT PARAM", Kind.TOKEN, SOME_TEXT),
    _answered("XUS BSE TOKEN", Kind.TOKEN, SOME_TEXT),
    _answered("XUS SET VISITOR", Kind.TOKEN, r"^([^\s\d][^\r\n]*)"),
    _answered("MAGB TOKEN MAKE", Kind.TOKEN, r'"token": "([^"]+)"'),
    _answered("MAG DICOM GET SERVICE INFO", Kind.CODES, WHOLE, enciphered=True),
    # The user and password of a network location.
    _answered("MAG GET NETLOC", Kind.CHANGE, r"^(?:[^^\r\n]*\^){4}([^^\r\n]+)"),
    _answered("MAG GET NETLOC", Kind.CHANGE, r"^(?:[^^\r\n]*\^){5}([^^\r\n]+)"),
    _answered("MAGGUSER2", Kind.CHANGE, r"\A[^\r\n]*\r\n([^^\r\n]+)"),
    _answered("MAGGUSER2", Kind.CHANGE, r"\A[^\r\n]*\r\n[^^\r\n]*\^([^^\r\n]+)"),
    _answered("MAG DICOM ROUTE NEXT FILE", Kind.CHANGE, r"\A1\r\n(?:[^\r\n]*\r\n){3}([^\r\n]+)"),
    _answered("MAG DICOM ROUTE NEXT FILE", Kind.CHANGE, r"\A1\r\n(?:[^\r\n]*\r\n){4}([^\r\n]+)"),
)
"""Codes and tokens; they are replaced always."""

CREDENTIAL_CALLS = frozenset(meant(rule.procedure) for rule in CREDENTIAL_RULES if rule.part is Part.REQUEST)
"""The requests, as `meant` names them, whose parameters are credentials; the subscripts of their lists are none to keep."""


def _words_of(part: Part, *others: str) -> re.Pattern[str]:
    names = sorted({rule.procedure for rule in CREDENTIAL_RULES if rule.part is part}, key=len, reverse=True)
    return re.compile("|".join("[\\W_]*".join(name.split()) for name in names) + "".join(f"|{it}" for it in others), re.I)


SECRETS = _words_of(Part.REQUEST, "~BSE~", r"SIGN[\W_]*[IO]N\b", r"LOG[\W_]*[IO]N\b")
SECRET_ANSWERS = _words_of(Part.ANSWER, "~BSE~")
"""In bytes that are not decoded, what follows one of these is not kept; nor what answers one of those."""


def _piece(opcode: str, number: int, inner: str = r"([^|\r\n]+)") -> str:
    """Match one piece of a line `OPCODE|piece 1|piece 2...`."""
    return rf"^{opcode}\|(?:[^|\r\n]*\|){{{number - 1}}}{inner}"


def _header(tag: str, representation: str = r"[^|]*") -> str:
    """Match the value of an element of header data, alone or in sequences."""
    return rf"^HEADER\|[^|]*\|(?:[^|]*>)?{tag}\|{representation}\|[^|]*\|(.+)\Z"


def _line(number: int, inner: str) -> str:
    """Match in one line of an answer; the first is 1."""
    return rf"\A(?:[^\r\n]*\r\n){{{number - 1}}}{inner}"


IMAGING = "MAG DICOM IMAGE PROCESSING"
PATIENT = "MAG DICOM GET PATIENT"
A_DFN = r"\A(\d+)\Z"
GREETING = r"^Good (?:morning|afternoon|evening),? ([^\r\n]+)"
DATE_TEXT = r"([^^|\r\n]+)"

DFN_FIRST = (
    *("MAG DICOM GET ICN", "MAG DICOM GET PATIENT", "MAG DICOM GET PATIENT VITALS", "MAG DICOM GET RAD ORDERS"),
    *("MAG RAD GET NEXT RPT BY PT", "MAG3 TELEREADER CONSULT LIST", "MAG3 TIU CREATE ADDENDUM", "MAG3 TIU MODIFY NOTE"),
    *("MAG3 TIU NEW", "MAG3 TIU SIGN RECORD", "MAG4 CP CONSULT TO TIUDA", "MAG4 CP GET REQUESTS", "MAG4 CP GET VISITS"),
    *("MAG4 PAT GET IMAGES", "MAGG PAT BS5 CHECK", "MAGG PAT EACH IMAGE", "MAGG PAT IMAGES", "MAGG PAT PHOTOS"),
    *("MAGGDGRPD", "MAGGSUR GET", "MAGJ GET TREATING LIST", "MAGJ PT INFO", "MAGN PATIENT HAS PHOTO"),
    *("MAGV RAD EXAM ORDER", "MAGV SERIES UID CHECK", "MAGV SOP UID CHECK", "MAGV STUDY UID CHECK"),
)
"""Procedures whose first parameter is a DFN."""

FIELD_RULES = (
    *(_asked(name, Kind.DFN, A_DFN, 0) for name in DFN_FIRST),
    _asked("MAG DOD GET STUDIES IEN", Kind.DFN, A_DFN, 1),
    _asked("MAGG QUE PATIENT", Kind.DFN, A_DFN, 1),
    _asked("MAGV IMPORT STUDY LOG STORE", Kind.DFN, A_DFN, 2),
    _asked("MAGGLAB START", Kind.DFN, A_DFN, 3),
    _asked("MAG DICOM GET DFN", Kind.ICN, r"\A(\d+(?:[Vv]\d+)?)\Z", 0),
    _asked("MAGV STUDY LOOKUP", Kind.BIRTH_DATE, WHOLE, 4),
    _asked("MAGV STUDY LOOKUP", Kind.ICN, WHOLE, 6),
    _answered("MAG DICOM GET DFN", Kind.DFN, r"\A(\d+)\s*\Z"),
    _answered(PATIENT, Kind.NAME, r"^DEM\^1\^([^^\r\n]+)"),
    _answered(PATIENT, Kind.IDENTIFIER, r"^DEM\^2\^([^^\r\n]+)"),
    _answered(PATIENT, Kind.IDENTIFIER, r"^DEM\^2\^[^^\r\n]*\^([^^\r\n]+)"),
    _answered(PATIENT, Kind.BIRTH_DATE, rf"^DEM\^3\^{DATE_TEXT}"),
    _answered(PATIENT, Kind.BIRTH_DATE, rf"^DEM\^3\^[^^\r\n]*\^{DATE_TEXT}"),
    _answered(PATIENT, Kind.IDENTIFIER, r"^ID\^[BP]ID\^([^^\r\n]+)"),
    _answered(PATIENT, Kind.ICN, r"^ICN\^1\^(\d+(?:[Vv]\d+)?)"),
    _answered(PATIENT, Kind.DFN, r"^Site-DFN\^\d+\^[^\r\n]*-(\d+)\r?$"),
    _answered("MAG DICOM GET BASIC IMAGE", Kind.DFN, r"^PATIENT\^(\d+)\^"),
    _answered("MAG DICOM GET NEXT QUEUE ENTRY", Kind.DFN, _line(11, r"(\d+)\r")),
    _answered("MAG DICOM LOOKUP RAD STUDY", Kind.DFN, _line(2, r"(\d+)\r")),
    _answered("MAG DICOM LOOKUP RAD STUDY", Kind.DFN, _line(10, r"(\d+)\r")),
    # What a gateway read in an image's header, and what the broker knows of the patient.
    _asked(IMAGING, Kind.IDENTIFIER, _piece("STORE1", 7)),
    _asked(IMAGING, Kind.NAME, _piece("STORE1", 8)),
    _answered(IMAGING, Kind.NAME, _piece(r"STORE\|0", 2)),
    _answered(IMAGING, Kind.IDENTIFIER, _piece(r"STORE\|0", 3, r"([^^|\r\n]+)")),
    _answered(IMAGING, Kind.IDENTIFIER, _piece(r"STORE\|0", 3, r"[^^|\r\n]*\^([^^|\r\n]+)")),
    _answered(IMAGING, Kind.BIRTH_DATE, _piece(r"STORE\|0", 4, DATE_TEXT)),
    _answered(IMAGING, Kind.BIRTH_DATE, _piece(r"STORE\|0", 4, rf"[^^|\r\n]*\^{DATE_TEXT}")),
    _answered(IMAGING, Kind.NAME, _piece(r"CORRECT\|FIXED", 7)),
    _answered(IMAGING, Kind.IDENTIFIER, _piece(r"CORRECT\|FIXED", 8)),
    # Header data: HEADER|UID|tag|VR|count|value; the tag of an element in a sequence stands last (`>item>tag`).
    _asked(IMAGING, Kind.NAME, _header(r"[^|]*", "PN")),
    _asked(IMAGING, Kind.IDENTIFIER, _header("0010,(?:0020|1000|1040|2154)")),
    _asked(IMAGING, Kind.BIRTH_DATE, _header("0010,0030")),
    # Fields of PATIENT (#2) as DDR gives them: file^IENs^field^internal^external.
    _answered("DDR GETS ENTRY DATA", Kind.NAME, r"^2\^\d+,\^\.01\^([^^\r\n]+)"),
    _answered("DDR GETS ENTRY DATA", Kind.NAME, r"^2\^\d+,\^\.01\^[^^\r\n]*\^([^^\r\n]+)"),
    _answered("DDR GETS ENTRY DATA", Kind.BIRTH_DATE, rf"^2\^\d+,\^\.03\^{DATE_TEXT}"),
    _answered("DDR GETS ENTRY DATA", Kind.BIRTH_DATE, rf"^2\^\d+,\^\.03\^[^^\r\n]*\^{DATE_TEXT}"),
    _answered("DDR GETS ENTRY DATA", Kind.IDENTIFIER, r"^2\^\d+,\^\.09\^([^^\r\n]+)"),
    _answered("DDR GETS ENTRY DATA", Kind.IDENTIFIER, r"^2\^\d+,\^\.09\^[^^\r\n]*\^([^^\r\n]+)"),
    _answered("DDR GETS ENTRY DATA", Kind.ICN, r"^2\^\d+,\^991\.01\^(\d+)"),
    _answered("DDR GETS ENTRY DATA", Kind.ICN, r"^2\^\d+,\^991\.01\^\d*\^(\d+)"),
    # Users have names too.
    _answered("SIGNON", Kind.NAME, GREETING),
    _answered("XUS AV CODE", Kind.NAME, GREETING),
    _answered("XUS GET USER INFO", Kind.NAME, _line(2, r"(?!unk\r)([^\r\n]+)")),
    _answered("XUS GET USER INFO", Kind.NAME, _line(3, r"(?!unk\r)([^\r\n]+)")),
)
"""Data of persons where a procedure is known to have it."""

#: A date after a word that says whose it is.
_DATE = (
    r"(\d{8}|\d{7}(?:\.\d{1,6})?|[A-Za-z]{3} {1,2}\d\d?, ?\d{4}|\d\d?[ -][A-Za-z]{3}[ -]\d{4}|\d\d?/\d\d?/\d{4}|\d{4}-\d\d-\d\d)"
)
_UPPER, _MIXED = r"[A-ZÀ-ÖØ-Þ][A-ZÀ-ÖØ-Þ'-]*", r"[A-ZÀ-Þ][a-zß-ÿ'-]+"
#: After a comma and a blank a name of capitals has two at least: `POINT A, B` is none.
_BLANK = r"(?: (?=[A-ZÀ-Þ]{2}))?"
TEXT_RULES = (
    _answered("*", Kind.IDENTIFIER, r"STORE1\|(?:[^|\r\n]{0,255}\|){6}([^|\r\n]+)"),
    _answered("*", Kind.NAME, r"STORE1\|(?:[^|\r\n]{0,255}\|){7}([^|\r\n]+)"),
    _answered("*", Kind.ICN, r"(?<![\dA-Z])(\d{10}[Vv]\d{6})(?!\d)"),
    _answered("*", Kind.IDENTIFIER, r"(?<![\d-])(\d{3}([- ])\d\d\2\d{4}P?)(?![\d-])"),
    _answered("*", Kind.IDENTIFIER, r"(?<![\w.])(\d{9}P?)(?![\w.]|,-%)"),
    _answered("*", Kind.BIRTH_DATE, rf"(?:DOB|(?i:D\.O\.B\.?|\bborn(?: on)?|birth(?: ?date)?))[\s:^=]{{1,5}}{_DATE}"),
    _answered(
        "*",
        Kind.NAME,
        rf"(?<![\w'-])({_UPPER}(?: {_UPPER})?,{_BLANK}{_UPPER}(?: {_UPPER}\.?(?!,)){{0,3}})(?![\w'])",
    ),
    _answered("*", Kind.NAME, rf"(?<![\w'-])({_MIXED}, ?{_MIXED}(?: {_MIXED}\.?(?!,)){{0,2}})(?![\w'])"),
)
"""Data of persons told by its form, in any text of any procedure, of requests too."""

_MODALITY = (
    "AR|AU|BI|CR|CT|DG|DX|EM|EP|ES|GM|HC|HD|IO|KO|LS|MG|MR|NM|OP|OT|PR|PT|PX|RF|RG|SM|SR|TG|US|VA|XA|XC"  # PS3.3 C.7.3.1.1.1
)
_DAY = "SUN(?:DAY)?|MON(?:DAY)?|TUE(?:S|SDAY)?|WED(?:NESDAY)?|THU(?:R|RS|RSDAY)?|FRI(?:DAY)?|SAT(?:URDAY)?"
NOT_NAMES = re.compile(rf"(?:(?:{_MODALITY})(?:, ?(?:{_MODALITY}))+|(?:{_DAY})(?:, ?(?:{_DAY}))+|FULL,DICOM)\Z", re.IGNORECASE)
"""What has the form of a name and is none: lists of modalities, of days of the week, a router's flags."""
