"""Orders of HL7 say what stands on the worklist: each field where IHE's RAD-4 has it, and why where one cannot be read."""

from __future__ import annotations

import pytest

from fileman.worklist import Order
from rpcs.worklist.hl7_fields import OrderError, segments_of
from rpcs.worklist.orders import Action, read_orders

PID = "PID|1||100^^^^MR~666001103^^^USSSA^SS||WASHINGTON^JAMES^A^JR^DR||19391102|M"
#: ORM^O01 with every field that is read.
ORM = "\r".join(
    [
        "MSH|^~\\&|RIS|660|VISTA|660|20261123||ORM^O01|C1|P|2.3.1",
        PID + "||||||||||ACC7",
        "PV1|1|I|WARD 3^ROOM 4^BED B|||||1^BAILEY&&^MIRANDA|||||||B6~A1|R|||ADM1",
        "AL1|1|DA|77^LATEX",
        "AL1|2|DA|IODINE",
        "ORC|NW|PL1^HIS|FI1^RIS||SC||1^^^202611241030^^S|||||77^GREY^MEREDITH|||||||||SALT LAKE CITY",
        "OBR|1|PL1|FI1|70450^CT HEAD^C4^P5^HEAD WITHOUT^LOCAL||||||||OLD^DIZZY|PACEMAKER \\T\\ PUMP|||77^GREY^MEREDITH^^JR^DR||A1"
        "|R1|S1|CT1~CT2|||CT||||||WHLC|786^FELL \\F\\ HIT~HEADACHE|||88&YANG&CRISTINA||||||||||71999^CT OF HEAD^L",
        "NTE|1||BE KIND",
        "DG1|1||850^CONCUSSION^I9",
        "DG1|2|||NAUSEA",
        "OBX|1|NM|29463-7^Body weight^LN||176.4|[lb_av]",
        "OBX|2|NM|8302-2^Body height^LN||175|cm",
        "ZDS|1.2.3^RIS^Application^DICOM",
    ]
)
#: OMI^O23 of one requested procedure with two steps.
OMI = "\r".join(
    [
        "MSH|^~\\&|RIS|660|VISTA|660|20261123||OMI^O23^OMI_O23|C2|P|2.5.1",
        PID,
        "PV1|1|O||||||1^BAILEY^MIRANDA",
        "ORC|NW|PL2|FI2|||||||||77^GREY^MEREDITH",
        "TQ1|1||||||20261124103015.25-0700||A^ASAP",
        "OBR|1|PL2|FI2|72148^MRI L SPINE^C4||||||||||||||||||||||||||||||||||||||||",
        "IPC|A2|R2|1.2.4|S21|MR|P1^SPINE^LOCAL|MRROOM|B^BASEMENT|MR1",
        "IPC|A2|R2|1.2.4|S22|MR|P2^SPINE CONTRAST^LOCAL|MRROOM|B^BASEMENT|MR1~MR2",
    ]
)
ORM_GIVEN = {
    "patient_id": "666001103",
    "patient_name": "WASHINGTON^JAMES^A^DR^JR",
    "birth_date": "19391102",
    "sex": "M",
    "referring_physician": "BAILEY^MIRANDA",
    "current_location": "WARD 3 ROOM 4 BED B",
    "admission_id": "ADM1",
    "confidentiality": "R",
    "special_needs": "B6 A1",
    "pregnancy": "3",
    "allergies": "LATEX\\IODINE",
    "weight": "80.0137",
    "size": "1.75",
    "start_date": "20261124",
    "start_time": "1030",
    "priority": "STAT",
    "requesting_physician": "GREY^MEREDITH^^DR^JR",
    "performing_physician": "YANG^CRISTINA",
    "procedure_description": "CT OF HEAD",
    "procedure_code": "71999",
    "procedure_meaning": "CT OF HEAD",
    "procedure_scheme": "L",
    "protocol_code": "P5",
    "protocol_meaning": "HEAD WITHOUT",
    "protocol_scheme": "LOCAL",
    "step_description": "HEAD WITHOUT",
    "patient_state": "DIZZY",
    "medical_alerts": "PACEMAKER & PUMP",
    "transport": "WHLC",
    "reason": "FELL | HIT; HEADACHE",
    "institution_name": "SALT LAKE CITY",
    "diagnoses": "CONCUSSION\\NAUSEA",
    "step_comments": "BE KIND",
    "study_uid": "1.2.3",
    "accession": "A1",
    "procedure_id": "R1",
    "step_id": "S1",
    "station_ae_titles": "CT1\\CT2",
    "modality": "CT",
    "placer_order": "PL1",
    "filler_order": "FI1",
}


def changed(message: str, present: str, instead: str) -> str:
    assert present in message
    return message.replace(present, instead)


def test_every_field_of_an_order_is_read() -> None:
    (step,) = read_orders(ORM)
    assert (step.action, step.order, step.facility) == (Action.PUT, Order("PL1", "FI1", "A1"), "660")
    assert step.given == ORM_GIVEN


def test_each_imaging_segment_is_a_step_of_its_order() -> None:
    first, second = read_orders(OMI)
    assert first.order == second.order == Order("PL2", "FI2", "A2")
    told = [(it.given["step_id"], it.given["step_description"], it.given["station_ae_titles"]) for it in (first, second)]
    assert told == [("S21", "SPINE", "MR1"), ("S22", "SPINE CONTRAST", "MR1\\MR2")]
    assert (first.given["start_date"], first.given["start_time"], first.given["priority"]) == ("20261124", "103015.25", "HIGH")
    assert (first.given["modality"], first.given["station_name"], first.given["step_location"]) == ("MR", "MRROOM", "BASEMENT")
    assert (first.given["study_uid"], first.given["procedure_id"]) == ("1.2.4", "R2")


@pytest.mark.parametrize(
    ("control", "status", "action"),
    [
        ("NW", "", Action.PUT),
        ("XO", "", Action.PUT),
        ("XX", "IP", Action.PUT),
        ("SC", "CM", Action.COMPLETE),
        ("SC", "CA", Action.CANCEL),
        ("SC", "SC", Action.PUT),
        ("CA", "", Action.CANCEL),
        ("OC", "", Action.CANCEL),
        ("DC", "CM", Action.CANCEL),
    ],
)
def test_the_order_control_and_its_status_say_what_becomes_of_an_order(control: str, status: str, action: Action) -> None:
    text = changed(changed(ORM, "ORC|NW", f"ORC|{control}"), "FI1^RIS||SC", f"FI1^RIS||{status}")
    assert [step.action for step in read_orders(text)] == [action]


def test_what_is_not_told_is_left_out_and_what_is_to_be_emptied_is_empty() -> None:
    text = changed(changed(ORM, "|WHLC|", "||"), "|PACEMAKER \\T\\ PUMP|", '|""|')
    (step,) = read_orders(text)
    assert "transport" not in step.given
    assert step.given["medical_alerts"] == ""


def test_a_name_has_its_ideographic_and_phonetic_groups() -> None:
    name = "YAMADA^TAROU^^^^^L^A~山田^太郎^^^^^L^I~やまだ^たろう^^^^^L^P"
    (step,) = read_orders(changed(ORM, "WASHINGTON^JAMES^A^JR^DR", name))
    assert step.given["patient_name"] == "YAMADA^TAROU=山田^太郎=やまだ^たろう"


def test_a_description_is_cut_to_what_dicom_has_room_for() -> None:
    (step,) = read_orders(changed(ORM, "CT OF HEAD", "CT OF HEAD " + "X" * 80))
    assert step.given["procedure_description"] == ("CT OF HEAD " + "X" * 80)[:64]


def test_a_study_that_two_orders_share_is_told_once() -> None:
    second = "ORC|NW|PL9|FI9\rOBR|1|PL9|FI9|1^X^L||||||||||||||A9|R9|S9\r"
    first, other = read_orders(changed(ORM, "ZDS|", second + "ZDS|"))
    assert (first.given["study_uid"], other.given["study_uid"]) == ("1.2.3", "1.2.3")
    assert other.given["accession"] == "A9"


@pytest.mark.parametrize(
    "text",
    [
        "MSH|^~\\&|RIS|660|VISTA|660|20261123||ORM^O01|C1|P|2.3\rPID|1||100^^^^PI||DEMO^PATIENT",
        changed(ORM, "ORM^O01", "ORU^R01"),
        changed(ORM, "ORM^O01", "ADT^A08"),
        changed(ORM, "ORC|NW", "ORC|OK"),
        "MSH|^~\\&|RIS|660|VISTA|660|20261123||ORM^O01|C1|P|2.3",
    ],
)
def test_a_message_without_an_order_says_nothing_of_the_worklist(text: str) -> None:
    assert read_orders(text) == []


@pytest.mark.parametrize(
    ("present", "instead", "problem"),
    [
        ("ORC|NW", "ORC|ZZ", 'ORC-1: "ZZ" is no order control'),
        ("ORC|NW", "ORC|", 'ORC-1: "" is no order control'),
        ("100^^^^MR~666001103^^^USSSA^SS", "", "PID-3 and PID-5 are to say whose order it is"),
        ("WASHINGTON^JAMES^A^JR^DR", "", "PID-3 and PID-5 are to say whose order it is"),
        ("202611241030", "tomorrow", 'ORC-7: "tomorrow" is no time stamp'),
        ("|19391102|", "|1939|", 'PID-7: "1939" is no time stamp'),
        ("176.4|[lb_av]", "176.4|stone", 'OBX-5, OBX-6: "176.4 stone" is no weight'),
        ("176.4|[lb_av]", "heavy|kg", 'OBX-5, OBX-6: "heavy kg" is no weight'),
        ("176.4|[lb_av]", "nan|kg", 'OBX-5, OBX-6: "nan kg" is no weight'),
        ("PL1^HIS", "12\\X00\\3", "an order number has characters that none has"),
        ("PL1^HIS", "P" * 65, "an order number is longer than 64 characters"),
    ],
)
def test_an_order_that_cannot_be_read_says_why(present: str, instead: str, problem: str) -> None:
    with pytest.raises(OrderError) as error:
        read_orders(changed(ORM, present, instead))
    assert problem in str(error.value)


def test_an_order_without_a_number_cannot_be_told_from_others() -> None:
    with pytest.raises(OrderError, match="an order without a number"):
        read_orders("MSH|^~\\&|RIS|||||ORM|ORM^O01|C|P|2.3\r" + PID + "\rORC|NW")


@pytest.mark.parametrize(
    ("raw", "plain"),
    [
        ("A\\F\\B\\S\\C\\T\\D\\R\\E\\E\\F", "A|B^C&D~E\\F"),
        ("A\\.br\\B", "A B"),
        ("A\\X41C4\\B", "AA\u00c4B"),
        ("A\\Zdunno\\B", "AB"),
        ("A\\", "A"),
        ("A\\X4\\B", "AB"),
    ],
)
def test_escapes_stand_for_what_they_stand_for(raw: str, plain: str) -> None:
    _, segment = segments_of(f"MSH|^~\\&|A\rNTE|{raw}")
    assert segment.text(1) == plain


def test_a_message_has_the_separators_of_its_header() -> None:
    _, segment = segments_of("MSH*:;!,*A\rPID*A:B,C;D:E!T!F*")
    assert (segment.text(1, 1), segment.text(1, 2), segment.text(1, 2, 2), segment.text(9)) == ("A", "B", "C", "")
    assert segment.of(segment.repetitions(1)[1], 2) == "E,F"
