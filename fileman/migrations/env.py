"""Alembic's entry: migrations run on the connection that `fileman.migrate` hands over."""

from __future__ import annotations

from alembic import context

import fileman.numbers
from fileman.files import File

assert fileman.numbers.FIRST_NUMBER  # the import declares the sequences

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=File.metadata,
    render_as_batch=True,
)
context.run_migrations()
