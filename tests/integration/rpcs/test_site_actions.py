"""Managers change the site's settings, its places and faults; a broker that runs heeds it with the next call."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from console.tasks.owners_desk import owners_desk
from fileman import BadSiteKey, SiteKey, SiteSettings, reset_imaging, site_settings
from fileman.files import ImagingSite, NewPerson
from rpcs.actions import ACTIONS, Act, BadRequest, Caller, NotAllowed, NotFound, carry_out
from runtime import FixedClock, load_settings
from tests.integration.rpcs.conftest import MakeBroker
from tests.integration.rpcs.managed import CONTEXT, SITE, Managed
from tests.integration.rpcs.two_users import MAY, UNA
from xwb import BrokerClient, ConnectionRejected


@pytest.fixture
def site(make_broker: MakeBroker, clock: FixedClock) -> Iterator[Managed]:
    managed = Managed(make_broker(more=SITE), clock)
    yield managed
    managed.leave()


def setting(site: Managed, name: str) -> object:
    (value,) = [one["value"] for one in site.may("SITE SHOW")["settings"] if one["name"] == name]
    return value


def test_every_setting_is_shown_with_what_it_means_and_the_places_with_it(site: Managed) -> None:
    told = site.may("SITE SHOW")
    assert {one["name"] for one in told["settings"]} == set(SiteSettings.model_fields) - {"key_fingerprint"}
    assert all(one["about"].endswith(".") for one in told["settings"])
    assert setting(site, "default_institution") == 660
    assert [(one["ien"], one["institution"], one["namespace"]) for one in told["places"]] == [(1, 660, "SL")]
    with pytest.raises(NotAllowed):
        site.ask(UNA, "SITE SHOW")


def test_a_setting_counts_with_the_next_call(site: Managed) -> None:
    site.may("SITE EDIT", name="intro", value='["Welcome.", "Wash your hands."]')
    with BrokerClient("127.0.0.1", site.broker.port) as visitor:
        assert visitor.call("XUS INTRO MSG").lines == ["Welcome.", "Wash your hands."]
        site.may("SITE EDIT", name="domain", value="OTHER.EXAMPLE")
        assert visitor.call("XUS SIGNON SETUP").lines[6] == "OTHER.EXAMPLE"
        site.may("SITE EDIT", name="server", value="007")
        assert visitor.call("XUS SIGNON SETUP").lines[0] == "007", "a text stays one"


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("signon_attempts", "0", "greater than or equal to 1"),
        ("signon_attempts", "many", "valid integer"),
        ("signon_attempts", "99999999999", "is no number up to 2147483647"),
        ("production", "maybe", "valid boolean"),
        ("timing", "slow", "'prompt' or 'vista'"),
        ("uid_root", "1.2.x", "match pattern"),
        ("domain", "A^B", "holds a caret"),
        ("intro", '"one line"', "valid tuple"),
        ("intro", "[" * 5000, "valid tuple"),
    ],
)
def test_a_setting_is_judged_as_in_the_site_file(site: Managed, name: str, value: str, why: str) -> None:
    before = setting(site, name)
    with pytest.raises(BadRequest, match=f"{name}.*{why}"):
        site.may("SITE EDIT", name=name, value=value)
    assert setting(site, name) == before


def test_what_is_no_setting_cannot_be_set_nor_the_fingerprint_of_the_key(site: Managed) -> None:
    with pytest.raises(NotFound, match="broker_timeout"):
        site.may("SITE EDIT", name="broker_timeuot", value="5")
    with pytest.raises(NotFound):
        site.may("SITE EDIT", name="key_fingerprint", value="5")


def test_a_setting_stands_in_the_audit_with_what_it_was(site: Managed) -> None:
    site.may("SITE EDIT", name="broker_timeout", value="300")
    (one,) = site.may("AUDIT LIST", subject="site setting broker_timeout")["actions"]
    assert one["changes"] == [{"subject": "site setting broker_timeout", "before": 180, "after": 300}]
    assert site.store.read(site_settings).broker_timeout == 300


def test_a_place_writes_where_it_is_told_to_if_that_is_there(site: Managed) -> None:
    assert site.may("PLACE EDIT", ien=1, write_location=1, site_code="SLC")["write_location"] == 1
    for wrong in ({"write_location": 7}, {"jukebox_location": "one"}, {"institution": 999}, {"namespace": "N" * 11}):
        with pytest.raises(BadRequest):
            site.may("PLACE EDIT", ien=1, **wrong)
    told = site.may("PLACE SHOW", ien=1)
    assert (told["write_location"], told["site_code"], told["institution"]) == (1, "SLC", 660)
    assert site.may("PLACE EDIT", ien=1, write_location="")["write_location"] is None


def test_codes_of_gateways_are_kept_under_the_key_and_shown_to_nobody(site: Managed, site_key: SiteKey) -> None:
    site.may("PLACE EDIT", ien=1, gateway_access="GATE1", gateway_verify="1GATE!@#$")
    chosen = select(ImagingSite.gateway_access, ImagingSite.gateway_verify)

    def kept() -> list[str]:
        return [site_key.decipher(it) for it in site.store.read(lambda it: it.execute(chosen).one())]

    assert kept() == ["GATE1", "1GATE!@#$"]
    site.may("PLACE EDIT", ien=1, site_code="SLC")
    assert kept() == ["GATE1", "1GATE!@#$"], "what is not named stays"
    assert "GATE" not in json.dumps([site.may("PLACE SHOW", ien=1), site.may("SITE SHOW")["places"]])
    assert "GATE1" not in site.audit()
    assert "1GATE" not in site.audit()
    site.may("PLACE EDIT", ien=1, gateway_access="", gateway_verify="")
    assert kept() == ["", ""]


def test_a_fault_strikes_until_it_is_cleared(site: Managed) -> None:
    site.client(MAY)
    told = site.may("FAULT SET", fault="inhibited-logons")
    assert (told["fault"], told["warning"]) == ("inhibited-logons", "")
    with pytest.raises(ConnectionRejected):
        BrokerClient("127.0.0.1", site.broker.port).connect()
    assert [one["fault"] for one in site.may("FAULT LIST")["entries"]] == ["inhibited-logons"]
    site.may("FAULT CLEAR", fault="inhibited-logons")
    assert site.refusal(UNA.access, UNA.verify) == ""
    assert site.may("FAULT CLEAR") == {"cleared": []}


@pytest.mark.parametrize(
    "asked",
    [
        {"fault": "no-such-fault"},
        {"fault": "slow-answer", "rpc": "XWB IM HERE"},
        {"fault": "slow-answer", "rpc": "XWB IM HERE", "seconds": "long"},
        {"fault": "locked-exam"},
        {"fault": "locked-exam", "accession": "1", "times": "0"},
        {"fault": "inhibited-logons", "times": "1"},
    ],
)
def test_a_fault_is_judged_as_the_command_judges_it(site: Managed, asked: dict[str, str]) -> None:
    with pytest.raises(BadRequest):
        site.may("FAULT SET", **asked)
    assert site.may("FAULT LIST") == {"entries": []}


def test_a_fault_that_strikes_nothing_yet_is_set_with_a_warning(site: Managed) -> None:
    told = site.may("FAULT SET", fault="dropped-answer", rpc="ZZ PACKED", times=2)
    assert told["warning"] == "magbroker has no procedure ZZ PACKED, and no context of the site names one of a pack"
    assert told["facts"] == {"rpc": "ZZ PACKED", "times": "2"}


def test_the_audit_goes_on_after_the_site_is_reset(site: Managed) -> None:
    site.may("SITE EDIT", name="domain", value="ONE.EXAMPLE")
    site.store.transact(reset_imaging)
    site.may("SITE EDIT", name="domain", value="TWO.EXAMPLE")
    changes = [one["changes"][0]["after"] for one in site.may("AUDIT LIST")["actions"]]
    assert changes == ["TWO.EXAMPLE", "ONE.EXAMPLE"]


OWNER = Caller(0, "owner root", owner=True)


def as_owner(site: Managed, key: SiteKey, name: str, /, **asked: object) -> Any:
    request = {word.upper().replace("_", " "): str(value) for word, value in asked.items()}
    action = ACTIONS[f"MAGB {name}"]
    return site.store.transact(lambda it: carry_out(action, Act(it, OWNER, site.clock, request, lambda: key)).given)


def test_what_several_change_at_once_is_all_kept(site: Managed, site_key: SiteKey) -> None:
    asks: list[tuple[str, dict[str, object]]] = [("USER ADD", {"name": f"NEW,NO{n}"}) for n in range(6)]
    asks += [("KEY GRANT", {"duz": UNA.duz, "key": f"ZZ {n}"}) for n in range(6)]
    asks += [("SITE EDIT", {"name": "intro", "value": f'["{n}"]'}) for n in range(6)]
    with ThreadPoolExecutor(6) as pool:
        done = [pool.submit(as_owner, site, site_key, name, **asked) for name, asked in asks]
        added = {one.result(60)["duz"] for one in done[:6]}
        for one in done:
            one.result(60)
    names = select(NewPerson.name).where(NewPerson.duz.in_(added))
    assert len(site.store.read(lambda it: it.execute(names).all())) == 6
    assert set(site.may("USER SHOW", duz=UNA.duz)["keys"]) == {f"ZZ {n}" for n in range(6)}


def test_of_two_who_take_each_others_key_at_once_one_keeps_it(site: Managed, site_key: SiteKey) -> None:
    site.may("KEY GRANT", duz=UNA.duz, key="XUMGR")
    with ThreadPoolExecutor(2) as pool:
        asks = [pool.submit(as_owner, site, site_key, "KEY REVOKE", duz=duz, key="XUMGR") for duz in (MAY.duz, UNA.duz)]
        refused = [str(ask.exception(60)) for ask in asks if ask.exception(60) is not None]
    assert len(refused) == 1
    assert refused[0].startswith("Nobody else holds the security key XUMGR")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_owner_gives_codes_with_the_sites_own_key_and_with_no_other(site: Managed, tmp_path: Path, site_key: SiteKey) -> None:
    site.may("USER ADD", name="NEW,NORA", duz=40, divisions="660", contexts=CONTEXT)
    settings = load_settings(None, data=tmp_path)
    asked = {"DUZ": "40", "ACCESS CODE": "NORA44", "VERIFY CODE": "7ZEBRA!@#", "LASTS": "1"}
    with owners_desk(settings) as desk:
        desk.ask("MAGB USER CODES", asked)
    assert site.refusal("NORA44", "7ZEBRA!@#") == ""
    (tmp_path / "site.key").write_bytes(os.urandom(32))
    with owners_desk(settings) as desk, pytest.raises(BadSiteKey, match="is not the key of the site"):
        desk.ask("MAGB USER CODES", {**asked, "VERIFY CODE": "8ZEBRA!@#"})
    assert site.refusal("NORA44", "7ZEBRA!@#") == ""
    assert "ZEBRA" not in site.audit()
