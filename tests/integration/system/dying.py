"""System tasks that die at one of their steps, as a process that is killed there does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pkgutil import resolve_name
from typing import Any

import pytest
from sqlalchemy import event

from taskman import find_option
from tests.integration.system.conftest import Site


class Died(BaseException):
    """The process died here."""


def ends_before(site: Site, option: str, step: int, functions: Sequence[str], changes: tuple[str, ...]) -> bool:
    """Run an option that dies at a step, counted from 1; tell whether it ended before that.

    The steps: each call of some functions, before and after, and each change in the database that begins with one of some words.
    """
    left = step

    def count() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise Died

    def before_change(_connection: Any, _cursor: Any, text: str, *_rest: Any) -> None:
        if text.startswith(changes):
            try:
                count()
            except Died as end:  # the writer's thread lives on; its transaction does not
                raise RuntimeError from end

    with pytest.MonkeyPatch.context() as patch:
        for name in functions:
            patch.setattr(name, _stepping(resolve_name(name), count))
        context = site.begin(option)
        event.listen(site.store._writing, "before_cursor_execute", before_change)
        try:
            find_option(option).body(context)
        except (Died, RuntimeError):
            return False
        finally:
            event.remove(site.store._writing, "before_cursor_execute", before_change)
    return True


def _stepping(function: Callable[..., Any], step: Callable[[], None]) -> Callable[..., Any]:
    def stepping(*arguments: Any) -> Any:
        step()
        result = function(*arguments)
        step()
        return result

    return stepping
