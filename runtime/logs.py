"""Logs: the standard library's loggers, rendered by structlog for people or for machines."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import structlog
from structlog.typing import Processor

from runtime.errors import SettingsError

#: Libraries that say at INFO what nobody asked for.
NOISY = ("alembic", "asyncio", "dbos", "pydicom", "sqlalchemy.engine")


def set_up_logs(level: str = "INFO", style: str = "console", file: Path | None = None) -> None:
    """Send every logger to standard error or to the end of a file, as lines for people (`console`) or JSON (`json`).

    Values given as `extra` become fields; so do those of structlog's own loggers. Calling it again replaces what was set.
    Raises SettingsError when the file cannot be written.
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=False),
    ]
    colors = file is None and sys.stderr.isatty()
    styles: dict[str, list[Processor]] = {
        "console": [structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=structlog.dev.plain_traceback)],
        "json": [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(default=str)],
    }
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *styles[style]],
    )
    try:
        handler = logging.StreamHandler(sys.stderr) if file is None else logging.FileHandler(file, encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"The log file {file} cannot be written: {error.strerror}.") from error
    handler.setFormatter(formatter)
    root = logging.getLogger()
    for old in root.handlers:
        old.close()
    root.handlers = [handler]
    root.setLevel(level)
    for noisy in NOISY:
        logging.getLogger(noisy).setLevel(max(logging.WARNING, root.level))
    structlog.configure(
        processors=[
            structlog.stdlib.PositionalArgumentsFormatter(),
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
