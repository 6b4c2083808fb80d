"""Logs are lines for people or JSON for machines, whoever wrote them."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
import structlog

from runtime import SettingsError, set_up_logs


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    root.handlers = []
    yield
    for handler in root.handlers:
        handler.close()
    root.handlers = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def test_json_lines_hold_message_fields_and_traceback(tmp_path: Path) -> None:
    set_up_logs("INFO", "json", tmp_path / "log")
    try:
        raise ValueError("no exam")
    except ValueError:
        logging.getLogger("fileman.store").exception("image %d", 7, extra={"peer": "127.0.0.1"})
    structlog.get_logger("broker").warning("closed", path=tmp_path)
    first, second = map(json.loads, (tmp_path / "log").read_text().splitlines())
    assert (first["event"], first["level"], first["logger"], first["peer"]) == ("image 7", "error", "fileman.store", "127.0.0.1")
    assert first["exception"].endswith("ValueError: no exam")
    assert (second["event"], second["level"], second["path"]) == ("closed", "warning", str(tmp_path))


def test_lines_for_people_go_to_standard_error_without_escapes(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logs("INFO", "console")
    try:
        raise ValueError("no exam")
    except ValueError:
        logging.getLogger("broker").exception("boom")
    told = capsys.readouterr()
    assert told.out == ""
    assert "boom" in told.err
    assert "ValueError: no exam" in told.err
    assert "\x1b" not in told.err


def test_levels_keep_out_what_is_below_and_libraries_that_chatter(tmp_path: Path) -> None:
    set_up_logs("INFO", "json", tmp_path / "log")
    logging.getLogger("broker").debug("too fine")
    logging.getLogger("alembic").info("chatter")
    logging.getLogger("alembic").warning("heard")
    assert [json.loads(line)["event"] for line in (tmp_path / "log").read_text().splitlines()] == ["heard"]
    set_up_logs("ERROR", "json", tmp_path / "log2")
    logging.getLogger("alembic").warning("not heard")
    assert (tmp_path / "log2").read_text() == ""


def test_what_peers_make_pynetdicom_say_stays_out(tmp_path: Path) -> None:
    """The upper layer wants it to be silent, whether it was loaded before or after."""
    import_module("dul.associate")
    set_up_logs("INFO", "json", tmp_path / "log")
    logging.getLogger("pynetdicom.pdu").error("a traceback that a peer asked for")
    assert (tmp_path / "log").read_text() == ""


def test_setting_up_again_writes_each_line_once(tmp_path: Path) -> None:
    set_up_logs("INFO", "json", tmp_path / "log")
    set_up_logs("INFO", "json", tmp_path / "log")
    logging.getLogger("broker").info("once")
    assert len((tmp_path / "log").read_text().splitlines()) == 1


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be written"):
        set_up_logs("INFO", "json", tmp_path / "none" / "log")
