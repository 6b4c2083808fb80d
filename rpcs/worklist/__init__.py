"""The worklist: asked for by gateways, fed by HL7 and CSV, and what modalities tell of the steps that they perform."""

from rpcs.worklist import query

__all__ = ["query"]
