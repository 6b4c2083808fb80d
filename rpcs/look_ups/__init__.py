"""What gateways look up: images, patients, studies, reports, places, radiology's files; a module per family."""

from rpcs.look_ups import (
    images,
    patients,
    people,
    places,
    queries,
    radiology_lists,
    radiology_orders,
    reports,
    server,
    storage,
    studies,
    whitelist,
)

__all__ = [
    "images",
    "patients",
    "people",
    "places",
    "queries",
    "radiology_lists",
    "radiology_orders",
    "reports",
    "server",
    "storage",
    "studies",
    "whitelist",
]
