"""RPC packs: modules that add procedures to a broker's registry, named on the command line or installed as packages."""

from __future__ import annotations

import functools
import importlib
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from types import ModuleType

from console.errors import ConsoleError
from rpcs import STANDARD, BadProcedure, PackRegistry, Registry

log = logging.getLogger(__name__)

#: The entry-point group by which installed packages name their packs: `name = module` or `name = module:register`.
GROUP = "magbroker.rpc_packs"
#: Where procedures come from that no pack added.
OWN = "magbroker"


class PackError(ConsoleError):
    """A pack cannot be used."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"RPC pack {name}: {why}")


@dataclass(frozen=True, slots=True)
class Procedures:
    """A broker's registry, the packs that were added in their order, and from which of them each procedure comes."""

    registry: Registry
    packs: tuple[str, ...]
    origins: Mapping[str, str]


def load_packs(modules: Iterable[str], *, installed: bool) -> Procedures:
    """Add packs to the standard procedures: the installed ones by name, then the modules. A later one replaces.

    Raises PackError for the first that fails. Which procedures take the place of others the log tells.
    """
    registry = STANDARD.copy()
    origins = {procedure.name: OWN for procedure in registry}
    names = []
    found = sorted(metadata.entry_points(group=GROUP), key=lambda entry: entry.name) if installed else []
    loaders: list[tuple[str, Callable[[], object]]] = [(entry.name, entry.load) for entry in found]
    loaders += [(name, functools.partial(_module, name)) for name in modules]
    for name, load in loaders:
        before = registry.copy()
        own = registry.for_pack()
        _register(own, name, load)
        changed = [it.name for it in own.added.values() if before.get(it.name) is not it]
        for replaced in changed:
            if replaced in origins:
                log.info("RPC pack %s replaces %s of %s", name, replaced, origins[replaced])
        origins |= dict.fromkeys(changed, name)
        names.append(name)
    return Procedures(registry, tuple(names), origins)


def _module(name: str) -> ModuleType:
    """Import a pack that is named on the command line. Raises PackError for a file's name."""
    if name.endswith(".py") or "/" in name:
        raise PackError(name, f"give the module's name, without .py: {Path(name).name.removesuffix('.py')}")
    return importlib.import_module(name)


def _register(registry: PackRegistry, name: str, load: Callable[[], object]) -> None:
    try:
        loaded = load()
    except PackError:
        raise
    except BadProcedure as error:
        raise PackError(name, f"{error}") from error
    except (Exception, SystemExit) as error:  # whatever the pack's module raises while it is imported
        raise PackError(name, f"it cannot be imported ({type(error).__name__}: {error})") from error
    register = getattr(loaded, "register", None) if isinstance(loaded, ModuleType) else loaded
    if not callable(register):
        raise PackError(name, "it has no function register(registry)")
    try:
        register(registry)
    except BadProcedure as error:
        raise PackError(name, f"{error}") from error
    except (Exception, SystemExit) as error:  # whatever the pack's code raises
        raise PackError(name, f"its register(registry) failed ({type(error).__name__}: {error})") from error
