"""A site file is read whole or refused with the line of its first error."""

from __future__ import annotations

import tomllib
from datetime import date, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fileman import SiteFileError, SiteSettings, parse_site, read_site_file
from fileman.site import dangling, toml_date, toml_value

PATIENT = '[[patient]]\ndfn = 1\nname = "DEMO,ONE"\n'
EXAM = '[[exam]]\naccession = "A-1"\npatient = 1\ndatetime = 2024-01-01T10:30:00\n'


def test_what_a_file_does_not_say_is_as_in_vista() -> None:
    site = parse_site("").site
    assert (site.signon_attempts, site.lockout_seconds, site.broker_timeout, site.verify_lifetime_days) == (5, 900, 180, 90)
    assert (site.device, site.timing, site.rule_semantics) == ("/dev/null", "prompt", "documented")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[site]\ndomain = "X"\ndomian = "Y"\n', "line 3: site.domian is not known here"),
        ('[[user]]\nduz = 1\nname = "A"\n\n[[user]]\nduz = 2\n', "line 5: user.name is missing"),
        ('[[exam]]\naccession = "1"\npatient = 1\ndatetime = 2024-01-01\nservice = "XXX"\n', "line 5: exam.service"),
        ("[site]\nbroker_timeout = 0\n", "line 2: site.broker_timeout"),
        ('[site]\n# a comment\n  signon_attempts = "5"\n', "line 3: site.signon_attempts"),
        ("[site\n", "line 1: this is not TOML"),
        ("[holidays]\nx = 1\n", "line 1: holidays is not known here"),
        ('\ndomain = "X"\n[site]\n', "line 2: domain is not known here"),
        ('[site]\n"key-2" = 1\n', "line 2: site.key-2 is not known here"),
        ("[[user]]\nduz = 1\nname = \"A\"\ndivisions = [660,\n  'x']\n", "line 4: user.divisions"),
        ('[[patient]]\ndfn = 1\nname = "A"\nbirth_date = "31.1.1950"\n', 'line 4: patient.birth_date: "31.1.1950" is no date'),
        ('[[patient]]\ndfn = 1\nname = "A"\nbirth_date = 1650-01-31\n', "line 4: patient.birth_date: FileMan has no year 1650"),
        (
            "[[exam]]\naccession = '1'\npatient = 1\ndatetime = 2024-01-01T10:00:00Z\n",
            "line 4: exam.datetime: dates carry no zone",
        ),
        ('[[user]]\nduz = 1\nname = "A"\nlocked_until = "soon"\n', 'line 4: user.locked_until: "soon" is no date'),
        ('[[patient]]\ndfn = 1\nname = "A^B"\n', "line 3: patient.name: holds a caret"),
        ('[[user]]\nduz = 1\nname = "A"\nkeys = ["X\\u0000"]\n', "line 4: user.keys: holds a control character"),
        (f'[[user]]\nduz = {2**31}\nname = "A"\n', "line 2: user.duz: is no number up to 2147483647"),
        (f'[[institution]]\nien = {"9" * 300}\nname = "A"\n', "line 2: institution.ien: is no number up to 2147483647"),
        ('[[patient]]\ndfn = 0\nname = "A,B"\n', "line 2: patient.dfn: "),
        (PATIENT + PATIENT, "line 5: patient: there are two with dfn 1"),
        (
            '[[user]]\nduz = 1\nname = "A"\naccess = "SECRET1"\n[[user]]\nduz = 2\nname = "B"\naccess = "secret1"\n',
            "line 8: user: there are two with access",
        ),
        (PATIENT + EXAM + EXAM, "line 9: exam: there are two with accession RAD A-1"),
        (EXAM, "line 3: exam.patient: there is no patient 1"),
        ('[[user]]\nduz = 1\nname = "A"\nkeys = ["K", "K"]\n', "line 4: user.keys names something twice"),
    ],
)
def test_an_error_names_its_line(text: str, message: str) -> None:
    with pytest.raises(SiteFileError) as raised:
        parse_site(text, "my.toml")
    assert f"my.toml, {message}" in str(raised.value)


@pytest.mark.parametrize("opening", ["[", "{a="])
def test_a_file_that_is_nested_without_end_is_an_error(opening: str) -> None:
    with pytest.raises(SiteFileError, match="too deep"):
        parse_site("x = " + opening * 5000)


def test_a_number_without_end_is_an_error() -> None:
    with pytest.raises(SiteFileError, match="this is not TOML"):
        parse_site("[site]\nbroker_timeout = " + "9" * 5000)


def test_an_access_code_that_is_there_twice_is_told_to_no_log() -> None:
    user = '[[user]]\nduz = {}\nname = "A"\naccess = "SECRET1"\n'
    with pytest.raises(SiteFileError) as raised:
        parse_site(user.format(1) + user.format(2))
    assert "SECRET1" not in str(raised.value)


def test_a_file_that_is_not_there_or_no_text_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SiteFileError, match=r"none\.toml: cannot be read: No such file"):
        read_site_file(tmp_path / "none.toml")
    (tmp_path / "latin.toml").write_bytes(b'[site]\ndomain = "\xe4"\n')
    with pytest.raises(SiteFileError, match="is not UTF-8 text"):
        read_site_file(tmp_path / "latin.toml")


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("1950-01-31", "2500131"),
        ('"1950-01-31"', "2500131"),
        ('"2700229"', "2700229"),  # FileMan text may be a day that no calendar has
        ('""', ""),
    ],
)
def test_dates_are_kept_as_fileman_writes_them(written: str, kept: str) -> None:
    assert parse_site(f"{PATIENT}birth_date = {written}\n").patient[0].birth_date == kept


def test_moments_keep_their_time() -> None:
    assert parse_site(PATIENT + EXAM).exam[0].datetime == "3240101.103"


def test_pointers_to_nothing_are_warnings() -> None:
    site = parse_site('[[user]]\nduz = 1\nname = "A"\ncontexts = ["B", "C"]\ndivisions = [660]\n[[context]]\nname = "B"\n')
    assert dangling(site) == [
        "user.divisions names institution 660, which is not there",
        "user.contexts names context C, which is not there",
    ]


@given(st.text())
def test_every_text_is_written_so_that_toml_reads_it_back(text: str) -> None:
    encodable = text.encode("utf-8", "replace").decode()
    assert tomllib.loads(f"x = {toml_value(encodable)}\n")["x"] == encodable


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (7, "7"),
        (["A", 1], '["A", 1]'),
        (date(2024, 2, 29), "2024-02-29"),
        (datetime.fromisoformat("2024-02-29T09:30"), "2024-02-29T09:30:00"),
        ("\\\\SLC-IMG1\\IMAGE1$\\", '"\\\\\\\\SLC-IMG1\\\\IMAGE1$\\\\"'),
    ],
)
def test_values_are_written_as_toml(value: object, text: str) -> None:
    assert toml_value(value) == text


def test_what_toml_has_no_word_for_is_refused() -> None:
    with pytest.raises(TypeError):
        toml_value(None)


@pytest.mark.parametrize(
    ("text", "value"),
    [("3240229", date(2024, 2, 29)), ("2700229", "2700229"), ("3240229.24", "3240229.24"), ("tomorrow", "tomorrow")],
)
def test_only_days_of_the_calendar_become_toml_dates(text: str, value: object) -> None:
    assert toml_date(text) == value


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        SiteSettings().domain = "X"  # that is the promise
