"""A pack: procedures of a user's own, declared where they are written and added to a broker's registry when it starts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from rpcs.registry import Access, Availability, Handler, Inactive, InputParameter, PackRegistry, Registry, procedure
from xwb import ResultType


@dataclass(frozen=True, slots=True)
class Pack:
    """The procedures of one package; `routine` is the M routine that they pretend to be entry points of.

    A module is a pack for `--rpc-pack` when it has `register = pack.register`.
    """

    routine: str
    procedures: Registry = field(default_factory=PackRegistry)

    def procedure(
        self,
        name: str,
        *,
        returns: ResultType = ResultType.SINGLE_VALUE,
        access: Access = Access.SESSION,
        parameters: tuple[str | InputParameter, ...] = (),
        word_wrap: bool = True,
        inactive: Inactive = Inactive.ACTIVE,
        version: float = 0.0,
        availability: Availability = Availability.RESTRICTED,
    ) -> Callable[[Handler], Handler]:
        """Declare the decorated function as a remote procedure; its tag in the routine is the function's name.

        A parameter is a bare name, or tells more with `literal` and `listed`.
        Raises BadProcedure for what could not be run, and for a name that the pack has already.
        """

        def declare(handler: Handler) -> Handler:
            tag = getattr(handler, "__name__", "CALL").upper().replace("_", "")
            return procedure(
                name,
                returns=returns,
                access=access,
                routine=f"{tag}^{self.routine}",
                parameters=parameters,
                word_wrap=word_wrap,
                inactive=inactive,
                version=version,
                availability=availability,
                registry=self.procedures,
            )(handler)

        return declare

    def register(self, registry: Registry) -> None:
        """Add the procedures to a broker's registry; those of the same name there are replaced."""
        for declared in self.procedures:
            registry.add(declared)
