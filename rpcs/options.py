"""OPTION (#19): menus, what stands below them, and the procedures that an option opens as a context (`^XQCS`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

#: The menu whose items every user may use.
COMMON_MENU = "XUCOMMAND"
EVERY_RPC = "*"

_DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")


@dataclass(frozen=True, slots=True)
class OptionData:
    """One option. `rpcs` gives the procedures registered to it, each with the key that it wants ("" for none).

    `parts` are the broker-type options below it, whose procedures and restrictions count as its own.
    """

    name: str
    type: str = "B"
    lock: str = ""
    reverse_lock: str = ""
    out_of_order: str = ""
    prohibited_times: str = ""
    rpcs: Mapping[str, str] = field(default_factory=dict)
    items: tuple[str, ...] = ()
    parts: tuple[OptionData, ...] = ()

    def key_of(self, rpc: str) -> str | None:
        """Give the key that a procedure wants here, "" when it wants none, None when it is not registered."""
        for option in (self, *self.parts):
            for name in (rpc, EVERY_RPC):
                if name in option.rpcs:
                    return option.rpcs[name]
        return None


def with_broker_items(options: Iterable[OptionData]) -> dict[str, OptionData]:
    """Give options by name, each with the broker-type options below it (OPTLK^XQCS); a circle of menus does no harm."""
    found = {option.name: option for option in options}

    def parts(name: str, seen: set[str]) -> list[OptionData]:
        below = []
        for item in found[name].items:
            if item in found and item not in seen and found[item].type == "B":
                seen.add(item)
                below += [found[item], *parts(item, seen)]
        return below

    return {name: replace(option, parts=tuple(parts(name, {name}))) if option.items else option for name, option in found.items()}


def reach(options: Mapping[str, OptionData], menus: Iterable[str]) -> frozenset[str]:
    """Give some menus and everything below them, at any depth and of any type."""
    reached: set[str] = set()
    waiting = list(menus)
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += options[name].items if name in options else ()
    return frozenset(reached)


def prohibited(times: str, now: datetime) -> str:
    """Give the range of prohibited times that it is now, such as `0800-1630`; "" when none is (`PROHIBIT^XUS1A`).

    `times` is a list of ranges, each with its days before it or for every day: `MO-FR@0800-1630,2200-0500`. A range
    over midnight belongs to the day on which it begins, and the minutes of its ends are not in it.
    """
    clock = now.hour * 100 + now.minute
    for part in times.split(",") if times else ():
        days, _, hours = part.rpartition("@")
        begin, _, end = hours.partition("-")
        over_midnight = int(end) < int(begin)
        today, yesterday = _on(days, now.weekday()), _on(days, (now.weekday() - 1) % 7)
        if over_midnight:
            inside = (clock > int(begin) and today) or (clock < int(end) and yesterday)
        else:
            inside = int(begin) <= clock <= int(end) and today
        if inside:
            return hours
    return ""


def _on(days: str, weekday: int) -> bool:
    """Tell whether a weekday, 0 for Monday, lies in `FR`, `MO-FR` or, over the week's end, `SA-MO`."""
    if not days:
        return True
    first, _, last = days.partition("-")
    begin, end = _DAYS.index(first), _DAYS.index(last or first)
    return begin <= weekday <= end if begin <= end else weekday >= begin or weekday <= end
