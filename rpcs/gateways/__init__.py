"""Gateways at the server: registration, where they send to and under which titles, messages for them, and their statistics."""

from rpcs.gateways import (
    ae_titles,
    checksums,
    correct_counts,
    destinations,
    image_counts,
    machines,
    text_counts,
    text_processing,
)

__all__ = [
    "ae_titles",
    "checksums",
    "correct_counts",
    "destinations",
    "image_counts",
    "machines",
    "text_counts",
    "text_processing",
]
