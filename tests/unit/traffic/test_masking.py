"""What a recording does not keep, and that what it keeps instead still is a message."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given

from console.traffic import Blanks, Exchange, Masker, Part, Pseudonyms, decode_answer, decode_request, read_recording
from rpcs import full_icn
from rpcs.actions import ACTIONS, Action
from rpcs.actions.parameters import text
from tests.oracle.records import HERE
from tests.unit.xwb.feeding import parameters
from xwb import (
    Cipher,
    Empty,
    ListParameter,
    Literal,
    Parameter,
    Reference,
    Transport,
    encode_call,
    encode_m_error,
    encode_response,
)

CIPHER = Cipher.standard()
STORE = (
    "STORE1||660|GWA|RAD|CT1|C:\\X.DCM|666000001|IMAGPATIENT^ONE^M|061024-101|061024-101|20240610|093000|0|CR||<DICOM>|1|1|660"
)
STORED = (
    "STORE|0|4^\\\\IMG1\\IMAGE1$\\^SLC04.DCM^1|IMAGPATIENT,ONE M|666000001^666-00-0001|2500115^JAN 15,1950|76|M^MALE|"
    "1000000001V401987"
)
PATIENT = (
    "11\r\nDEM^1^IMAGPATIENT,ONE M\r\nDEM^2^666000001^666-00-0001\r\nDEM^3^2500115^JAN 15,1950\r\nDEM^4^76\r\n"
    "ID^BID^0001\r\nID^PID^666-00-0001\r\nICN^1^1000000001V401987\r\nSite-DFN^1^660-1\r\n"
)
#: What must not be left of the recorded VistA's people.
PERSONAL = re.compile(
    r"IMAGPATIENT|666-?00-?000\d|100000000\dV|ALEXANDER|O'BRIEN|GARCIA|VANDERBILT|CATHERINE|JAN 15,1950|2500115|19500115",
    re.IGNORECASE,
)
CODES = re.compile(r"FAKE[A-Z]{2,3}1|1(?:DOC|GWY|VIE|EXP|PRG|MUL)!@#\$|9NEWCODE|7THIRDONE")


def masker(key: bytes = b"key", *, keep_phi: bool = False) -> Masker:
    return Masker(Pseudonyms(key), CIPHER, keep_phi=keep_phi)


def exchange(rpc: str, *arguments: Parameter | str, answer: str = "", security: str = "") -> Exchange:
    of = [Literal(it.encode("latin-1")) if isinstance(it, str) else it for it in arguments]
    received = encode_response(answer.encode("latin-1"), security.encode("latin-1"))
    return Exchange(1, 1, rpc, encode_call(rpc.encode("ascii"), of), received)


def parameter(masked: Exchange, number: int = 0) -> bytes:
    request = decode_request(masked.sent)
    assert request is not None
    given = request.parameters[number]
    assert isinstance(given, Literal)
    return given.value


def data(masked: Exchange) -> str:
    answer = decode_answer(masked.received or b"")
    assert answer is not None
    return answer.data.decode("latin-1")


def everything(masked: Exchange) -> str:
    """Give all that can be read in an exchange, what is enciphered in clear too."""
    texts = [masked.sent, masked.received or b"", *(masked.answer.texts if masked.answer else ())]
    for it in masked.request.parameters if masked.request else ():
        if isinstance(it, Literal):
            texts += [it.value, *(CIPHER.decipher(piece) for piece in (it.value, *it.value.split(b"^")))]
        elif isinstance(it, ListParameter):
            texts += [text for pair in it.pairs for text in pair]
    return "\n".join(text.decode("latin-1") for text in texts)


THEMES = sorted(path.stem for path in HERE.glob("[abd][0-9]_*.jsonl"))


@pytest.mark.parametrize("theme", THEMES)
def test_of_a_whole_recorded_vista_no_person_and_no_code_is_left(theme: str) -> None:
    masking = masker()
    for it in read_recording(HERE / f"{theme}.jsonl"):
        masked = masking.mask(it)
        text = everything(masked)
        assert not PERSONAL.search(text), it
        assert not CODES.search(text), it
        assert (masked.request is None) == (it.request is None)
        assert (masked.answer is None) == (it.answer is None)


@pytest.mark.parametrize("theme", THEMES)
def test_codes_are_masked_when_patients_are_kept(theme: str) -> None:
    masking = masker(keep_phi=True)
    kept = 0
    for it in read_recording(HERE / f"{theme}.jsonl"):
        masked = masking.mask(it)
        assert not CODES.search(everything(masked)), it
        assert masked.sent == it.sent or masked.replaced(Part.REQUEST) <= {"codes", "verify codes", "token"}
        assert not masked.replaced(Part.REQUEST) & {"withheld"}
        kept += masked == it
    assert kept


def test_codes_are_replaced_by_enciphered_ones_and_equal_codes_by_equal_ones() -> None:
    masking = masker()
    codes = ["FAKEDOC1;1DOC!@#$", "FAKEDOC1;WRONG", "FAKEDOC1;1DOC!@#$"]
    clear = [
        CIPHER.decipher(parameter(masking.mask(exchange("XUS AV CODE", Literal(CIPHER.encipher(it.encode())))))).decode()
        for it in codes
    ]
    accesses, verifies = zip(*(it.split(";") for it in clear), strict=True)
    assert len(set(accesses)) == 1
    assert verifies[0] == verifies[2] != verifies[1]
    assert all(it.startswith("MASKED-") for it in accesses + verifies)


def test_what_was_masked_is_noted() -> None:
    masked = masker().mask(exchange("MAG DICOM GET PATIENT", "1", answer=PATIENT))
    assert masked.replaced(Part.REQUEST) == {"DFN"}
    assert masked.replaced(Part.ANSWER) == {"name", "SSN", "birth date", "ICN", "DFN"}


def test_a_patient_has_the_same_pseudonyms_in_every_form() -> None:
    masking = masker()
    patient = data(masking.mask(exchange("MAG DICOM GET PATIENT", "1", answer=PATIENT)))
    stored = masking.mask(exchange("MAG DICOM IMAGE PROCESSING", ListParameter(((b"2", STORE.encode()),)), answer=STORED))
    lines = dict(re.findall(r"^(\w+\^\w+)\^(.*)\r$", patient, re.MULTILINE))
    name, ssn, icn = lines["DEM^1"], lines["DEM^2"].split("^")[0], lines["ICN^1"]
    answered = data(stored).split("|")
    assert answered[3] == name
    assert answered[4] == lines["DEM^2"] == f"{ssn}^{ssn[:3]}-{ssn[3:5]}-{ssn[5:]}"
    assert answered[5] == lines["DEM^3"]
    assert answered[8] == icn == full_icn(icn)
    assert lines["ID^BID"] == ssn[-4:]
    asked = stored.sent.decode("latin-1").split("|")
    assert asked[7] == ssn
    assert asked[8] == name.replace(",", "^").replace(" ", "^")
    assert len(asked[8]) == len("IMAGPATIENT^ONE^M")


def test_a_dfn_is_the_same_in_request_and_answer_and_zero_digits_are_not_enough_to_tell_it() -> None:
    masked = masker().mask(exchange("MAG DICOM GET PATIENT", "1", answer=PATIENT))
    dfn = parameter(masked).decode()
    assert f"Site-DFN^1^660-{dfn}\r\n" in data(masked)
    assert len(dfn) == 7


def test_two_recordings_have_different_pseudonyms() -> None:
    it = exchange("MAG DICOM GET PATIENT", "1", answer=PATIENT)
    assert data(masker(b"one").mask(it)) != data(masker(b"two").mask(it))


@pytest.mark.parametrize(
    "form", ["2500115", "19500115", "JAN 15,1950", "Jan 15, 1950", "01/15/1950", "1950-01-15", "15 JAN 1950"]
)
def test_a_birth_date_that_was_seen_is_known_again_in_every_form(form: str) -> None:
    masking = masker()
    masking.mask(exchange("MAG DICOM GET PATIENT", "1", answer=PATIENT))
    line = f"seen {form} then"
    told = data(masking.mask(exchange("ZZ OTHER", answer=line)))
    assert form not in told
    assert len(told) == len(line)
    assert re.sub(r"[\dA-Za-z]", "", told) == re.sub(r"[\dA-Za-z]", "", line)
    assert data(masker().mask(exchange("ZZ OTHER", answer=line))) == line


def test_other_dates_stay() -> None:
    masking = masker()
    masking.mask(exchange("MAG DICOM GET PATIENT", "1", answer=PATIENT))
    line = "CREATION DATE^3240610.0931^JUN 10,2024@09:31"
    assert data(masking.mask(exchange("ZZ OTHER", answer=line))) == line


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("image of IMAGPATIENT,ONE M  CHEST", "name"),
        ("user Alexander,Robert", "name"),
        ("O'BRIEN,SEAN P", "name"),
        ("GARCIA-LOPEZ,MARIA ELENA", "name"),
        ("MONROE,JAMES", "name"),
        ("Sundberg,Karl", "name"),
        ("SATO,KEN", "name"),
        ("THURMAN,UMA", "name"),
        ("SUN,WEI", "name"),
        ("FRIDAY,NANCY", "name"),
        ("ED,AL", "name"),
        ("CT,AL", "name"),
        ("VON DOE,JANE ANN", "name"),
        ("SMITH, JOHN Q", "name"),
        ("Smith, John", "name"),
        ("666-00-0001", "SSN"),
        ("SSN 666 00 0001.", "SSN"),
        ("^1000000001v401987^", "ICN"),
        ("D.O.B. 01/15/1950", "birth date"),
        ("d.o.b: 15 JAN 1950", "birth date"),
        ("Born 15 JAN 1950", "birth date"),
        ("born on 1950-01-15", "birth date"),
        ("|666000006P|", "SSN"),
        ("^1000000001V401987^", "ICN"),
        ("DOB: 01/15/1950", "birth date"),
        ("Birth date = JAN 15, 1950", "birth date"),
    ],
)
def test_forms_are_found_in_any_text(text: str, kind: str) -> None:
    masked = masker().mask(exchange("ZZ OTHER", text, answer=text, security=text))
    assert masked.replaced(Part.REQUEST) == masked.replaced(Part.ANSWER) == {kind}
    assert data(masked) != text
    assert len(data(masked)) == len(text)
    assert parameter(masked).decode("latin-1") == data(masked)


@pytest.mark.parametrize(
    "text",
    [
        "SALT LAKE CITY",
        "CT,MR",
        "CR,CT,US,XA,PT",
        "MON,WEDNESDAY,FRI",
        "Sat,Sun",
        "CT, MR",
        "Sat, Sun",
        "airborne 15 JAN 1950",
        "FULL,DICOM",
        "-1,No Location Specified",
        "1.2.840.113754.1.7.660.123456789",
        "SLC00000000004.DCM",
        "660-061024-101",
        "ERROR+1^ZZ, Attempt to divide by zero,150373210,-%GTM-E-DIVZERO",
        "CONDITION^1^KW^MODALITY",
    ],
)
def test_what_is_no_person_stays(text: str) -> None:
    it = exchange("ZZ OTHER", text, answer=text)
    assert masker().mask(it) == it


def test_the_cipher_of_a_context_is_left_alone() -> None:
    it = exchange("XWB CREATE CONTEXT", Literal(CIPHER.encipher(b"SMITH,JOHN 666-00-0001")), answer="1")
    assert masker().mask(it) == it


def test_codes_in_answers_are_masked_in_their_cipher() -> None:
    wire = CIPHER.encipher(b"FAKEGW1;1GWY!@#$").decode("latin-1")
    masked = masker(keep_phi=True).mask(exchange("MAG DICOM GET SERVICE INFO", answer=wire))
    clear = CIPHER.decipher(data(masked).encode("latin-1")).decode()
    assert re.fullmatch(r"MASKED-[0-9A-F]{6};MASKED-[0-9A-F]{6}", clear)


@pytest.mark.parametrize(
    ("rpc", "asked", "answered"),
    [
        ("XUS GET TOKEN", "", "~1XWBAS123^abc"),
        ("XUS AV CODE", "~1XWBAS123^abc", ""),
        ("XUS AV CODE", "<?xml version='1.0'?><saml>XWBAS123</saml>", ""),
        ("XUS SIGNON SETUP", "-35^XWBAS123", ""),
        ("XUS ESSO VALIDATE", "XWBAS123", ""),
        ("MAGGUSER2", "", "1^X\r\nXWBAS123^XWBAS123pw\r\n"),
        ("MAG GET NETLOC", "", "1^\\\\a\\b^MAG^1^XWBAS123^XWBAS123pw^1\r\n"),
    ],
)
def test_tokens_and_passwords_are_never_kept(rpc: str, asked: str, answered: str) -> None:
    masked = masker(keep_phi=True).mask(exchange(rpc, asked, answer=answered))
    assert "XWBAS123" not in everything(masked)
    assert masked.masked


@pytest.mark.parametrize("text", ["DOE,JANE SMITH,JOHN", "SMITH,JOHN MICHAEL,MD", "CT,MR,SMITH,JOHN"])
def test_names_beside_names_are_found(text: str) -> None:
    told = data(masker().mask(exchange("ZZ OTHER", answer=text)))
    assert not re.search("JANE|SMITH|JOHN|MICHAEL", told)


@pytest.mark.parametrize("key", [b"666000001", b'"666000001"', b"1,666000001", b'"X",666000001', b"666000001,2"])
def test_an_ssn_as_a_subscript_is_masked_quoted_or_bare(key: bytes) -> None:
    of = ListParameter(((b"1", b"x"), (key, b"y"), (b"2500115", b"z")))
    masked = masker().mask(exchange("ZZ OTHER", of))
    assert masked.replaced(Part.REQUEST) == {"SSN"}
    assert b"666000001" not in masked.sent
    assert masked.request is not None
    (kept,) = masked.request.parameters
    assert isinstance(kept, ListParameter)
    assert [kept.pairs[0], kept.pairs[2]] == [of.pairs[0], of.pairs[2]]


AV_CODES = CIPHER.encipher(b"XWBAS123;XWBAS456")
CHANGE = b"^".join(CIPHER.encipher(it) for it in (b"XWBAS123", b"XWBAS456"))


@pytest.mark.parametrize(
    ("rpc", "of"),
    [
        ("XUS AV CODE", (Literal(b""), Literal(AV_CODES))),
        ("XUS AV CODE", (Empty(), Literal(b"~1XWBAS123"))),
        ("XUS AV CODE", (Literal(b"XWBAS123;XWBAS456"),)),
        ("XUS AV CODE", (ListParameter(((b"1", AV_CODES), (b'"XWBAS123"', b"XWBAS456"), (b"XWBAS123", b""))),)),
        ("xus av code", (Literal(AV_CODES),)),
        ("XUS AV CODE ", (Literal(AV_CODES),)),
        (" Xus_AV  CODE", (Reference(AV_CODES),)),
        ("XUS CVC", (Literal(CIPHER.encipher(b"XWBAS123")), Literal(CIPHER.encipher(b"XWBAS456")))),
        ("xus cvc", (Literal(CHANGE),)),
        ("XUS SIGNON SETUP", (Literal(b""), Literal(b"XWBAS123"))),
        ("XUS SIGNON SETUP", (Literal(b"-31^XWBAS123"),)),
        ("xus get token", ()),
    ],
)
def test_credentials_are_masked_in_every_parameter_and_under_misspelt_names(rpc: str, of: tuple[Parameter, ...]) -> None:
    it = exchange(rpc, *of, answer="~1XWBAS123")
    assert "XWBAS123" in everything(it)
    masked = masker(keep_phi=True).mask(it)
    assert not re.search("XWBAS[14]", everything(replace(masked, received=b"") if of else masked))
    assert AV_CODES not in masked.sent
    assert CHANGE not in masked.sent
    assert masked.request is not None
    assert masked.request.rpc == rpc


def test_flags_of_a_sign_on_s_setup_stay() -> None:
    it = exchange("XUS SIGNON SETUP", "", "1")
    assert masker().mask(it) == it


@pytest.mark.parametrize(
    ("line", "secret"),
    [
        ("HEADER|1.2|0010,0020|LO|1|PAT77X", "PAT77X"),
        ("HEADER|1.2|0008,1120>1>0010,0020|LO|1|PAT77X", "PAT77X"),
        ("HEADER|1.2|0008,1120>1>0010,1000|LO|1|PAT77X", "PAT77X"),
        ("HEADER|1.2|0040,0275>2>0008,1120>1>0010,0030|DA|1|19500131", "19500131"),
        ("HEADER|1.2|0008,1120>1>0010,0010|PN|1|DEMO^PATIENT", "DEMO^PATIENT"),
        ("HEADER|1.2|0010,2154|SH|1|555 1234", "555 1234"),
    ],
)
def test_header_data_is_masked_in_sequences_too(line: str, secret: str) -> None:
    masked = masker().mask(exchange("MAG DICOM IMAGE PROCESSING", ListParameter(((b"2", line.encode()),))))
    assert secret not in everything(masked)
    assert line.removesuffix(secret) in everything(masked)


@pytest.mark.parametrize(
    "sent",
    [
        b"SIGNON^FAKEDOC1^1DOC!@#$\n",
        b'<?xml version="1.0" ?><vistalink><rpc uri="XUS AV CODE" ><param>FAKEDOC1</param></rpc></vistalink>\4',
        b"{XWB}00050\x05...XUS AV CODE^FAKEDOC1",
        b"~BSE~010FAKEDOC1xx",
        b"[XWB]11302\x010\x0bXUS AV CODE5X999FAKEDOC1f",
    ],
)
def test_bytes_that_are_not_decoded_lose_what_follows_a_credential_procedure(sent: bytes) -> None:
    masked = masker(keep_phi=True).mask(Exchange(1, 1, "(raw)", sent, b""))
    assert b"FAKEDOC1" not in masked.sent
    assert masked.sent.endswith(b"WITHHELD")
    assert masked.masked


UNREAD = (b"{XWB}0001", b"~EAC~xx", b"[XWB]11302\x010\x0b")


@pytest.mark.parametrize(
    "pieces",
    [
        (b"signon^FAKEDOC1^x",),
        (b"Signon FAKEDOC1",),
        (b"xus_av  code FAKEDOC1",),
        (b'uri="XUS&#32;AV CODE" >FAKEDOC1',),
        (b'uri="&#88;US&#x20;AV CO\nDE" >FAKEDOC1',),
        (b"SIGNON^FAKE", b"DOC1^x", b"FAKEDOC1"),
        (b"SIG", b"NON^FAKEDOC1"),
        (b"XUS AV ", b"", b"CODE", b"FAKEDOC1"),
        (b'uri="XUS&#3', b'2;AV CODE" >FAKEDOC1', b"FAKEDOC1"),
    ],
)
@pytest.mark.parametrize("first", UNREAD)
def test_codes_in_bytes_that_are_not_decoded_are_found_in_any_spelling_and_cut(first: bytes, pieces: tuple[bytes, ...]) -> None:
    masking = masker(keep_phi=True)
    told = [masking.mask(Exchange(1, 1, "(raw)", it, b"x", transport=Transport.OLD)).sent for it in (first, *pieces)]
    assert told[0] == first
    assert b"DOC1" not in b"".join(told)
    other = masking.mask(Exchange(2, 1, "(raw)", b"FAKEDOC1", b"x", transport=Transport.OLD))
    assert other.sent == b"FAKEDOC1"


def test_a_token_is_withheld_though_its_undecoded_request_came_in_pieces() -> None:
    masking = masker(keep_phi=True)
    pairs = [(b"xus get to", b"1"), (b"ken", b"~1XW"), (b"", b"BAS123"), (b"more", b"BAS123")]
    masked = [masking.mask(Exchange(1, 1, "(raw)", *pair, transport=Transport.OLD)) for pair in pairs]
    assert [it.received for it in masked] == [b"1", b"WITHHELD", b"WITHHELD", b"WITHHELD"]


def test_a_name_with_more_than_a_name_is_not_kept() -> None:
    for rpc, keep_phi in (("XUS AV CODE FAKEDOC1", True), ("FIND IMAGPATIENT,ONE", False)):
        masked = masker(keep_phi=keep_phi).mask(exchange(rpc, "x"))
        assert masked.rpc == "(raw)"
        assert not re.search(b"FAKEDOC1|IMAGPATIENT", masked.sent)


def test_an_m_error_stays_one() -> None:
    it = replace(exchange("ZZ OTHER"), received=encode_m_error(b"no IMAGPATIENT,ONE here"))
    answer = decode_answer(masker().mask(it).received or b"")
    assert answer is not None
    assert answer.m_error is not None
    assert b"IMAGPATIENT" not in answer.m_error[0]


def test_half_a_value_at_the_end_of_a_cut_answer_is_dropped() -> None:
    it = replace(exchange("ZZ OTHER"), received=b"\0\0one\r\n666-00-00", cut=True)
    assert data(masker().mask(it)) == "one\r\n"


@given(parameters)
def test_a_request_with_nothing_to_mask_keeps_its_bytes(of: tuple[Parameter, ...]) -> None:
    it = Exchange(1, 1, "ZZ OTHER", encode_call(b"ZZ OTHER", of), b"\0\0\4")
    assert masker(keep_phi=True).mask(it) == it


def test_blanks_make_two_recordings_of_different_pseudonyms_equal() -> None:
    it = exchange("MAG DICOM GET PATIENT", "1", answer=PATIENT)
    blank = [Masker(Blanks(), CIPHER).mask(masker(key).mask(it)).received for key in (b"one", b"two")]
    assert blank[0] == blank[1] == Masker(Blanks(), CIPHER).mask(it).received


def test_what_an_action_takes_as_a_secret_is_masked_under_its_subscript(monkeypatch: pytest.MonkeyPatch) -> None:
    takes = {it.name: it for it in (text("CODE", "", secret=True), text("NAME", ""))}
    action = Action("MAGB ZZ CODE", lambda _act: None, True, "", takes, {}, "")
    monkeypatch.setitem(ACTIONS, action.name, action)
    pairs = ((b'"CODE"', b"1HUSH!@#"), (b'"NAME"', b"SOMEBODY"))
    masked = masker(keep_phi=True).mask(exchange("MAGB ZZ CODE", ListParameter(pairs)))
    assert "1HUSH" not in everything(masked)
    assert "SOMEBODY" in everything(masked)
