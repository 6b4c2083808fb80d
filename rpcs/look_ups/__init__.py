"""What gateways look up: images, patients, studies, reports, places, radiology's files; a module per family."""

from rpcs.look_ups import (
    ddr,
    images,
    patients,
    people,
    places,
    queries,
    radiology_lists,
    radiology_orders,
    radiology_reports,
    reports,
    server,
    storage,
    studies,
    study_exchange,
    whitelist,
)

__all__ = [
    "ddr",
    "images",
    "patients",
    "people",
    "places",
    "queries",
    "radiology_lists",
    "radiology_orders",
    "radiology_reports",
    "reports",
    "server",
    "storage",
    "studies",
    "study_exchange",
    "whitelist",
]
