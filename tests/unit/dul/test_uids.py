"""What may be stored is told from what other services are for."""

from __future__ import annotations

import pytest

from dul import may_be_stored


@pytest.mark.parametrize(
    ("uid", "stored"),
    [
        ("1.2.840.10008.5.1.4.1.1.2", True),  # CT
        ("1.2.840.10008.5.1.1.27", True),  # stored print, retired
        ("1.2.40.0.13.1.2.3", True),  # private
        ("1.2.840.10008.5.1.4.1.1.99999", True),  # not known yet
        ("1.2.840.10008.1.1", False),  # verification
        ("1.2.840.10008.1.20.1", False),  # storage commitment
        ("1.2.840.10008.5.1.4.1.2.2.1", False),  # study root, C-FIND
        ("1.2.840.10008.5.1.4.31", False),  # modality worklist
        ("1.2.840.10008.3.1.2.3.3", False),  # MPPS
        ("1.2.840.10008.5.1.1.9", False),  # print
    ],
)
def test_objects_of_storage_classes_may_be_stored_and_no_others(uid: str, stored: bool) -> None:
    assert may_be_stored(uid) is stored
