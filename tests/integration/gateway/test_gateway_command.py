"""`magbroker gateway --check` tells what a gateway's dictionaries hold, or everything that is wrong in them."""

from __future__ import annotations

from pathlib import Path

from tests.support.services import magbroker

INSTRUMENTS = "CR1|Room 2156|Wilmington, DE|RAD|60050|DEMOGW1\nCT1|Room 2142||RAD|60060|OTHERGW\n"


def check(directory: Path) -> tuple[int, str, str]:
    """Check the dictionaries of a directory."""
    done = magbroker("gateway", "--check", environment={"MAGBROKER_GATEWAY__DICTIONARIES": str(directory)})
    return done.returncode, done.stdout, done.stderr


def test_good_dictionaries_are_counted_and_their_instruments_shown(tmp_path: Path) -> None:
    (tmp_path / "INSTRUMENT.DIC").write_text(INSTRUMENTS, encoding="ascii")
    status, said, _ = check(tmp_path)
    assert (status, said.splitlines()) == (
        0,
        [
            "The dictionaries are in order: 2 instruments, 0 modalities, 0 worklists, 0 applications.",
            "  CR1: port 60050, RAD, listened for here",
            "  CT1: port 60060, RAD, sends to OTHERGW",
        ],
    )


def test_a_certificate_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    table = f'{{"mnemonic": "CT1", "port": 60060, "tls_certificate": "{tmp_path}/no.pem", "tls_key": "{tmp_path}/no.key"}}'
    done = magbroker("gateway", "--check", environment={"MAGBROKER_GATEWAY__LISTENER": f"[{table}]"})
    assert (done.returncode, f"{tmp_path}/no.pem cannot be used for TLS" in done.stderr) == (1, True)


def test_what_a_destination_cannot_get_is_named_with_it(tmp_path: Path) -> None:
    settings = tmp_path / "magbroker.toml"
    settings.write_text('[[gateway.destination."RESEARCH".coerce]]\nattribute = "PatientsID"\nset = "1"\n', encoding="utf-8")
    done = magbroker("gateway", "--check", "--config", str(settings))
    assert done.returncode == 1
    assert """[gateway.destination."RESEARCH"] coerce: 'PatientsID' is no attribute; give a keyword""" in done.stderr


def test_every_problem_is_told_with_its_place_and_a_gateway_does_not_start(tmp_path: Path) -> None:
    (tmp_path / "INSTRUMENT.DIC").write_text("CR1|x|y|rad|1\nCR2|x|y|RAD|0\n", encoding="ascii")
    status, _, complaint = check(tmp_path)
    assert status == 1
    for line, word in ((1, "'rad' is no imaging service"), (2, "'0' is no port")):
        assert f"{tmp_path}/INSTRUMENT.DIC:{line}: {word}" in complaint
    environment = {"MAGBROKER_GATEWAY__DICTIONARIES": str(tmp_path), "MAGBROKER_GATEWAY__DICOM_PORT": "0"}
    done = magbroker("gateway", "--data", str(tmp_path / "data"), environment=environment)
    assert (done.returncode, "'rad' is no imaging service" in done.stderr) == (1, True)
