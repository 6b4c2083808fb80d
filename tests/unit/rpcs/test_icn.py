"""Integration control numbers get the check digits that VistA computes."""

from __future__ import annotations

import pytest

from rpcs.icn import full_icn, icn_checksum


@pytest.mark.parametrize(
    ("stored", "answered"),
    [
        ("1000000001V654321", "1000000001V401987"),  # b1_store
        ("1000000002V123456", "1000000002V687832"),  # b1_store
        ("1000000001", "1000000001V401987"),
        ("", "-1^NO MPI NODE"),
    ],
)
def test_the_check_digits_are_computed_anew(stored: str, answered: str) -> None:
    assert full_icn(stored) == answered


def test_one_digit_changed_changes_the_check_digits() -> None:
    checks = {icn_checksum(f"100000000{digit}") for digit in range(10)}
    assert len(checks) == 10
