"""What feeds say of the worklist: orders in HL7, and tables."""

from __future__ import annotations

import contextlib

from rpcs.worklist import TableError, read_table
from rpcs.worklist.hl7_fields import OrderError
from rpcs.worklist.orders import read_orders
from tests.unit.rpcs.test_orders import OMI, ORM
from tests.unit.rpcs.test_worklist_tables import HEADER, LINE

ORDERS = (ORM.encode(), OMI.encode(), ORM.replace("ORC|NW", "ORC|CA").encode())
TABLES = (
    (HEADER + LINE).encode(),
    (HEADER + 'T1,,P1,"DOE^JANE",CT,2026-11-24,10:30,CT1\\CT2\n\nT2,S2,P2,ROE,MR,20261125\n').replace(",", ";").encode(),
    b"accession,patient_id,patient_name,modality,start_date,location,service,weight,allergies\nT1,P1,N,CT,20261124,660,CON,80,A\\B\n",
)


def orders(data: bytes) -> None:
    """Read the orders of a message: each that is read has a number and a patient."""
    with contextlib.suppress(OrderError):
        for one in read_orders(data.decode("utf-8", "replace")):
            assert one.order.known, "an order that nobody can name"
            assert one.given["patient_id"], "an order for nobody"


def tables(data: bytes) -> None:
    """Read a table: each step that is read has what no step is without, and an error names a line of the file."""
    text = data.decode("utf-8", "replace")
    rows, line = [], 1
    try:
        rows = read_table(text)
    except TableError as error:
        line = error.line
    assert 1 <= line <= 1 + text.count("\n") + text.count("\r")
    for row in rows:
        assert row.values["accession"], "a step without an accession number"
        assert row.values["step_id"], "a step without an ID"
