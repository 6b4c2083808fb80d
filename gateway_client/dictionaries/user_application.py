"""SCU_LIST.DIC: the applications that a gateway speaks to, providers and users (Installation Guide B.4.5, file #2006.585)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from gateway_client.dictionaries.entries import (
    BadEntry,
    Entry,
    Line,
    Problem,
    check_ae_title,
    check_characters,
    check_count,
    check_given,
    check_port,
    check_unique,
    raise_any,
)

FILE = "SCU_LIST.DIC"
_FIELDS = "application|called AE title|calling AE title|host|port|GE, KODAK or nothing|priority|STORE, WORKLIST or nothing"
KINDS = ("", "GE", "KODAK")
USES = ("", "STORE", "WORKLIST")
NORMAL_PRIORITY = 500
#: The services of role records; the manual prints C-Store as S-Store.
SERVICES = {"C-FIND": "C-FIND", "C-MOVE": "C-MOVE", "C-GET": "C-GET", "C-STORE": "C-STORE", "S-STORE": "C-STORE"}
_YES_NO = {"Y": True, "YES": True, "N": False, "NO": False}


@dataclass(frozen=True, slots=True)
class Context:
    """A presentation context: the name of a SOP class, and of its transfer syntaxes."""

    sop_class: str
    transfer_syntaxes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ServiceRole:
    """In which roles a query and retrieve device has a service."""

    service: str
    user: bool
    provider: bool


@dataclass(frozen=True, slots=True)
class UserApplication:
    """One application: a provider record with what follows it."""

    name: str
    called_ae_title: str
    calling_ae_title: str
    host: str
    port: int
    kind: str = ""
    priority: int = NORMAL_PRIORITY
    use: str = ""
    contexts: tuple[Context, ...] = ()
    roles: tuple[ServiceRole, ...] = ()

    @property
    def lines(self) -> Iterator[tuple[str, ...]]:
        """Give the fields of its lines."""
        name, called, calling = self.name, self.called_ae_title, self.calling_ae_title
        yield name, called, calling, self.host, str(self.port), self.kind, str(self.priority), self.use
        for context in self.contexts:
            first, *others = context.transfer_syntaxes
            yield "", context.sop_class, first
            for syntax in others:
                yield "", "", syntax
        for role in self.roles:
            yield f"~{role.service}", "Y" if role.user else "N", "Y" if role.provider else "N"


def parse_provider(fields: Sequence[str]) -> UserApplication:
    """Read a provider record. Raises BadEntry."""
    name, called, calling, host, port, kind, priority, use = check_count(fields, 5, 8, _FIELDS)
    if kind.upper() not in KINDS:
        raise BadEntry(f"{kind!r} is no type of PACS; write GE, KODAK or nothing.")
    if use.upper() not in USES:
        raise BadEntry(f"{use!r} is no use; write STORE, WORKLIST or nothing.")
    if priority and not (priority.isascii() and priority.lstrip("-").isdecimal() and len(priority) <= 10):
        raise BadEntry(f"{priority!r} is no priority; write a whole number, or nothing for {NORMAL_PRIORITY}.")
    return UserApplication(
        name,
        check_ae_title(called, "called AE title"),
        check_ae_title(calling, "calling AE title"),
        check_given(host, "host"),
        check_port(port),
        kind.upper(),
        int(priority) if priority else NORMAL_PRIORITY,
        use.upper(),
    )


def parse_role(fields: Sequence[str]) -> ServiceRole:
    """Read a role record, its tilde taken off. Raises BadEntry."""
    service, user, provider = check_count(fields, 3, 3, "~service|user Y or N|provider Y or N")
    if service.upper() not in SERVICES:
        raise BadEntry(f"{service!r} is no service of a role; write C-FIND, C-MOVE, C-GET or C-STORE.")
    for text in (user, provider):
        if text.upper() not in _YES_NO:
            raise BadEntry(f"{text!r} does not say whether there is the role; write Y or N.")
    return ServiceRole(SERVICES[service.upper()], _YES_NO[user.upper()], _YES_NO[provider.upper()])


class _Reading:
    """An application whose records are being read."""

    def __init__(self, where: str, application: UserApplication) -> None:
        self.where = where
        self.application = application
        self.contexts: list[tuple[str, list[str]]] = []
        self.roles: list[ServiceRole] = []

    def add(self, fields: Sequence[str]) -> None:
        """Take a record that follows. Raises BadEntry."""
        if fields[0].startswith("~"):
            self.roles.append(parse_role((fields[0][1:].strip(), *fields[1:])))
            return
        _, name, syntax = check_count(fields, 3, 3, "|SOP class|transfer syntax, or ||transfer syntax")
        check_given(syntax, "transfer syntax")
        if name:
            self.contexts.append((name, [syntax]))
        elif self.contexts:
            self.contexts[-1][1].append(syntax)
        else:
            raise BadEntry("a transfer syntax stands before any SOP class; write |SOP class|transfer syntax first.")

    def entry(self) -> Entry[UserApplication]:
        """Give what was read."""
        contexts = tuple(Context(name, tuple(syntaxes)) for name, syntaxes in self.contexts)
        return Entry(self.where, replace(self.application, contexts=contexts, roles=tuple(self.roles)))


def read_user_applications(lines: Iterable[Line]) -> list[Entry[UserApplication]]:
    """Read lines: provider records, each with its services, transfer syntaxes and roles. Raises DictionaryError."""
    found: list[_Reading] = []
    problems: list[Problem] = []
    for line in lines:
        try:
            check_characters(line.fields)
            if line.fields[0] and not line.fields[0].startswith("~"):
                found.append(_Reading(line.where, parse_provider(line.fields)))
            elif found:
                found[-1].add(line.fields)
            elif not problems:
                raise BadEntry("the record belongs to no application; write its provider record before it.")
        except BadEntry as error:
            problems.append(Problem(line.where, str(error)))
    raise_any(problems)
    return [reading.entry() for reading in found]


def check_user_applications(entries: Sequence[Entry[UserApplication]]) -> None:
    """See to it that each application stands once. Raises DictionaryError."""
    raise_any(check_unique(entries, lambda application: application.name, "application"))
