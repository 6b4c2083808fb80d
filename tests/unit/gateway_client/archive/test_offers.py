"""Which presentation contexts an entity takes for the services that it has, and in which transfer syntax."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from dul import (
    AS_SCP,
    AS_SCU,
    VERIFICATION,
    AssociateAccept,
    AssociateRequest,
    Command,
    CommandField,
    ProposedContext,
    Request,
    Roles,
    Service,
    Sink,
    negotiate,
)
from gateway_client.archive.entities import STORAGE_SYNTAXES, ApplicationEntity, EntityRole
from gateway_client.archive.offers import SOP_CLASS_NOT_SUPPORTED, Offer, Providers, ServiceClass, offer_of, offered_besides
from tests.support.magicstore_tables import TABLE_5, TABLE_12, ContextRow

IMPLICIT, EXPLICIT, BIG = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
BASELINE, EXTENDED, LOSSLESS = "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51", "1.2.840.10008.1.2.4.70"
RLE, JPEG_2000 = "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.90"
CT, CSA = "1.2.840.10008.5.1.4.1.1.2", "1.3.12.2.1107.5.9.1"
FIND, MOVE, GET = (f"1.2.840.10008.5.1.4.1.2.2.{number}" for number in (1, 2, 3))
WORKLIST, STEP, COMMITMENT = "1.2.840.10008.5.1.4.31", "1.2.840.10008.3.1.2.3.3", "1.2.840.10008.1.20.1"

#: The commands of a service class.
COMMANDS = {
    ServiceClass.VERIFICATION: (CommandField.C_ECHO_RQ,),
    ServiceClass.STORAGE: (CommandField.C_STORE_RQ,),
    ServiceClass.STORAGE_COMMITMENT: (CommandField.N_ACTION_RQ,),
    ServiceClass.FIND: (CommandField.C_FIND_RQ,),
    ServiceClass.MOVE: (CommandField.C_MOVE_RQ,),
    ServiceClass.GET: (CommandField.C_GET_RQ,),
    ServiceClass.WORKLIST: (CommandField.C_FIND_RQ,),
    ServiceClass.PERFORMED_STEP: (CommandField.N_CREATE_RQ, CommandField.N_SET_RQ),
}


class Named:
    """A service, told by its service class."""

    def __init__(self, service_class: ServiceClass) -> None:
        self.service_class = service_class

    def __call__(self, request: Request) -> Sink:
        raise LookupError(self.service_class)


def everything() -> Providers:
    def provide(service_class: ServiceClass) -> Mapping[CommandField, Service]:
        return dict.fromkeys(COMMANDS[service_class], Named(service_class))

    return {it: lambda _entity, it=it: provide(it) for it in ServiceClass}  # type: ignore[misc]  # the default binds early


def entity(role: EntityRole, **changes: Any) -> ApplicationEntity:
    syntaxes = {"transfer_syntaxes": STORAGE_SYNTAXES} if role is EntityRole.RECEIVER else {}
    return ApplicationEntity(role, "OURS", **{**syntaxes, **changes})


def answer(
    offer: Offer,
    *contexts: tuple[str, tuple[str, ...]],
    roles: Mapping[str, Roles] | None = None,
    extended: Mapping[str, bytes] | None = None,
) -> AssociateAccept:
    proposed = tuple(ProposedContext(2 * place + 1, uid, syntaxes) for place, (uid, syntaxes) in enumerate(contexts))
    request = AssociateRequest("OURS", "PEER", proposed, roles=roles or {}, extended=extended or {})
    accept = negotiate(request, offer.policy(request))
    assert isinstance(accept, AssociateAccept)
    return accept


def chosen(offer: Offer, uid: str, *syntaxes: str, roles: Mapping[str, Roles] | None = None) -> str:
    """Give the transfer syntax of a context, nothing where it is not taken."""
    (result,) = answer(offer, (uid, syntaxes or (IMPLICIT,)), roles=roles).contexts
    return result.transfer_syntax if result.accepted else ""


TAKEN = {
    EntityRole.RECEIVER: {VERIFICATION, CT, CSA},
    EntityRole.COMMITMENT: {VERIFICATION, COMMITMENT},
    EntityRole.SHORT_TERM: {VERIFICATION, FIND, MOVE, GET},
    EntityRole.LONG_TERM: {VERIFICATION, FIND, MOVE, GET, WORKLIST, STEP},
}


@pytest.mark.parametrize("role", TAKEN, ids=str)
def test_an_entity_takes_the_contexts_of_its_role_only(role: EntityRole) -> None:
    offer = offer_of(entity(role), everything())
    asked = {VERIFICATION, CT, CSA, FIND, MOVE, GET, WORKLIST, STEP, COMMITMENT}
    assert {uid for uid in asked if chosen(offer, uid)} == TAKEN[role]
    assert set(offer.services) == {
        command
        for it, commands in COMMANDS.items()
        for command in commands
        if (TAKEN[role] & set(it.value)) or (it is ServiceClass.STORAGE and CT in TAKEN[role])
    }


def test_what_nobody_provides_is_not_taken() -> None:
    offer = offer_of(entity(EntityRole.LONG_TERM), {it: found for it, found in everything().items() if it is ServiceClass.FIND})
    assert (chosen(offer, FIND), chosen(offer, MOVE), chosen(offer, WORKLIST)) == (IMPLICIT, "", "")
    assert set(offer.services) == {CommandField.C_FIND_RQ}


@pytest.mark.parametrize(
    ("proposed", "taken"),
    [
        ((IMPLICIT, EXPLICIT, BIG, LOSSLESS, EXTENDED, BASELINE), BASELINE),
        ((IMPLICIT, EXPLICIT, BIG, LOSSLESS, EXTENDED), EXTENDED),
        ((IMPLICIT, EXPLICIT, BIG, LOSSLESS), LOSSLESS),
        ((IMPLICIT, EXPLICIT, BIG), BIG),
        ((IMPLICIT, EXPLICIT), EXPLICIT),
        ((IMPLICIT,), IMPLICIT),
        ((RLE, JPEG_2000, IMPLICIT), IMPLICIT),  # what no list names comes after what one does
        ((JPEG_2000, RLE), JPEG_2000),  # in the requestor's order
    ],
)
def test_the_receiver_prefers_as_its_list_says(proposed: tuple[str, ...], taken: str) -> None:
    assert chosen(offer_of(entity(EntityRole.RECEIVER), everything()), CT, *proposed) == taken


def test_the_preference_is_that_of_the_entity() -> None:
    offer = offer_of(entity(EntityRole.RECEIVER, transfer_syntaxes=(IMPLICIT, RLE)), everything())
    assert chosen(offer, CT, BASELINE, RLE, IMPLICIT) == IMPLICIT
    assert chosen(offer, CT, BASELINE, RLE) == RLE


@pytest.mark.parametrize("uid", [FIND, MOVE, GET, WORKLIST])
def test_identifiers_come_in_a_syntax_of_the_list_or_not_at_all(uid: str) -> None:
    offer = offer_of(entity(EntityRole.LONG_TERM), everything())
    assert chosen(offer, uid, IMPLICIT, EXPLICIT, BIG) == BIG
    assert chosen(offer, uid, IMPLICIT, EXPLICIT) == EXPLICIT
    (result,) = answer(offer, (uid, (RLE,))).contexts
    assert result.result == 4, "the transfer syntaxes are not supported"


def test_a_peer_that_gets_objects_is_their_scp_and_nobody_else_stores_at_a_query_entity() -> None:
    offer = offer_of(entity(EntityRole.SHORT_TERM), everything())
    assert chosen(offer, CT, LOSSLESS, IMPLICIT, EXPLICIT, roles={CT: AS_SCP}) == EXPLICIT
    assert chosen(offer, CT, LOSSLESS, roles={CT: AS_SCP}) == LOSSLESS
    assert chosen(offer, CT, EXPLICIT, roles={CT: AS_SCU}) == ""
    assert answer(offer, (CT, (EXPLICIT,)), roles={CT: (True, True)}).roles == {CT: AS_SCP}


def test_the_default_port_offers_queries_and_the_worklist_and_lets_a_peer_have_both_roles() -> None:
    offer = offered_besides(entity(EntityRole.SHORT_TERM), everything())
    assert {uid for uid in (FIND, MOVE, GET, WORKLIST, STEP, COMMITMENT, CT) if chosen(offer, uid)} == {
        FIND,
        MOVE,
        GET,
        WORKLIST,
        STEP,
    }
    assert answer(offer, (CT, (EXPLICIT,)), roles={CT: (True, True)}).roles == {CT: (True, True)}


def test_of_two_services_for_one_command_the_context_decides() -> None:
    find = offer_of(entity(EntityRole.LONG_TERM), everything()).services[CommandField.C_FIND_RQ]

    def asked(uid: str) -> Request:
        return Request(None, 1, uid, IMPLICIT, Command(field=CommandField.C_FIND_RQ))  # type: ignore[arg-type]  # no exchange needed

    for uid, service_class in ((FIND, ServiceClass.FIND), (WORKLIST, ServiceClass.WORKLIST)):
        with pytest.raises(LookupError, match=service_class.name):
            find(asked(uid))
    refusal = find(asked(CT))
    assert refusal._status == SOP_CLASS_NOT_SUPPORTED  # type: ignore[attr-defined]  # what it would answer


@pytest.mark.parametrize(("relational", "find"), [(True, b"\1\0\0\0"), (False, b"\0\0\0\0")])
def test_relational_queries_are_negotiated_as_they_are_set_and_retrieval_always_is(relational: bool, find: bytes) -> None:
    offer = offer_of(entity(EntityRole.SHORT_TERM, relational=relational), everything())
    asked = {FIND: b"\1\1\1\1", MOVE: b"\1", CT: b"\2\0\0\0\0\0"}
    accept = answer(offer, (FIND, (EXPLICIT,)), (MOVE, (EXPLICIT,)), extended=asked)
    assert accept.extended == {FIND: find, MOVE: b"\1"}
    assert answer(offer, (FIND, (EXPLICIT,)), extended={FIND: b"\0", GET: b""}).extended == {FIND: b"\0"}


def test_storage_says_that_it_keeps_every_element_where_it_is_asked() -> None:
    offer = offer_of(entity(EntityRole.RECEIVER), everything())
    asked = {CT: b"\2\0\3\0\1\0", FIND: b"\1"}
    assert answer(offer, (CT, (EXPLICIT,)), extended=asked).extended == {CT: b"\2\0\0\0\1\0"}
    assert answer(offer, (CT, (EXPLICIT,))).extended == {}


@pytest.mark.parametrize("role", [EntityRole.SHORT_TERM, EntityRole.LONG_TERM], ids=str)
@pytest.mark.parametrize("row", [*TABLE_5, *TABLE_12], ids=lambda row: row.name)
def test_a_row_of_tables_5_and_12_is_taken_in_each_of_its_transfer_syntaxes(row: ContextRow, role: EntityRole) -> None:
    offer = offer_of(entity(role), everything())
    taken = row.uid != WORKLIST or role is EntityRole.LONG_TERM
    for syntax in row.transfer_syntaxes:
        assert chosen(offer, row.uid, syntax) == (syntax if taken else "")
