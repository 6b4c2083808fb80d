"""Every rule of what is masked has an example that only it masks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from console.traffic import CREDENTIAL_RULES, FIELD_RULES, TEXT_RULES, Masker, Part, Pseudonyms, masking
from console.traffic.rules import DFN_FIRST, Rule
from tests.unit.traffic.test_masking import CIPHER, data, everything, exchange

SECRET = "XWBAS123"
LINES = "1\r\n2\r\n3\r\n4\r\n5\r\n6\r\n7\r\n8\r\n9\r\n10\r\n"


@dataclass(frozen=True)
class Example:
    """A text with a secret in it: of a parameter, or of an answer."""

    rpc: str
    part: Part
    text: str
    secret: str = SECRET
    parameter: int = 0

    def stays(self, masker: Masker) -> bool:
        """Tell whether the secret is there after masking."""
        if self.part is Part.ANSWER:
            told = data(masker.mask(exchange(self.rpc, answer=self.text)))
        else:
            told = everything(masker.mask(exchange(self.rpc, *[""] * self.parameter, self.text)))
        return self.secret in told or self.secret in CIPHER.decipher(told.encode("latin-1", "replace")).decode("latin-1")


def asked(rpc: str, text: str, secret: str = SECRET, parameter: int = 0) -> Example:
    return Example(rpc, Part.REQUEST, text, secret, parameter)


def answered(rpc: str, text: str, secret: str = SECRET) -> Example:
    return Example(rpc, Part.ANSWER, text, secret)


def enciphered(text: str) -> str:
    return CIPHER.encipher(text.encode()).decode("latin-1")


IMAGING, PATIENT, DDR = "MAG DICOM IMAGE PROCESSING", "MAG DICOM GET PATIENT", "DDR GETS ENTRY DATA"
STORED = "STORE|0|4^x^1|DOE,JANE|666000001^666-00-0002|2500115^JAN 16,1950|76|M^MALE|"
FIXED = "CORRECT|FIXED|1|2|3|4|5|6|DOE,JANE|PAT77X|9"
NETLOC = "1^\\\\a\\b^MAG^1^USER77^WORD88^1\r\n"
NEXT_FILE = "1\r\na\r\nb\r\nc\r\nUSER77\r\nWORD88\r\n"

EXAMPLES = (
    asked("XUS AV CODE", f"~1{SECRET}"),
    asked("XUS AV CODE", enciphered(f"{SECRET};x")),
    asked("SIGNON", SECRET),
    asked("XUS CVC", f"{enciphered(SECRET)}^{enciphered('other')}"),
    asked("XUS SIGNON SETUP", f"-35^{SECRET}"),
    asked("XUS ESSO VALIDATE", SECRET),
    asked("XUS IAM BIND USER", SECRET),
    asked("XUS BSE TOKEN", SECRET),
    asked("XUS SET VISITOR", SECRET),
    asked("XUS KAAJEE LOGOUT", SECRET),
    answered("XUS GET TOKEN", f"~1{SECRET}"),
    answered("XUS GET CCOW TOKEN", f"~~TOK~~{SECRET}"),
    answered("XUS CCOW VAULT PARAM", SECRET),
    answered("XUS BSE TOKEN", SECRET),
    answered("XUS SET VISITOR", SECRET),
    answered("MAGB TOKEN MAKE", f'1^{{"token": "{SECRET}", "ien": 1}}'),
    answered("MAG DICOM GET SERVICE INFO", enciphered(f"{SECRET};x")),
    answered("MAG GET NETLOC", NETLOC, "USER77"),
    answered("MAG GET NETLOC", NETLOC, "WORD88"),
    answered("MAGGUSER2", "1^X\r\nUSER77^WORD88\r\n", "USER77"),
    answered("MAGGUSER2", "1^X\r\nUSER77^WORD88\r\n", "WORD88"),
    answered("MAG DICOM ROUTE NEXT FILE", NEXT_FILE, "USER77"),
    answered("MAG DICOM ROUTE NEXT FILE", NEXT_FILE, "WORD88"),
    *(asked(name, "77123", "77123") for name in DFN_FIRST),
    asked("MAG DOD GET STUDIES IEN", "77123", "77123", 1),
    asked("MAGG QUE PATIENT", "77123", "77123", 1),
    asked("MAGV IMPORT STUDY LOG STORE", "77123", "77123", 2),
    asked("MAGGLAB START", "77123", "77123", 3),
    asked("MAG DICOM GET DFN", "1000000001V401987", "1000000001"),
    asked("MAGV STUDY LOOKUP", "19500115", "19500115", 4),
    asked("MAGV STUDY LOOKUP", "1000000001V401987", "1000000001", 6),
    answered("MAG DICOM GET DFN", "77123", "77123"),
    answered(PATIENT, "11\r\nDEM^1^DOE,JANE\r\n", "DOE,JANE"),
    answered(PATIENT, "DEM^2^666000001^666-00-0002\r\n", "666000001"),
    answered(PATIENT, "DEM^2^666000001^666-00-0002\r\n", "666-00-0002"),
    answered(PATIENT, "DEM^3^2500115^JAN 16,1950\r\n", "2500115"),
    answered(PATIENT, "DEM^3^2500115^JAN 16,1950\r\n", "JAN 16,1950"),
    answered(PATIENT, "ID^BID^D0077\r\n", "D0077"),
    answered(PATIENT, "ICN^1^1000000001V401987\r\n", "1000000001"),
    answered(PATIENT, "Site-DFN^1^660-77123\r\n", "77123"),
    answered("MAG DICOM GET BASIC IMAGE", "PATIENT^77123^DOE,JANE\r\n", "77123"),
    answered("MAG DICOM GET NEXT QUEUE ENTRY", f"{LINES}77123\r\n12\r\n", "77123"),
    answered("MAG DICOM LOOKUP RAD STUDY", "1\r\n77123\r\n3\r\n", "77123"),
    answered("MAG DICOM LOOKUP RAD STUDY", LINES.replace("10\r", "77123\r"), "77123"),
    asked(IMAGING, "STORE1|1|2|3|4|5|6|PAT77X|DOE^JANE|9", "PAT77X"),
    asked(IMAGING, "STORE1|1|2|3|4|5|6|PAT77X|DOE^JANE|9", "DOE^JANE"),
    answered(IMAGING, STORED, "DOE,JANE"),
    answered(IMAGING, STORED, "666000001"),
    answered(IMAGING, STORED, "666-00-0002"),
    answered(IMAGING, STORED, "2500115"),
    answered(IMAGING, STORED, "JAN 16,1950"),
    answered(IMAGING, FIXED, "DOE,JANE"),
    answered(IMAGING, FIXED, "PAT77X"),
    asked(IMAGING, "HEADER|1.2|0010,0010|PN|1|DOE^JANE", "DOE^JANE"),
    asked(IMAGING, "HEADER|1.2|0010,0020|LO|1|PAT77X", "PAT77X"),
    asked(IMAGING, "HEADER|1.2|0010,0030|DA|1|19500115", "19500115"),
    answered(DDR, "2^7,^.01^DOE,JANE^ROE,MARY\r\n", "DOE,JANE"),
    answered(DDR, "2^7,^.01^DOE,JANE^ROE,MARY\r\n", "ROE,MARY"),
    answered(DDR, "2^7,^.03^2500115^JAN 16,1950\r\n", "2500115"),
    answered(DDR, "2^7,^.03^2500115^JAN 16,1950\r\n", "JAN 16,1950"),
    answered(DDR, "2^7,^.09^PAT77X^NUM88Y\r\n", "PAT77X"),
    answered(DDR, "2^7,^.09^PAT77X^NUM88Y\r\n", "NUM88Y"),
    answered(DDR, "2^7,^991.01^1000000001^1000000002\r\n", "1000000001"),
    answered(DDR, "2^7,^991.01^1000000001^1000000002\r\n", "1000000002"),
    answered("SIGNON", "Good morning JANE\r\n", "JANE"),
    answered("XUS AV CODE", "7\r\n0\r\n0\r\n\r\n0\r\n\r\nGood evening JANE\r\n", "JANE"),
    answered("XUS GET USER INFO", "7\r\nDOE,JANE\r\nJane Doe\r\n", "DOE,JANE"),
    answered("XUS GET USER INFO", "7\r\nDOE,JANE\r\nJane Doe\r\n", "Jane Doe"),
    # Text rules, in any procedure.
    answered("ZZ OTHER", "x STORE1|1|2|3|4|5|6|PAT77X|9", "PAT77X"),
    answered("ZZ OTHER", "x STORE1|1|2|3|4|5|6|7|DOE^JANE|9", "DOE^JANE"),
    answered("ZZ OTHER", "x 1000000001V401987 y", "1000000001"),
    answered("ZZ OTHER", "x 666-00-0001 y", "666-00-0001"),
    answered("ZZ OTHER", "x 666000001 y", "666000001"),
    answered("ZZ OTHER", "DOB: 01/15/1950", "01/15/1950"),
    answered("ZZ OTHER", "of DOE,JANE here", "DOE"),
    answered("ZZ OTHER", "of Doe,Jane here", "Doe"),
)

TABLES = {"CREDENTIAL_RULES": CREDENTIAL_RULES, "FIELD_RULES": FIELD_RULES, "TEXT_RULES": TEXT_RULES}
ROWS = [(table, number) for table, rules in TABLES.items() for number in range(len(rules))]


@pytest.fixture
def masker_of(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Masker]:
    """Give what makes a masker with some of the rules only; those found anywhere count for their own examples alone."""

    def make(**changed: tuple[Rule, ...]) -> Masker:
        for name, rules in {**TABLES, **changed}.items():
            monkeypatch.setattr(masking, name, rules)
        masking._rules.cache_clear()
        return Masker(Pseudonyms(b"key"), CIPHER)

    return make


@pytest.mark.parametrize(("table", "number"), ROWS)
def test_every_rule_masks_something_that_no_other_does(table: str, number: int, masker_of: Callable[..., Masker]) -> None:
    rules = TABLES[table]
    rule = rules[number]
    others = {} if table == "TEXT_RULES" else {"TEXT_RULES": ()}
    examples = [it for it in EXAMPLES if rule.procedure in ("*", it.rpc) and rule.part is it.part]
    with_it = [it.stays(masker_of(**others)) for it in examples]
    without = [it.stays(masker_of(**others, **{table: rules[:number] + rules[number + 1 :]})) for it in examples]
    assert any(not one and other for one, other in zip(with_it, without, strict=True)), rule


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda it: f"{it.rpc}-{it.part}-{it.secret}")
def test_no_example_s_secret_stays(example: Example, masker_of: Callable[..., Masker]) -> None:
    assert not example.stays(masker_of())


@pytest.fixture(autouse=True)
def _tables_are_put_back() -> object:
    """Forget what was looked up in changed tables."""
    yield
    masking._rules.cache_clear()
