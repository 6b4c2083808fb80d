"""The tables of an archive: defaults from its root, and entities that could not be told apart refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime import ArchiveSettings, SettingsError, load_settings


def archive(tmp_path: Path, text: str) -> ArchiveSettings:
    file = tmp_path / "magbroker.toml"
    file.write_text(text, encoding="utf-8")
    found = load_settings(file).gateway.archive
    assert found is not None
    return found


def test_there_is_no_archive_unless_it_is_set() -> None:
    assert load_settings().gateway.archive is None


def test_titles_come_from_the_root_and_ports_from_the_table(tmp_path: Path) -> None:
    found = archive(tmp_path, '[gateway.archive]\nae_root = "049SA1OT39"\n')
    assert {name: (found.title(name), found.port(name)) for name in ("receiver", "commitment", "short_term", "long_term")} == {
        "receiver": ("049SA1OT39DRSP", 50082),
        "commitment": ("049SA1OT39DNES", 60034),
        "short_term": ("049SA1OT39DQRY", 50089),
        "long_term": ("049SA1OT39DPQR", 50090),
    }
    assert found.service_tool.ae_title == "MAGBROKER_C_ECHO"
    assert {table.max_associations for table in (found.receiver, found.commitment, found.short_term, found.long_term)} == {10}


@pytest.mark.parametrize("table", ["receiver", "sender"])
def test_receiver_and_sender_share_the_title_that_either_table_has(tmp_path: Path, table: str) -> None:
    assert archive(tmp_path, f'[gateway.archive]\nae_root = "A"\n{table} = {{ae_title = "STORE"}}\n').title("receiver") == "STORE"


@pytest.mark.parametrize(
    ("tables", "problem"),
    [
        ('receiver = {ae_title = "X"}\nsender = {ae_title = "Y"}', "receiver and sender share one AE title; give X or Y"),
        ('receiver = {ae_title = "X"}\nshort_term = {ae_title = "X"}', "receiver and short_term have the same AE title, X"),
        ("short_term = {port = 50082}", "receiver and short_term have the same port, 50082"),
        ('long_term = {ae_title = "ADQRY"}', "short_term and long_term have the same AE title, ADQRY"),
        ("commitment = {port = 11112}", "dicom_port and archive.commitment have the same port, 11112"),
        ('receiver = {ae_title = "SEVENTEEN LETTERS"}', "receiver.ae_title"),
        ('receiver = {ae_title = "BACK\\\\SLASH"}', "is no AE title"),
        ('receiver = {ae_title = "TITLE "}', "is no AE title"),
        ('receiver = {transfer_syntaxes = ["jpeg"]}', "transfer_syntaxes"),
        ('short_term = {transfer_syntaxes = ["rle"]}', "transfer_syntaxes"),
        ("short_term = {study_level_only = true}", "there is no such setting"),
        ('receiver = {tls_key = "key.pem"}', "tls_certificate and tls_key belong together"),
    ],
)
def test_what_makes_no_archive_is_refused(tmp_path: Path, tables: str, problem: str) -> None:
    with pytest.raises(SettingsError, match=problem.replace("(", r"\(")):
        archive(tmp_path, f'[gateway.archive]\nae_root = "A"\n{tables}\n')


@pytest.mark.parametrize("root", ["", "THIRTEEN LONG", "A\\B", "ÄÄ"])
def test_a_root_that_makes_no_title_is_refused(tmp_path: Path, root: str) -> None:
    with pytest.raises(SettingsError, match="ae_root"):
        archive(tmp_path, f"[gateway.archive]\nae_root = '{root}'\n")


def test_ports_that_the_system_chooses_may_be_many(tmp_path: Path) -> None:
    found = archive(tmp_path, '[gateway.archive]\nae_root = "A"\nreceiver = {port = 0}\nshort_term = {port = 0}\n')
    assert (found.port("receiver"), found.port("short_term")) == (0, 0)
