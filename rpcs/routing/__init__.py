"""Routing: rule evaluators, the send queue, its destinations and copies (MAG DICOM ROUTE *, MAGJ ROUTE *)."""

from rpcs.routing import copies, destinations, evaluators, next_file, on_demand, send_queue, serving

__all__ = ["copies", "destinations", "evaluators", "next_file", "on_demand", "send_queue", "serving"]
