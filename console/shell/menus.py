"""The options there are: every action below a menu of its family, and what the shell does itself. Nothing here does I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from console.shell.answers import fitting
from rpcs.actions import ACTIONS, Action

PREFIX = "MAGB "
#: The menu of an action by the first word of its name; a family that is not here has a menu of that word.
_MENUS = {
    "EXPORT": "Queues",
    "QUEUE": "Queues",
    "CORRECT": "Corrections",
    "TASK": "Tasks",
    "IMAGE": "Images",
    "PATIENT": "Patients",
    "USER": "Users",
    "KEY": "Users",
    "CONTEXT": "Users",
    "SESSION": "Users",
    "ADDRESS": "Users",
    "TOKEN": "Users",
    "DESTINATION": "Places",
    "INSTITUTION": "Places",
    "LOCATION": "Places",
    "PLACE": "Places",
    "SITE": "Site",
    "STATUS": "Site",
    "AUDIT": "Site",
    "FAULT": "Site",
}
SHELL = "Shell"


@dataclass(frozen=True, slots=True)
class Option:
    """Something that can be chosen and run; what the shell does itself has no action."""

    name: str
    menu: str
    about: str
    action: Action | None = None

    @property
    def brief(self) -> str:
        """What it does, in a line."""
        return self.about.split("\n")[0]


@dataclass(frozen=True, slots=True)
class Menus:
    """Every option by its name, and those of each menu."""

    options: Mapping[str, Option]

    @property
    def menus(self) -> list[str]:
        """The names of the menus, the shell's own last."""
        return sorted({it.menu for it in self.options.values()}, key=lambda name: (name == SHELL, name))

    def names(self, menu: str = "") -> list[str]:
        """Give the names of a menu's options; without one those of the menus, then of all options."""
        if menu:
            return sorted(it.name for it in self.options.values() if it.menu == menu)
        return [*self.menus, *sorted(self.options)]

    def fitting(self, text: str, menu: str = "") -> list[str]:
        """Give the names that a text may stand for: among the options of a menu, and of all where none of these fits.

        An option wins over a menu that is called the same.
        """
        found = (menu and fitting(text, self.names(menu))) or fitting(text, self.names())
        same = [name for name in found if name in self.options and name.upper() == " ".join(text.upper().split())]
        return same or found


def menus_of(commands: Mapping[str, str], actions: Iterable[Action] = ACTIONS.values()) -> Menus:
    """Lay the menus: of actions, and of what the shell does itself, told by name."""
    found = {name: Option(name, SHELL, about) for name, about in commands.items()}
    for action in actions:
        name = action.name.removeprefix(PREFIX)
        found.setdefault(name, Option(name, _menu_of(name), action.about, action))
    return Menus(found)


def _menu_of(name: str) -> str:
    first = name.split()[0]
    return _MENUS.get(first, first.capitalize())
