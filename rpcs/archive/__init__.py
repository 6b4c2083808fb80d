"""The archive as queries see it: MAGB QUERY and MAGB RETRIEVE, over the index of what has its file in place."""

from rpcs.archive.attributes import ATTRIBUTES, Attribute, Level, Matching
from rpcs.archive.query import query
from rpcs.archive.retrieve import retrieve

__all__ = ["ATTRIBUTES", "Attribute", "Level", "Matching", "query", "retrieve"]
