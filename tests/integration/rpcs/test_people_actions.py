"""Managers add users, give them codes, keys and contexts, and lift locks; a broker that runs heeds it at once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import insert, update

from fileman.files import LockedAddress, NewPerson
from rpcs.actions import ActionError, BadRequest, NotAllowed, NotFound, RefusedAction
from runtime import FixedClock
from tests.integration.rpcs.conftest import MakeBroker
from tests.integration.rpcs.managed import CONTEXT, SITE, Managed
from tests.integration.rpcs.two_users import MAY, UNA
from xwb import SecurityRefused

ACCESS, VERIFY = "NORA44", "7ZEBRA!@#"
WRONG_PAIR = "Not a valid ACCESS CODE/VERIFY CODE pair."
LOCKED = "Device/IP address is locked due to too many invalid signon attempts."


@pytest.fixture
def site(make_broker: MakeBroker, clock: FixedClock) -> Iterator[Managed]:
    managed = Managed(make_broker(more=SITE, settings="lock_users = true\nlock_addresses = true"), clock)
    yield managed
    managed.leave()


def add_nora(site: Managed, **more: object) -> int:
    """Add a user with codes that last; give the DUZ."""
    duz = int(site.may("USER ADD", name="NEW,NORA", divisions="660", contexts=CONTEXT, **more)["duz"])
    site.may("USER CODES", duz=duz, access_code=ACCESS, verify_code=VERIFY, lasts=1)
    return duz


def change(site: Managed, duz: int, **values: object) -> None:
    site.store.transact(lambda it: it.execute(update(NewPerson).where(NewPerson.duz == duz).values(**values)))


def test_a_user_who_is_added_signs_on_at_the_broker_that_runs(site: Managed) -> None:
    duz = add_nora(site, title="CLERK")
    assert duz > UNA.duz
    with site.broker.client(ACCESS, VERIFY, CONTEXT) as client:
        assert client.call("XUS GET USER INFO").lines[:2] == [str(duz), "NEW,NORA"]


def test_who_is_disused_terminated_or_removed_signs_on_no_more(site: Managed) -> None:
    duz = add_nora(site)
    site.may("USER EDIT", duz=duz, disuser=1)
    assert site.refusal(ACCESS, VERIFY) == "No access allowed for this user."
    site.may("USER EDIT", duz=duz, disuser=0, terminated="2026-11-17")
    assert site.refusal(ACCESS, VERIFY).startswith("Your ACCESS CODE has been terminated.")
    site.may("USER EDIT", duz=duz, terminated="")
    assert site.refusal(ACCESS, VERIFY) == ""
    site.may("USER REMOVE", duz=duz)
    assert site.refusal(ACCESS, VERIFY) == WRONG_PAIR


@pytest.mark.parametrize("key", ["\x1f", "A^B"])
def test_a_key_that_no_site_can_have_is_refused_as_a_mistake(site: Managed, key: str) -> None:
    with pytest.raises(BadRequest, match="keys: holds a c"):
        site.may("KEY GRANT", duz=UNA.duz, key=key)


def test_a_user_is_shown_without_codes(site: Managed) -> None:
    add_nora(site)
    site.refusal(UNA.access, "WRONG!@#1")
    site.refusal(UNA.access, UNA.verify)
    change(site, UNA.duz, failed_attempts=3, locked_until="3261119")
    told = site.may("USER SHOW", duz=UNA.duz)
    assert {name: told[name] for name in ("keys", "contexts", "divisions")} == {
        "keys": [],
        "contexts": [CONTEXT],
        "divisions": [660],
    }
    assert (told["last_sign_on"], told["failed_attempts"], told["locked_until"]) == ("3261118.12", 3, "3261119")
    assert (told["has_access_code"], told["has_verify_code"]) == (True, True)
    assert not [name for name in told if "hash" in name or name in ("access", "verify", "verify_history")]


def test_users_are_found_by_name_key_context_and_whether_they_may_sign_on(site: Managed) -> None:
    nora = add_nora(site, keys="ZZ KEY")

    def found(**wanted: object) -> list[int]:
        return [one["duz"] for one in site.may("USER LIST", **wanted)["entries"]]

    assert found() == [1, MAY.duz, UNA.duz, nora]
    assert found(name="new,n") == found(key="zz key") == [nora]
    assert found(context=CONTEXT) == [MAY.duz, UNA.duz, nora]
    site.may("USER EDIT", duz=nora, terminated="2026-11-18")
    site.may("USER EDIT", duz=UNA.duz, disuser=1)
    assert (found(active=0), found(active=1)) == ([UNA.duz, nora], [1, MAY.duz])
    page = site.may("USER LIST", limit=2)
    assert (len(page["entries"]), page["next"]) == (2, MAY.duz)
    assert site.may("USER LIST", limit=2, after=MAY.duz)["next"] is None


def test_a_code_that_a_manager_gives_has_to_be_changed_unless_it_lasts(site: Managed) -> None:
    change(site, UNA.duz, verify_never_expires=True)
    site.may("USER CODES", duz=UNA.duz, verify_code="3yaks!@#$")
    assert site.refusal(UNA.access, UNA.verify) == WRONG_PAIR
    assert site.refusal(UNA.access, "3YAKS!@#$") == "VERIFY CODE must be changed before continued use."
    site.may("USER CODES", duz=UNA.duz, verify_code="4YAKS!@#$", lasts=1)
    assert site.refusal(UNA.access, "4YAKS!@#$") == ""


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("2SHORT!", "Enter 8-20 characters"),
        ("9WITH^CARET", "Enter 8-20 characters"),
        ("ONLYLETTERS", "must be a mix"),
        ("6ZEBRA!@#", "same as the current one"),
        (UNA.verify, "used previously"),
        ("UNA1!@#$", "different than the ACCESS CODE"),
        ("7USER!@#$", "Name cannot be part"),
    ],
)
def test_codes_of_managers_are_judged_as_those_of_users_are(site: Managed, code: str, why: str) -> None:
    site.may("USER CODES", duz=UNA.duz, access_code="UNA1!@#$", verify_code="6ZEBRA!@#", lasts=1)
    with pytest.raises(BadRequest, match=why):
        site.may("USER CODES", duz=UNA.duz, verify_code=code)
    assert site.refusal("UNA1!@#$", "6ZEBRA!@#") == ""


@pytest.mark.parametrize(
    "code", [MAY.access.lower(), "ABC", "WITH:COLON", "WITH;END", "WITH^CARET", "~1TOKEN", "A B C D", "5YAKS!@#$"]
)
def test_an_access_code_that_nobody_could_sign_on_with_or_that_is_another_code_is_refused(site: Managed, code: str) -> None:
    site.may("USER CODES", duz=UNA.duz, verify_code="5YAKS!@#$", lasts=1)
    with pytest.raises(BadRequest, match="ACCESS CODE"):
        site.may("USER CODES", duz=UNA.duz, access_code=code)
    assert site.refusal(UNA.access, "5YAKS!@#$") == ""


def test_codes_stand_nowhere_in_the_audit_the_wrong_and_the_misnamed_ones_included(site: Managed) -> None:
    add_nora(site)
    for asked in (
        {"verify_code": "8WRONG!@#$", "duz": 999},
        {"verify_code": "NOCODE!@", "duz": UNA.duz},
        {"access_code": "NICE-44^", "duz": UNA.duz},
        {"verifycode": "NOCODE!@", "access": "NICE-44^", "duz": UNA.duz},
    ):
        with pytest.raises(ActionError):
            site.may("USER CODES", **asked)
    with pytest.raises(NotAllowed):
        site.ask(UNA, "USER CODES", duz=UNA.duz, verify_code="8WRONG!@#$")
    audit = site.audit().upper()
    assert audit.count("MAGB USER CODES") == 6
    assert [code for code in (ACCESS, VERIFY, "8WRONG", "NOCODE!", "NICE-44") if code in audit] == []


def test_what_is_named_twice_is_refused(site: Managed) -> None:
    for values in ({"keys": "A,A"}, {"contexts": f"{CONTEXT},{CONTEXT}"}, {"divisions": "660,660"}):
        with pytest.raises(BadRequest, match="names something twice"):
            site.may("USER EDIT", duz=UNA.duz, **values)
    for wrong in ({"divisions": "661"}, {"contexts": "NO SUCH"}, {"terminated": "someday"}, {"name": "A^B"}):
        with pytest.raises(BadRequest):
            site.may("USER EDIT", duz=UNA.duz, **wrong)
    assert site.may("USER SHOW", duz=UNA.duz)["divisions"] == [660]


def test_a_user_who_was_locked_out_signs_on_again_once_unlocked(site: Managed) -> None:
    change(site, UNA.duz, locked_until="3261119", failed_attempts=2)
    assert site.refusal(UNA.access, UNA.verify).startswith("You are LOCKED OUT")
    assert site.may("USER UNLOCK", duz=UNA.duz)["was_locked_until"] == "3261119"
    assert site.refusal(UNA.access, UNA.verify) == ""


def test_an_address_that_was_locked_is_shown_and_unlocked(site: Managed) -> None:
    site.client(MAY)
    rows = [{"address": address, "until": until} for address, until in (("127.0.0.1", "3261119"), ("192.0.2.7", "3261117"))]
    site.store.transact(lambda it: it.execute(insert(LockedAddress), rows))
    assert site.refusal(UNA.access, UNA.verify) == LOCKED
    assert site.may("ADDRESS LIST") == {"entries": [rows[0]], "next": None}, "the other lock is over"
    site.may("ADDRESS UNLOCK", address="127.0.0.1")
    assert site.refusal(UNA.access, UNA.verify) == ""
    with pytest.raises(NotFound):
        site.may("ADDRESS UNLOCK", address="127.0.0.1")


def test_a_key_counts_in_sessions_there_are(site: Managed) -> None:
    with pytest.raises(NotAllowed):
        site.ask(UNA, "USER LIST")
    site.may("KEY GRANT", duz=UNA.duz, key="xumgr")
    assert site.ask(UNA, "USER LIST")["entries"]
    site.may("KEY REVOKE", duz=UNA.duz, key="XUMGR")
    with pytest.raises(NotAllowed):
        site.ask(UNA, "USER LIST")


def test_who_holds_which_key_is_listed_in_pages(site: Managed) -> None:
    site.may("KEY GRANT", duz=UNA.duz, key="XUMGR")
    whole = [(one["key"], one["duz"]) for one in site.may("KEY LIST")["entries"]]
    assert whole == [("MAG SYSTEM", MAY.duz), ("XUMGR", MAY.duz), ("XUMGR", UNA.duz)]
    pages, after = [], ""
    while after is not None:
        page = site.may("KEY LIST", limit=1, after=after)
        pages += [(one["key"], one["duz"]) for one in page["entries"]]
        after = page["next"]
    assert pages == whole
    assert [one["name"] for one in site.may("KEY LIST", key="xumgr", after=f"XUMGR^{MAY.duz}")["entries"]] == [UNA.name]
    with pytest.raises(BadRequest):
        site.may("KEY LIST", after="XUMGR^x")


#: What would leave nobody who manages users.
LAST = {
    "revoke": ("KEY REVOKE", {"key": "XUMGR"}),
    "edit": ("USER EDIT", {"keys": "MAG SYSTEM"}),
    "disuser": ("USER EDIT", {"disuser": 1}),
    "terminate": ("USER EDIT", {"terminated": "2026-11-18"}),
    "remove": ("USER REMOVE", {}),
}


@pytest.mark.parametrize("way", LAST)
def test_the_last_who_manages_users_stays(site: Managed, way: str) -> None:
    name, asked = LAST[way]
    for duz in (1, UNA.duz):
        site.may("KEY GRANT", duz=duz, key="XUMGR")
    change(site, 1, verify_hash="")
    site.may("USER EDIT", duz=UNA.duz, disuser=1)
    with pytest.raises((BadRequest, RefusedAction), match="Nobody else holds the security key XUMGR"):
        site.may(name, duz=MAY.duz, **asked)
    site.may("USER EDIT", duz=UNA.duz, disuser=0)
    site.may(name, duz=MAY.duz, **asked)
    assert [one["duz"] for one in site.ask(UNA, "USER LIST", key="XUMGR", active=1)["entries"] if one["duz"] != 1] == [UNA.duz]


def test_a_context_counts_in_sessions_there_are(site: Managed) -> None:
    with pytest.raises(SecurityRefused):
        site.client(UNA).create_context("MAIN")
    site.may("CONTEXT GRANT", name="MAIN", duz=UNA.duz)
    client = site.client(UNA)
    client.create_context("MAIN")
    assert client.call("XUS ALLKEYS").lines == []
    site.may("CONTEXT REVOKE", name="MAIN", duz=UNA.duz)
    with pytest.raises(SecurityRefused):
        client.call("XUS ALLKEYS")


def test_a_context_gains_and_loses_procedures(site: Managed) -> None:
    site.may("CONTEXT GRANT", name="MAIN", duz=UNA.duz)
    client = site.client(UNA)
    client.create_context("MAIN")
    with pytest.raises(SecurityRefused):
        client.call("MAG DICOM GET DOMAIN")
    made = site.may("CONTEXT EDIT", name="MAIN", add_rpcs="MAG DICOM GET DOMAIN", remove_rpcs="XUS ALLKEYS")
    assert "warning" not in made
    assert client.call("MAG DICOM GET DOMAIN").text
    with pytest.raises(SecurityRefused):
        client.call("XUS ALLKEYS")
    for wrong in ({"add_rpcs": "MAG DICOM GET DOMAIN"}, {"remove_rpcs": "XUS ALLKEYS"}, {"rpcs": "*", "add_rpcs": "X"}):
        with pytest.raises(BadRequest):
            site.may("CONTEXT EDIT", name="MAIN", **wrong)
    site.may("CONTEXT EDIT", name="MAIN", out_of_order="rebuilt")
    with pytest.raises(SecurityRefused, match="rebuilt"):
        client.call("MAG DICOM GET DOMAIN")


def test_a_procedure_that_is_not_known_is_kept_with_a_warning(site: Managed) -> None:
    made = site.may("CONTEXT EDIT", name="MAIN", add_rpcs="ZZ PACKED,XWB IM HERE")
    assert made["warning"] == "procedures that magbroker does not know stay in the context: ZZ PACKED"
    assert {"ZZ PACKED", "XWB IM HERE"} <= set(site.may("CONTEXT SHOW", name="MAIN")["rpcs"])


def test_a_context_is_shown_with_its_users(site: Managed) -> None:
    told = site.may("CONTEXT SHOW", name=CONTEXT)
    assert told["users"] == [{"duz": user.duz, "name": user.name} for user in (MAY, UNA)]
    assert "MAGB USER LIST" in told["rpcs"]
    with pytest.raises(NotFound, match="MAGB GATEWAY"):
        site.may("CONTEXT SHOW", name="MAGB GATEWY")


def test_a_list_is_sorted_by_any_of_its_columns_either_way_and_paged(site: Managed) -> None:
    for name, title in (("ADAMS,ABE", "clerk"), ("BAKER,BEA", "Nurse"), ("CLARK,CY", "")):
        site.may("USER ADD", name=name, title=title, divisions="660")

    def names(**asked: object) -> list[str]:
        return [one["name"] for one in site.may("USER LIST", **asked)["entries"]]

    everyone = names()
    assert names(sort="name") == sorted(everyone)
    assert names(sort="name", descending=1) == sorted(everyone)[::-1]
    assert names(sort="title")[-2:] == ["ADAMS,ABE", "BAKER,BEA"], "whatever their case, and what has none comes first"
    first = site.may("USER LIST", sort="name", limit=2)
    rest = site.may("USER LIST", sort="name", after=first["next"])
    assert [one["name"] for one in (*first["entries"], *rest["entries"])] == sorted(everyone)
    with pytest.raises(BadRequest, match="begin anew"):
        site.may("USER LIST", after=999)
    with pytest.raises(BadRequest, match="SORT is one of"):
        site.may("USER LIST", sort="verify_hash")
