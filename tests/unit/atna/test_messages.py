"""Every kind of event is a message as the standard has it, and says who, what, when and how it ended."""

from __future__ import annotations

from dataclasses import replace
from xml.etree.ElementTree import fromstring

import pytest
from hypothesis import given
from hypothesis import strategies as some

from console.atna import codes
from console.atna.mapping import (
    ACTIONS,
    IMAGE_EVENTS,
    ImageFact,
    Security,
    SignOn,
    Site,
    action_message,
    image_messages,
    security_message,
    sign_on_message,
)
from console.atna.message import MOST_INSTANCES, Message, Origin, written
from fileman import Audited, Change
from tests.support.audit_schema import faults

SITE = Site("magbroker", "broker.example")
ORIGIN = Origin("magbroker", "SALT LAKE CITY")
FILED = ImageFact(
    "STORE",
    "filed",
    1795516200.125,
    "GW1",
    "",
    "1.2.3.4",
    "1.2.3",
    "1.2.840.10008.5.1.4.1.1.2",
    "666-00-1100",
    "DEMO,PATIENT ONE",
    "CT1@192.0.2.7",
)
DONE = Audited(1.0, 12, "MANAGER,MAY", "API", "192.0.2.9", "MAGB KEY GRANT", {}, "done", "", [Change("user X", None, None)])


def facts_of(message: Message) -> dict[str, object]:
    """Read what a written message says."""
    text = written(message, ORIGIN)
    assert faults(text) == []
    root = fromstring(text)
    event = root.find("EventIdentification")
    assert event is not None
    head = event.find("EventID")
    assert head is not None
    return {
        "event": head.get("csd-code"),
        "types": [it.get("csd-code") for it in event.findall("EventTypeCode")],
        "action": event.get("EventActionCode"),
        "outcome": event.get("EventOutcomeIndicator"),
        "at": event.get("EventDateTime"),
        "people": [
            (it.get("UserID"), it.get("NetworkAccessPointID"), it.get("UserIsRequestor"), [r.get("csd-code") for r in it])
            for it in root.findall("ActiveParticipant")
        ],
        "objects": [
            (it.get("ParticipantObjectID"), it.findtext("ParticipantObjectName"))
            for it in root.findall("ParticipantObjectIdentification")
        ],
    }


def test_a_filed_image_was_transferred_from_its_modality() -> None:
    (message,) = image_messages([FILED], SITE)
    assert facts_of(message) == {
        "event": "110104",
        "types": [],
        "action": "C",
        "outcome": "0",
        "at": "2026-11-24T10:30:00.125+00:00",
        "people": [
            ("CT1", "192.0.2.7", "true", ["110153"]),
            ("magbroker", "broker.example", "false", ["110152"]),
        ],
        "objects": [("1.2.3", ""), ("666-00-1100", "DEMO,PATIENT ONE")],
    }


def test_images_of_one_study_that_happened_alike_are_one_message_that_counts_them_all() -> None:
    many = [replace(FILED, uid=f"1.2.3.{number}") for number in range(MOST_INSTANCES + 50)]
    (message,) = image_messages([*many, replace(FILED, stage="EVALUATE", outcome="fired")], SITE)
    root = fromstring(written(message, ORIGIN))
    (of_class,) = root.iter("SOPClass")
    assert (of_class.get("NumberOfInstances"), len(of_class)) == (str(MOST_INSTANCES + 50), MOST_INSTANCES)
    other = replace(FILED, uid="1.9.1", study="1.9")
    assert len(image_messages([FILED, other, replace(FILED, sender="MR1@192.0.2.8")], SITE)) == 3


def test_a_send_names_the_destination_and_a_failure_its_reason() -> None:
    sent = replace(FILED, stage="SEND", outcome="success, sent again", detail="ARCHIVE: status B000")
    failed = replace(sent, outcome="fail", detail="ARCHIVE: status A700")
    good, bad = (facts_of(it) for it in image_messages([sent, failed], SITE))
    assert (good["event"], good["action"], good["outcome"]) == ("110104", "R", "0")
    assert good["people"] == [("magbroker", "broker.example", "true", ["110153"]), ("ARCHIVE", None, "false", ["110152"])]
    assert bad["outcome"] == "8"
    copied = replace(FILED, stage="COPY", outcome="copied", peer="ROUTER1")
    assert facts_of(image_messages([copied], SITE)[0])["event"] == "110106"


@pytest.mark.parametrize("key", IMAGE_EVENTS)
def test_each_kind_of_image_event_is_a_message_as_the_standard_has_it(key: tuple[str, str]) -> None:
    (message,) = image_messages([replace(FILED, stage=key[0], outcome=key[1] or "done", sender="")], SITE)
    assert facts_of(message)["event"] == IMAGE_EVENTS[key].event.value
    unknown = ImageFact(key[0], key[1] or "done", 1.0, "", "", "")
    assert facts_of(image_messages([unknown], SITE)[0])["objects"] == [("unknown", ""), ("unknown", "")]


@pytest.mark.parametrize("begin", ACTIONS)
@pytest.mark.parametrize("outcome", ["done", "key", "usage", "missing", "refused"])
def test_each_action_is_a_security_alert_of_its_type(begin: str, outcome: str) -> None:
    told = facts_of(action_message(replace(DONE, action=f"{begin} X".strip(), outcome=outcome, reason="why not"), SITE))
    assert (told["event"], told["types"]) == ("110113", [ACTIONS[begin].value])
    assert told["outcome"] == {"done": "0", "key": "8"}.get(outcome, "4")
    people = told["people"]
    assert isinstance(people, list)
    assert people[0][:2] == ("MANAGER,MAY", "192.0.2.9")


def test_a_changed_patient_is_a_patient_record() -> None:
    changes = [Change("patient 100", None, None)]
    told = facts_of(action_message(replace(DONE, action="MAGB PATIENT UPDATE", changes=changes), SITE))
    assert (told["event"], told["action"], told["objects"]) == ("110110", "U", [("100", "")])


def test_sign_ons_their_ends_and_those_that_failed() -> None:
    signed = SignOn(12, "MANAGER,MAY", "3261124.1030", "192.0.2.9", over=False)
    on, off = (facts_of(sign_on_message(replace(signed, over=it), SITE)) for it in (False, True))
    assert (on["event"], on["types"], off["types"]) == ("110114", ["110122"], ["110123"])
    failed = facts_of(security_message(Security(1.0, "FAILED", 0, "", "192.0.2.9", "attempt 2"), SITE))
    assert (failed["event"], failed["outcome"]) == ("110114", "4")
    began = facts_of(security_message(Security(1.0, "START", 0, "magbroker 17", "host", ""), SITE))
    assert (began["event"], began["types"]) == (codes.ACTIVITY.value, [codes.START.value])


@given(some.text(max_size=80), some.text(max_size=700))
def test_whatever_a_peer_wrote_is_no_more_than_text(name: str, reason: str) -> None:
    fact = replace(FILED, outcome="refused", sender=name, detail=reason, patient=name.strip() or "x", patient_name=name)
    (message,) = image_messages([fact], SITE)
    text = written(message, ORIGIN)
    assert faults(text) == []


def test_the_check_finds_what_is_wrong() -> None:
    (message,) = image_messages([FILED], SITE)
    text = written(message, ORIGIN).decode()
    for good, bad in (
        ('EventActionCode="C"', 'EventActionCode="X"'),
        ("AuditSourceID=", "AuditSource="),
        ("<EventID ", "<EventIDX "),
        ('NumberOfInstances="1"', 'NumberOfInstances="one"'),
    ):
        broken = text.replace(good, bad)
        assert broken != text
        assert faults(broken.replace("<EventIDX ", "<EventIDX ").encode()), bad
