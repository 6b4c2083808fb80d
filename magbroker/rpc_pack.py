"""Remote procedures of your own: a module with `register(registry)`, given to `magbroker broker --rpc-pack MODULE`.

Every procedure is a function of a `Call`, declared with `@procedure(NAME, returns=..., access=..., registry=registry)`.
"""

from rpcs import Access, Answer, Call, Inactive, MError, Registry, Session, procedure
from xwb import LocalArray, ResultType

__all__ = ["Access", "Answer", "Call", "Inactive", "LocalArray", "MError", "Registry", "ResultType", "Session", "procedure"]
