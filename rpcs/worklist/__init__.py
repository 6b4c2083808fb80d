"""The worklist: asked for by gateways, fed by HL7 and CSV, and what modalities tell of the steps that they perform."""

from rpcs.worklist import mpps, query
from rpcs.worklist.feeding import take_message
from rpcs.worklist.tables import TableError, TableRow, read_table

__all__ = ["TableError", "TableRow", "mpps", "query", "read_table", "take_message"]
