"""Families of actions that list, show, add, change and remove entries of the site: one function each, and a table of families."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal, get_args, get_origin

from fileman import BadEntry, EntryKind, entries, hold_entries, next_number, put_entry, read_entry, remove_entry
from rpcs.actions import parameters as takes
from rpcs.actions.action import Act, action
from rpcs.actions.errors import BadRequest, NotFound, RefusedAction
from rpcs.actions.parameters import Parameter
from runtime import other_names

#: Entries of one list.
MOST_LISTED = 500

Entry = dict[str, Any]


def _fits(_act: Act, _given: Entry, _whole: Entry) -> str:
    return ""


def _nothing(_act: Act, _entry: Entry) -> str:
    return ""


def _no_more(_act: Act, _entry: Entry) -> Entry:
    return {}


def _as_given(_act: Act, _before: Entry, facts: Entry) -> Entry:
    return facts


@dataclass(frozen=True, slots=True)
class Filter:
    """What a list can be cut down to: `fits` tells of what was asked and of an entry whether it is wanted."""

    parameter: Parameter
    fits: Callable[[Act, str, Entry], bool]


@dataclass(frozen=True, slots=True)
class Family:
    """A kind of entry as administrators know it.

    `noun` is the second word of its actions, `thing` what an entry is called. `fields` are those that may be given, each with
    what it says; `listed` the columns of the list. `unfit` says of what was given, and of the whole entry with it, why that
    cannot be; `needed` why an entry cannot be removed. Both are empty where it can; without `needed` none can be removed.
    `more` is what is shown of an entry besides its fields, `warns` what is said of new fields that are odd and kept. `amends` are
    parameters of EDIT that are no fields: `amended` makes fields of them.
    """

    noun: str
    thing: str
    kind: EntryKind
    key: str
    fields: Mapping[str, str]
    listed: tuple[str, ...]
    looks: str = ""
    unfit: Callable[[Act, Entry, Entry], str] = _fits
    needed: Callable[[Act, Entry], str] | None = _nothing
    filters: tuple[Filter, ...] = ()
    more: Callable[[Act, Entry], Entry] = _no_more
    warns: Callable[[Act, Entry, Entry], str] = _fits
    amends: tuple[Parameter, ...] = ()
    amended: Callable[[Act, Entry, Entry], Entry] = _as_given

    @property
    def one(self) -> str:
        """What an entry is called, behind its article."""
        return f"{'an' if self.thing[0] in 'aeio' else 'a'} {self.thing}"

    @property
    def number(self) -> Parameter:
        """The parameter that names an entry."""
        if self.kind.number == "name":
            return takes.text("NAME", f"The {self.thing}'s name.", required=True)
        return takes.number(self.kind.number.upper(), f"The {self.thing}'s number.", required=True)

    def named(self, entry: Entry) -> str:
        """Name an entry, for the audit."""
        return f"{self.thing} {entry.get('name') or entry[self.kind.number]}"

    def given(self, act: Act) -> object:
        """Give the number, or name, of the entry that is meant."""
        return act.text("NAME") if self.kind.number == "name" else act.number(self.number.name)

    def ordered(self, act: Act) -> list[Entry]:
        """Give the entries in the order that is asked for, those behind AFTER. Raises BadRequest when that one is not there."""
        place = _by(act.text("SORT"), self.kind.number)
        rows = sorted(entries(act.connection, self.kind), key=place, reverse=act.flag("DESCENDING"))
        after = act.text("AFTER")
        if after in ("", "0"):
            return rows
        for number, entry in enumerate(rows, 1):
            if str(entry[self.kind.number]) == after:
                return rows[number:]
        raise BadRequest(f"There is no {self.thing} {after[:60]} to go on behind any more; begin anew.")

    def find(self, act: Act) -> Entry:
        """Give the entry that is meant. Raises NotFound."""
        return self.find_by(act, self.given(act))

    def find_by(self, act: Act, number: object) -> Entry:
        """Give the entry of a number, or name. Raises NotFound."""
        entry = read_entry(act.connection, self.kind, number)
        if entry is None:
            names = [str(it[self.kind.number]) for it in islice(entries(act.connection, self.kind), MOST_LISTED)]
            raise NotFound(f"There is no {self.thing} {str(number)[:60]}.{other_names(str(number), names)}")
        return entry

    def put(self, act: Act, facts: Entry, before: Entry | None) -> Entry:
        """Write an entry and note what was changed. Raises BadRequest and RefusedAction."""
        if why := self.unfit(act, facts, {**(before or {}), **facts}):
            raise BadRequest(why)
        made = self.write(act, facts)
        act.changed(self.named(made), before, made)
        warning = self.warns(act, before or {}, facts)
        return {**made, "warning": warning} if warning else made

    def write(self, act: Act, facts: Entry) -> Entry:
        """Write an entry, and nothing more. Raises BadRequest."""
        try:
            return put_entry(act.connection, self.kind, facts, act.site_key, act.clock.now())
        except BadEntry as error:
            raise BadRequest(str(error)) from error

    def facts(self, act: Act) -> Entry:
        """Give the fields that were given, as the site file has them. Raises BadRequest."""
        model = self.kind.model.model_fields
        return {
            name: _typed(name, model[name].annotation, act.text(_word(name))) for name in self.fields if act.given(_word(name))
        }

    def parameters(self, *, needed: bool) -> list[Parameter]:
        """Declare the fields; with `needed` those that an entry cannot do without have to be given."""
        return [self._parameter(name, about, needed=needed) for name, about in self.fields.items()]

    def _parameter(self, name: str, about: str, *, needed: bool) -> Parameter:
        field = self.kind.model.model_fields[name]
        required = needed and field.is_required()
        inner = _without_none(field.annotation)
        if inner is bool:
            return takes.flag(_word(name), about)
        if get_origin(inner) is Literal:
            return takes.choice(_word(name), about, [it for it in get_args(inner) if it], required=required)
        if inner is int and field.is_required():
            return takes.number(_word(name), about, required=required, least=0, most=2**31 - 1)
        return takes.text(_word(name), about, required=required, secret=name in self.kind.secrets)


def _word(field: str) -> str:
    """Give a field's name as a parameter has it."""
    return field.upper().replace("_", " ")


def _without_none(annotation: Any) -> Any:
    parts = [it for it in get_args(annotation) if it is not type(None)]
    return parts[0] if type(None) in get_args(annotation) and len(parts) == 1 else annotation


def _typed(name: str, annotation: Any, text: str) -> object:
    """Read a field as the site file has it; a list's items are parted by commas. Raises BadRequest."""
    inner = _without_none(annotation)
    if inner is bool:
        return text == "1"
    if inner is int:
        return None if not text else _whole(name, text)
    if get_origin(inner) is tuple:
        items = [item.strip() for item in text.split(",") if item.strip()]
        return [_whole(name, item) for item in items] if get_args(inner)[0] is int else items
    if get_origin(inner) is dict:
        return _object(name, text)
    return text


def _whole(name: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise BadRequest(f"{_word(name)} is a whole number, not {text[:20]!r}.") from None


def _object(name: str, text: str) -> object:
    try:
        return json.loads(text or "{}")
    except (ValueError, RecursionError):
        raise BadRequest(f"{_word(name)} is to be a JSON object.") from None


def _by(name: str, number: str) -> Callable[[Entry], Any]:
    """Sort by a column, what has no value first, texts whatever their case; entries of one value by their numbers."""

    def place(entry: Entry) -> tuple[bool, str, Any, Any]:
        value = entry.get(name)
        if isinstance(value, int):
            return True, "", value, entry[number]
        return value not in (None, ""), str(value).casefold(), 0, entry[number]

    return place


def entry_actions(family: Family) -> None:
    """Register the actions of a family."""
    noun, thing, one = family.noun, family.thing, family.one
    number_key = family.kind.number

    def entry_list(act: Act) -> dict[str, Any]:
        most = act.number("LIMIT")
        wanted = act.text("NAME").casefold()
        rows = family.ordered(act)
        asked = [(it.fits, text) for it in family.filters if (text := act.text(it.parameter.name))]
        fit = (
            it
            for it in rows
            if str(it.get("name", "")).casefold().startswith(wanted) and all(fits(act, text, it) for fits, text in asked)
        )
        found = list(islice(fit, most + 1))
        page = [{name: it.get(name) for name in family.listed} for it in found[:most]]
        return {"entries": page, "next": found[most - 1][number_key] if len(found) > most else None}

    entry_list.__doc__ = f"List {thing}s, those whose name begins with NAME; behind AFTER, LIMIT at most."
    after = takes.text("AFTER", "Behind this name: what a page gave as `next`.") if number_key == "name" else takes.after()
    name = takes.text("NAME", "Only those whose name begins like this.")
    besides = [it.parameter for it in family.filters]
    order = takes.choice("SORT", "By which column it is sorted.", family.listed, default=number_key)
    page = (order, takes.flag("DESCENDING", "Sort the other way round."), after, takes.limit(MOST_LISTED))
    action(f"MAGB {noun} LIST", name, *besides, *page, key=family.looks, lists={"entries": family.listed})(entry_list)

    def entry_show(act: Act) -> Entry:
        entry = family.find(act)
        return {**entry, **family.more(act, entry)}

    entry_show.__doc__ = f"Show all of {one}; secrets are left out."
    action(f"MAGB {noun} SHOW", family.number, key=family.looks)(entry_show)

    def entry_add(act: Act) -> Entry:
        hold_entries(act.connection, family.kind)
        number = family.given(act) or next_number(act.connection, family.kind)
        if read_entry(act.connection, family.kind, number) is not None:
            raise RefusedAction(f"There is {one} {number} already; MAGB {noun} EDIT changes it.")
        return family.put(act, {**family.facts(act), number_key: number}, None)

    entry_add.__doc__ = f"Add {one}; every broker knows it at once."
    its = family.number if number_key == "name" else takes.number(family.number.name, "Its number; the next if left out.")
    own = [it for it in family.parameters(needed=True) if it.name != its.name]
    action(
        f"MAGB {noun} ADD",
        *[it for it in (its, *own) if it.required],
        *[it for it in (its, *own) if not it.required],
        writes=True,
        key=family.key,
    )(entry_add)

    def entry_edit(act: Act) -> Entry:
        hold_entries(act.connection, family.kind)
        before = family.find(act)
        facts = family.amended(act, before, family.facts(act))
        return family.put(act, {**facts, number_key: before[number_key]}, before)

    entry_edit.__doc__ = f"Change what is given of {one}; every broker knows it at once. An empty text takes a value away."
    changed = [it for it in family.parameters(needed=False) if it.name != family.number.name]
    action(f"MAGB {noun} EDIT", family.number, *changed, *family.amends, writes=True, key=family.key)(entry_edit)

    needed = family.needed
    if needed is None:
        return

    def entry_remove(act: Act) -> Entry:
        hold_entries(act.connection, family.kind)
        before = family.find(act)
        if why := needed(act, before):
            raise RefusedAction(why)
        remove_entry(act.connection, family.kind, before[number_key])
        act.changed(family.named(before), before, None)
        return before

    entry_remove.__doc__ = f"Take {one} away."
    question = f"Take this {thing} away?"
    action(f"MAGB {noun} REMOVE", family.number, writes=True, key=family.key, destroys=question)(entry_remove)
