"""A site file fills a database and comes out of it again."""

from __future__ import annotations

from datetime import datetime

import pytest
from sqlalchemy import func, insert, select

from fileman import (
    SiteFileError,
    SiteKey,
    Store,
    apply_site,
    check_verify_code,
    dump_site,
    is_empty,
    next_ien,
    parse_site,
    read_site_file,
    reset_imaging,
    site_settings,
)
from fileman.files import Exam, Image, NewPerson, OptionRpc, Report
from tests.conftest import ORACLE_SITE

NOW = datetime(2026, 11, 21, 12)  # noqa: DTZ001  VistA's times carry no zone


def test_the_recorded_site_loads_as_it_is(oracle_store: Store, site_key: SiteKey) -> None:
    settings = oracle_store.read(site_settings)
    assert (settings.domain, settings.timing, settings.patches[0]) == ("ORACLE.DOMAIN.EXT", "vista", "MAG*3.0*54 2012-01-01 T1")
    row = oracle_store.read(
        lambda connection: connection.execute(
            select(NewPerson).where(NewPerson.access_hash == site_key.access_hash("fakedoc1"))
        ).first()
    )
    assert row is not None
    assert row.nickname == "ROB"
    assert "1DOC!@#$" not in str(tuple(row))
    assert check_verify_code(row.verify_hash, "1doc!@#$")


def test_a_dump_loads_to_the_same_dump(oracle_store: Store, site_key: SiteKey) -> None:
    first = oracle_store.read(dump_site)
    oracle_store.transact(lambda connection: apply_site(connection, parse_site(first), site_key, NOW))
    assert oracle_store.read(dump_site) == first
    for secret in ("1DOC!@#$", "FAKEDOC1", "RPWDA"):
        assert secret not in first


def test_an_empty_database_is_told_from_a_filled_one(store: Store, site_key: SiteKey) -> None:
    assert store.read(is_empty)
    store.transact(lambda connection: apply_site(connection, parse_site(""), site_key, NOW))
    assert not store.read(is_empty)


def test_procedures_that_nobody_knows_are_kept_and_told(store: Store, site_key: SiteKey) -> None:
    site = parse_site('[[context]]\nname = "A"\nrpcs = ["XWB IM HERE", "NO SUCH RPC"]\n')
    warnings = store.transact(lambda connection: apply_site(connection, site, site_key, NOW, {"XWB IM HERE"}))
    assert warnings == ["procedure NO SUCH RPC is not known; kept in its context"]
    assert store.read(lambda connection: connection.execute(select(func.count()).select_from(OptionRpc)).scalar_one()) == 2


def test_a_site_is_not_replaced_under_filed_images(oracle_store: Store, site_key: SiteKey) -> None:
    report = {
        "ien": 1,
        "service": "RAD",
        "accession": "A",
        "exam": 1,
        "patient": 1,
        "exam_date": "3240610",
        "entered": "",
        "entered_by": 1,
    }
    oracle_store.transact(lambda connection: connection.execute(insert(Report).values(**report)))
    site = read_site_file(ORACLE_SITE)
    with pytest.raises(SiteFileError, match="images are filed here"):
        oracle_store.transact(lambda connection: apply_site(connection, site, site_key, NOW))


def test_a_reset_leaves_the_site_and_begins_numbers_again(oracle_store: Store) -> None:
    def file_one(connection):  # type: ignore[no-untyped-def]
        ien = next_ien(connection, "image")
        values = {"ien": ien, "name": "X", "object_type": 100, "patient": 1, "saved_at": "3261121", "saved_by": 1}
        connection.execute(insert(Image).values(**values))
        return ien

    assert oracle_store.transact(file_one) == 1
    oracle_store.transact(reset_imaging)
    assert oracle_store.transact(file_one) == 1
    assert oracle_store.read(lambda connection: connection.execute(select(func.count()).select_from(Exam)).scalar_one()) > 50


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[site]\ndomain = "X"\ndomian = "Y"\n', "line 3: site.domian is not known here"),
        ('[[user]]\nduz = 1\nname = "A"\n\n[[user]]\nduz = 2\n', "line 5: user.name is missing"),
        ('[[exam]]\naccession = "1"\npatient = 1\ndatetime = 2024-01-01\nservice = "XXX"\n', "line 5: exam.service"),
        ("[site]\nbroker_timeout = 0\n", "line 2: site.broker_timeout"),
        ("[site\n", "line 1: this is not TOML"),
        ("[holidays]\nx = 1\n", "line 1: holidays is not known here"),
    ],
)
def test_an_error_names_its_line(text: str, message: str) -> None:
    with pytest.raises(SiteFileError) as raised:
        parse_site(text)
    assert message in str(raised.value)
