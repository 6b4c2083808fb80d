"""REMOTE PROCEDURE (#8994) in code: every procedure that this broker knows, and how it is run."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

from rpcs.errors import BadProcedure
from rpcs.session import Effect
from xwb import LocalArray, ResultType

if TYPE_CHECKING:
    from rpcs.call import Call

#: Characters of a name: `[XWB]` gives its length one byte.
NAME_LIMIT = 255

Value = str | list[str] | LocalArray[str]


class Access(Enum):
    """What a procedure does with the database, and so where it runs.

    NOTHING is the same for every site and session; SESSION needs only the session and the site data; READS looks things up
    at once; SCANS reads long lists on a thread of the read pool; WRITES runs whole, its reads included, in one
    transaction, and is answered after the commit.
    """

    NOTHING = "nothing"
    SESSION = "session"
    READS = "reads"
    SCANS = "scans"
    WRITES = "writes"


class Inactive(Enum):
    """INACTIVE (#8994, .06): who may not run the procedure."""

    ACTIVE = 0
    INACTIVE = 1
    LOCAL_INACTIVE = 2
    REMOTE_INACTIVE = 3


class ParameterKind(Enum):
    """PARAMETER TYPE (#8994.02, .02)."""

    LITERAL = 1
    LIST = 2
    WORD_PROCESSING = 3
    REFERENCE = 4


class Availability(Enum):
    """AVAILABILITY (#8994, .05)."""

    PUBLIC = "P"
    SUBSCRIPTION = "S"
    AGREEMENT = "A"
    RESTRICTED = "R"


@dataclass(frozen=True, slots=True)
class InputParameter:
    """INPUT PARAMETER (#8994.02): what a caller gives. `length` is its most characters, 0 for what the file leaves open.

    As in VistA, length, kind and `required` document the procedure; no call is refused for them. `formal` is the routine's
    own name for it, which M errors quote, where that is another one. `sequence` is the file's SEQUENCE NUMBER where that is
    not the parameter's place in its list.
    """

    name: str
    length: int = 0
    required: bool = False
    kind: ParameterKind = ParameterKind.LITERAL
    formal: str = ""
    sequence: int = 0


def literal(name: str, length: int = 0, *, required: bool = False, formal: str = "", sequence: int = 0) -> InputParameter:
    """Declare a parameter of one value."""
    return InputParameter(name, length, required, ParameterKind.LITERAL, formal, sequence)


def listed(name: str, length: int = 0, *, required: bool = False, formal: str = "", sequence: int = 0) -> InputParameter:
    """Declare a parameter that is a list."""
    return InputParameter(name, length, required, ParameterKind.LIST, formal, sequence)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a procedure gives back: its value, error texts for the two segments, effects for the broker to perform.

    `returns` and `word_wrap` change the procedure's own for this answer ($$RTRNFMT^XWBLIB).
    """

    value: Value = ""
    security: str = ""
    application: str = ""
    effects: tuple[Effect, ...] = ()
    returns: ResultType | None = None
    word_wrap: bool | None = None


Handler = Callable[["Call"], Answer | Value]
Preparation = Callable[["Call"], object]


@dataclass(frozen=True, slots=True)
class Procedure:
    """One remote procedure.

    `parameters` are its input parameters in their sequence; a bare name is a literal of any length. `formals` are the local
    variables that the routine takes, for a file that tells of others; more arguments in a call than there are of these is an
    M error. `availability` and `client_manager` are fields .05 and .08 of file 8994. `prepare` is slow,
    pure work (a password hash) that runs on a thread before the handler, which finds its result in `call.prepared`.
    `version` is what XWB IS RPC AVAILABLE compares. `unavailable` is answered while the database is away, where a caller
    understands that; otherwise it is an M error.
    """

    name: str
    handler: Handler
    returns: ResultType
    access: Access
    routine: str
    parameters: tuple[InputParameter, ...] = ()
    word_wrap: bool = True
    inactive: Inactive = Inactive.ACTIVE
    prepare: Preparation | None = None
    version: float = 0.0
    unavailable: str = ""
    availability: Availability = Availability.RESTRICTED
    client_manager: bool = False
    formals: tuple[str, ...] = ()

    @property
    def variables(self) -> tuple[str, ...]:
        """The routine's local variables, in which a call's arguments stand by their position."""
        return self.formals or tuple(parameter.formal or parameter.name for parameter in self.parameters)

    @property
    def closed(self) -> bool:
        """Whether nobody may run it here: it is inactive, or there for other sites only."""
        return self.inactive in (Inactive.INACTIVE, Inactive.LOCAL_INACTIVE)

    @property
    def description(self) -> str:
        """The handler's docstring: the one home of what the procedure promises."""
        return (self.handler.__doc__ or "").strip()


@dataclass(slots=True)
class Registry:
    """Procedures by name. Names are case-sensitive, as in VistA's "B" index."""

    _procedures: dict[str, Procedure] = field(default_factory=dict)

    def add(self, procedure: Procedure) -> None:
        """Register a procedure; one of the same name is replaced, so that a pack may stand in for ours.

        Raises BadProcedure for one that could not be run.
        """
        if why := _mistake(procedure):
            raise BadProcedure(procedure.name, why)
        self._procedures[procedure.name] = procedure

    def get(self, name: str) -> Procedure | None:
        """Look a procedure up."""
        return self._procedures.get(name)

    def __contains__(self, name: object) -> bool:
        return name in self._procedures

    def __iter__(self) -> Iterator[Procedure]:
        return iter(self._procedures[name] for name in sorted(self._procedures))

    def __len__(self) -> int:
        return len(self._procedures)

    def copy(self) -> Registry:
        """Make a registry of its own for one broker, to which a pack may add."""
        return Registry(dict(self._procedures))

    def for_pack(self) -> PackRegistry:
        """Give this registry as one pack is to see it; what the pack adds stands here."""
        return PackRegistry(self._procedures)


@dataclass(slots=True)
class PackRegistry(Registry):
    """The registry while one pack adds to it: what others declared is replaced, two of its own by one name are a mistake."""

    added: dict[str, Procedure] = field(default_factory=dict)

    def add(self, procedure: Procedure) -> None:
        """Register a procedure of the pack. Raises BadProcedure for a second one of the same name."""
        if self.added.get(procedure.name, procedure) is not procedure:
            raise BadProcedure(procedure.name, "the pack declares it twice; give one of the two another name")
        Registry.add(self, procedure)
        self.added[procedure.name] = procedure


#: What a declaration names by an enumeration, and an example of how.
_CHOICES = (
    ("returns", ResultType, "ResultType.ARRAY"),
    ("access", Access, "Access.SESSION"),
    ("inactive", Inactive, "Inactive.INACTIVE"),
    ("availability", Availability, "Availability.PUBLIC"),
)


def _mistake(procedure: Procedure) -> str:
    """Say what is wrong with a declaration and what to do; empty when nothing is."""
    name: object = procedure.name
    if not isinstance(name, str) or not 0 < len(name) <= NAME_LIMIT or max(name) > "\xff":
        return f"a name has 1 to {NAME_LIMIT} characters of ISO-8859-1"
    for argument, kind, example in _CHOICES:
        if not isinstance(given := getattr(procedure, argument), kind):
            return f"{argument}={given!r} is no {kind.__name__}; write for example {argument}={example}"
    parameters: object = procedure.parameters
    if not isinstance(parameters, tuple) or not all(isinstance(parameter, InputParameter) for parameter in parameters):
        return f'parameters={parameters!r} is no tuple of names; write for example parameters=("PATIENT",)'
    return _handler_mistake(procedure.handler)


def _handler_mistake(handler: object) -> str:
    if not callable(handler):
        return f"{handler!r} is no function"
    tag = getattr(handler, "__name__", "the function")
    if inspect.iscoroutinefunction(handler) or inspect.isgeneratorfunction(handler) or inspect.isasyncgenfunction(handler):
        return f"{tag} has to return its value at once: without async, and without yield"
    try:
        inspect.signature(handler).bind(None)
    except ValueError:  # a function of C tells nothing of its arguments
        return ""
    except TypeError as error:
        return f"{tag} is called with the call alone ({error}); write def {tag}(call)"
    return ""


def _declared(parameters: object) -> Any:
    """Make input parameters of bare names; what is neither is left to be refused."""
    if not isinstance(parameters, tuple | list):
        return parameters
    return tuple(literal(it) if isinstance(it, str) else it for it in parameters)


#: What every broker starts from.
STANDARD = Registry()


def standard() -> Registry:
    """Give the standard registry with every procedure in it."""
    from rpcs.standard import STANDARD as EVERY  # which imports them all

    return EVERY


def procedure(
    name: str,
    *,
    returns: ResultType = ResultType.SINGLE_VALUE,
    access: Access,
    routine: str,
    parameters: tuple[str | InputParameter, ...] = (),
    word_wrap: bool = True,
    inactive: Inactive = Inactive.ACTIVE,
    prepare: Preparation | None = None,
    version: float = 0.0,
    unavailable: str = "",
    availability: Availability = Availability.RESTRICTED,
    client_manager: bool = False,
    formals: tuple[str, ...] = (),
    registry: Registry = STANDARD,
) -> Callable[[Handler], Handler]:
    """Register the decorated function as a remote procedure; see `Procedure` for the arguments.

    Raises BadProcedure for a second one of a name among ours: only one of the two would ever be called.
    """

    def register(handler: Handler) -> Handler:
        made = Procedure(
            name,
            handler,
            returns,
            access,
            routine,
            _declared(parameters),
            word_wrap,
            inactive,
            prepare,
            version,
            unavailable,
            availability,
            client_manager,
            formals,
        )
        if registry is STANDARD and name in registry:
            raise BadProcedure(name, "it is declared twice; only one of the two would ever be called")
        registry.add(made)
        return handler

    return register
