"""Text files that a person names on the command line."""

from __future__ import annotations

from pathlib import Path

from console.errors import WrongUsage


def text_of(file: Path, what: str) -> str:
    """Read a file whole; `what` is what it holds. Raises WrongUsage where it is not there, or is no UTF-8 text."""
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise WrongUsage(f"{file} does not exist: name the file that holds the {what}.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise WrongUsage(f"{file} cannot be read as text: {error}") from None
