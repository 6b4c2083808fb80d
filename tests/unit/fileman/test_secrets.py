"""Codes are kept so that a stolen database gives none of them away."""

from __future__ import annotations

import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fileman import BadSiteKey, SiteKey, check_verify_code, hash_verify_code

KEY = SiteKey(bytes(range(32)))
OTHER = SiteKey(bytes(32))


def test_a_key_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "below" / "site.key"
    made = SiteKey.load_or_create(path)
    assert SiteKey.load_or_create(path) == made
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(path.read_bytes()) == 32
    assert list(path.parent.iterdir()) == [path]


def test_processes_that_make_the_key_at_once_agree(tmp_path: Path) -> None:
    start = Barrier(8)

    def make() -> SiteKey:
        start.wait(10)
        return SiteKey.load_or_create(tmp_path / "site.key")

    with ThreadPoolExecutor(8) as pool:
        keys = [future.result(10) for future in [pool.submit(make) for _ in range(8)]]
    assert set(keys) == {keys[0]}


def test_a_damaged_key_file_is_named_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "site.key"
    path.write_bytes(b"short")
    with pytest.raises(BadSiteKey, match=r"site\.key is no site key: it has 5 bytes, not 32"):
        SiteKey.load_or_create(path)
    assert path.read_bytes() == b"short"


def test_a_key_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadSiteKey, match="cannot be used"):
        SiteKey.load_or_create(tmp_path)


def test_a_key_shows_itself_to_no_log() -> None:
    assert str(bytes(range(32))) not in repr(KEY)
    assert "_key" not in repr(KEY)


def test_access_codes_are_found_whatever_their_case_and_under_one_key_only() -> None:
    assert KEY.access_hash("fakeDoc1") == KEY.access_hash("FAKEDOC1")
    assert KEY.access_hash("FAKEDOC1") != KEY.access_hash("FAKEDOC2")
    assert KEY.access_hash("FAKEDOC1") != OTHER.access_hash("FAKEDOC1")
    assert len(KEY.access_hash("FAKEDOC1")) == 64


def test_keys_are_told_apart_by_their_fingerprints() -> None:
    assert KEY.fingerprint() == SiteKey(bytes(range(32))).fingerprint()
    assert KEY.fingerprint() != OTHER.fingerprint()


@given(st.text())
def test_every_secret_comes_back(text: str) -> None:
    token = KEY.encipher(text)
    assert KEY.decipher(token) == text
    assert token.isascii()


def test_the_same_secret_looks_different_each_time() -> None:
    assert KEY.encipher("1GWY!@#$") != KEY.encipher("1GWY!@#$")


@pytest.mark.parametrize(
    "token",
    [
        pytest.param(OTHER.encipher("secret"), id="of another key"),
        "not base64!",
        "AAAA",
        "ä",
        pytest.param(KEY.encipher("secret")[:-4] + "AAAA", id="with another end"),
    ],
)
def test_what_this_key_did_not_encipher_is_refused(token: str) -> None:
    with pytest.raises(BadSiteKey):
        KEY.decipher(token)


@settings(max_examples=10, deadline=None)
@given(st.text(min_size=1, max_size=20))
def test_a_verify_code_fits_its_own_hash_in_any_case(code: str) -> None:
    hashed = hash_verify_code(code)
    assert check_verify_code(hashed, code)
    assert check_verify_code(hashed, code.upper())
    assert not check_verify_code(hashed, code + "X")


@pytest.mark.parametrize("hashed", ["", "1DOC!@#$", "$argon2id$broken"])
def test_nothing_fits_what_is_no_hash(hashed: str) -> None:
    assert not check_verify_code(hashed, "")
    assert not check_verify_code(hashed, "1DOC!@#$")


def test_a_null_verify_code_has_no_hash() -> None:
    assert hash_verify_code("") == ""


def test_a_thief_pays_for_each_guess() -> None:
    """Outside of the tests, which have a hash of their own that costs nothing."""
    made = "from fileman.secrets import hash_verify_code; print(hash_verify_code('1DOC!@#$'))"
    hashed = subprocess.run([sys.executable, "-c", made], capture_output=True, text=True, check=True).stdout
    assert hashed.startswith("$argon2id$v=19$m=16384,t=2,p=1$")
