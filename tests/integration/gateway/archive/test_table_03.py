"""Table 3, verification as SCP: every entity that listens answers a C-ECHO, in each of the transfer syntaxes."""

from __future__ import annotations

import subprocess

import pytest
from pynetdicom import AE

from gateway_client.archive.entities import LISTENING
from tests.support.archive_site import ArchiveSite
from tests.support.magicstore_tables import OTHER_PREFERENCE, STORAGE_PREFERENCE, TABLE_3, ContextRow

EACH = [(row, syntax) for row in TABLE_3 for syntax in row.transfer_syntaxes]
roles = pytest.mark.parametrize("role", LISTENING, ids=str)


def echoed(depot: ArchiveSite, role: str, uid: str, *syntaxes: str) -> str:
    """Ask an entity over a context of its own; give the transfer syntax in which it was taken, whoever calls."""
    ae = AE("ANYBODY AT ALL")
    ae.add_requested_context(uid, list(syntaxes))
    association = ae.associate("127.0.0.1", depot.port(role), ae_title=depot.title(role))
    assert association.is_established
    assert association.send_c_echo().Status == 0x0000
    (context,) = association.accepted_contexts
    association.release()
    return str(context.transfer_syntax[0])


@roles
@pytest.mark.parametrize(("row", "syntax"), EACH, ids=lambda value: value.name if isinstance(value, ContextRow) else value)
def test_each_entity_answers_in_each_transfer_syntax(depot: ArchiveSite, role: str, row: ContextRow, syntax: str) -> None:
    assert echoed(depot, role, row.uid, syntax) == syntax


@roles
def test_of_several_it_takes_the_one_that_it_prefers(depot: ArchiveSite, role: str) -> None:
    (row,) = TABLE_3
    preference = STORAGE_PREFERENCE if role == "receiver" else OTHER_PREFERENCE
    best = next(it for it in preference if it in row.transfer_syntaxes)
    assert echoed(depot, role, row.uid, *row.transfer_syntaxes) == best


@roles
def test_dcmtk_asks_too(depot: ArchiveSite, role: str) -> None:
    command = ["echoscu", "-pts", "3", "-aec", depot.title(role), "127.0.0.1", str(depot.port(role))]
    assert subprocess.run(command, capture_output=True, timeout=30, check=False).returncode == 0
