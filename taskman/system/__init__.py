"""The system tasks: what keeps a site in order. Importing this package registers them, with their options."""

from taskman.system import (
    audit,
    checksums,
    database,
    deletions,
    derived_files,
    long_term,
    old_tasks,
    queues,
    recalls,
    releases,
    requeue,
    routed_copies,
    statistics,
)

__all__ = [
    "audit",
    "checksums",
    "database",
    "deletions",
    "derived_files",
    "long_term",
    "old_tasks",
    "queues",
    "recalls",
    "releases",
    "requeue",
    "routed_copies",
    "statistics",
]
