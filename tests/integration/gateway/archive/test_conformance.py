"""docs/conformance.md is what a peer finds when it asks a gateway with those settings for associations; asked by pynetdicom."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from pynetdicom import (
    AE,
    AllStoragePresentationContexts,
    BasicWorklistManagementPresentationContexts,
    HangingProtocolPresentationContexts,
    ModalityPerformedPresentationContexts,
    PrintManagementPresentationContexts,
    QueryRetrievePresentationContexts,
    StorageCommitmentPresentationContexts,
    UnifiedProcedurePresentationContexts,
    build_role,
)
from pynetdicom.association import Association
from pynetdicom.pdu_primitives import AsynchronousOperationsWindowNegotiation, SOPClassExtendedNegotiation
from pynetdicom.presentation import PresentationContext, build_context

from gateway_client import Configuration, Gateway
from runtime import load_settings
from tests.support.conformance_page import ConformancePage, Entity, Taken

EXAMPLE = Path(__file__).parents[4] / "docs" / "examples" / "archive-gateway.toml"
PAGE = ConformancePage()
IMPLICIT, RLE = "1.2.840.10008.1.2", "1.2.840.10008.1.2.5"
#: A transfer syntax and a SOP class that nobody knows.
UNKNOWN_SYNTAX, UNKNOWN_CLASS = "2.25.77", "2.25.78"
#: SOP classes that the page may list or not: pynetdicom's, of print, procedure steps and hanging protocols too.
OTHERS = tuple(
    str(context.abstract_syntax)
    for context in (
        *AllStoragePresentationContexts,
        *BasicWorklistManagementPresentationContexts,
        *HangingProtocolPresentationContexts,
        *ModalityPerformedPresentationContexts,
        *PrintManagementPresentationContexts,
        *QueryRetrievePresentationContexts,
        *StorageCommitmentPresentationContexts,
        *UnifiedProcedurePresentationContexts,
    )
)
#: Every SOP class that is proposed to each entity.
PROPOSED = tuple(dict.fromkeys([*(uid for it in PAGE.entities.values() for uid, _role in it.taken), *OTHERS]))
#: What PS3.8 lets one association have, and what a peer is refused with: transient, by the presentation layer, local limit.
MOST_CONTEXTS, LOCAL_LIMIT = 128, (0x02, 0x03, 0x02)

entities = pytest.mark.parametrize("name", PAGE.entities)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Run the gateway of the example, on ports that are free; it has no broker, which negotiation needs none of."""
    directory = tmp_path_factory.mktemp("gateway")
    configuration = Configuration.from_settings(load_settings(EXAMPLE), broker_port=1)
    running = Gateway(
        replace(
            configuration,
            directory=directory / "gateway",
            data=directory,
            dicom_port=0,
            free_space_floor=0,
            listeners=tuple(replace(it, port=0) for it in configuration.listeners),
            entities={role: replace(entity, port=0) for role, entity in configuration.entities.items()},
        )
    )
    running.start()
    yield running
    running.stop()


def associate(
    gateway: Gateway,
    entity: Entity,
    contexts: Sequence[PresentationContext],
    negotiated: Sequence[object] = (),
    title: str = "",
) -> Association:
    port = gateway.port if entity.name == "default" else gateway.entity_ports[entity.name]
    return AE("PEER").associate("127.0.0.1", port, list(contexts), title or entity.title, ext_neg=list(negotiated) or None)


def chosen(
    gateway: Gateway, entity: Entity, proposed: Sequence[tuple[str, Sequence[str]]], *, both_roles: bool = False
) -> Iterator[tuple[str, Sequence[str], str, bool]]:
    """Propose contexts; give each with the transfer syntax that is taken, "" for none, and whether its peer may be SCP."""
    for start in range(0, len(proposed), MOST_CONTEXTS):
        some = proposed[start : start + MOST_CONTEXTS]
        uids = dict.fromkeys(uid for uid, _syntaxes in some)
        roles = [build_role(uid, scu_role=True, scp_role=True) for uid in uids] if both_roles else []
        association = associate(gateway, entity, [build_context(uid, list(it)) for uid, it in some], roles)
        assert not association.is_rejected
        accepted = {
            it.context_id: str(it.transfer_syntax[0])
            for it in association.acceptor.primitive.presentation_context_definition_results_list
            if it.result == 0
        }
        answers = association.acceptor.role_selection
        association.release()
        for place, (uid, syntaxes) in enumerate(some):
            yield uid, syntaxes, accepted.get(2 * place + 1, ""), uid in answers and bool(answers[uid].scp_role)


def accepts(taken: Taken | None, syntax: str) -> bool:
    return taken is not None and (syntax in taken.transfer_syntaxes or taken.others)


def expected(taken: Taken, proposed: Sequence[str]) -> str:
    """Give what is taken out of several transfer syntaxes."""
    return next((it for it in taken.transfer_syntaxes if it in proposed), proposed[0] if taken.others else "")


def each(taken: Taken | None) -> Sequence[str]:
    """Give the transfer syntaxes in which a SOP class is proposed, those that are not accepted too."""
    return (*PAGE.transfer_syntaxes.values(), RLE, UNKNOWN_SYNTAX) if taken is not None else (IMPLICIT,)


@entities
def test_what_is_listed_is_accepted_and_nothing_else(gateway: Gateway, name: str) -> None:
    entity = PAGE.entities[name]
    taken = {uid: entity.taken.get((uid, "SCU")) for uid in PROPOSED}
    proposed = [(uid, (syntax,)) for uid in PROPOSED for syntax in each(taken[uid])]
    found = {(uid, syntax): bool(result) for uid, (syntax,), result, _ in chosen(gateway, entity, proposed)}
    assert found == {(uid, syntax): accepts(taken[uid], syntax) for uid, (syntax,) in proposed}
    assert any(found.values())
    assert not all(found.values())


@entities
def test_objects_of_classes_that_nobody_knows_are_accepted_where_it_says_so(gateway: Gateway, name: str) -> None:
    entity = PAGE.entities[name]
    ((_uid, _syntaxes, result, _),) = chosen(gateway, entity, [(UNKNOWN_CLASS, (IMPLICIT,))])
    assert bool(result) is (entity.unknown and ("1.2.840.10008.5.1.4.1.1.2", "SCU") in entity.taken)


@entities
def test_a_peer_that_wants_to_be_scp_is_so_of_what_is_listed(gateway: Gateway, name: str) -> None:
    entity = PAGE.entities[name]
    taken = {uid: entity.taken.get((uid, "SCP")) or entity.taken.get((uid, "SCU")) for uid in PROPOSED}
    proposed = [(uid, (IMPLICIT,)) for uid in PROPOSED]
    found = {uid: (bool(result), as_scp) for uid, _, result, as_scp in chosen(gateway, entity, proposed, both_roles=True)}
    assert found == {uid: (accepts(taken[uid], IMPLICIT), (uid, "SCP") in entity.taken) for uid in PROPOSED}


@entities
@pytest.mark.parametrize("role", ["SCU", "SCP"])
def test_of_several_transfer_syntaxes_the_first_one_listed_is_chosen(gateway: Gateway, name: str, role: str) -> None:
    entity = PAGE.entities[name]
    taken = {uid: how for (uid, one), how in entity.taken.items() if one == role}
    every = (UNKNOWN_SYNTAX, *reversed(PAGE.transfer_syntaxes.values()), RLE)
    proposed = []
    for uid, how in taken.items():
        left = list(every)
        while left and expected(how, left):
            proposed.append((uid, tuple(left)))
            left.remove(expected(how, left))
    if role == "SCP":  # a peer may be SCP of nothing at some
        assert bool(proposed) is (name != "receiver")
    results = [*chosen(gateway, entity, proposed, both_roles=role == "SCP")] if proposed else []
    assert [result for *_, result, _ in results] == [expected(taken[uid], syntaxes) for uid, syntaxes in proposed]


@entities
def test_an_association_is_answered_with_the_policies_that_are_listed(gateway: Gateway, name: str) -> None:
    entity = PAGE.entities[name]
    window = AsynchronousOperationsWindowNegotiation()
    window.maximum_number_operations_invoked, window.maximum_number_operations_performed = 5, 5
    association = associate(gateway, entity, [build_context("1.2.840.10008.1.1", IMPLICIT)], [window])
    assert association.is_established
    acceptor = association.acceptor
    told = {
        "operations outstanding at a time": str(acceptor.asynchronous_operations[0]),
        "application context": str(acceptor.primitive.application_context_name),
        "maximum PDU length": str(acceptor.maximum_length),
        "Implementation Class UID": str(acceptor.implementation_class_uid),
        "Implementation Version Name": str(acceptor.implementation_version_name),
    }
    association.release()
    assert told == {policy: entity.policies[policy] for policy in told}
    assert not told["Implementation Class UID"].startswith("1.3.12.2.1107"), "the MagicStore statement's is another's"
    other = associate(gateway, entity, [build_context("1.2.840.10008.1.1", IMPLICIT)], title="ANOTHER")
    assert other.is_established is (entity.policies["called AE titles"] == "any")
    other.release()


@entities
def test_one_association_more_than_listed_is_rejected_for_the_local_limit(gateway: Gateway, name: str) -> None:
    entity = PAGE.entities[name]
    contexts = [build_context("1.2.840.10008.1.1", IMPLICIT)]
    opened = [associate(gateway, entity, contexts) for _ in range(int(entity.policies["associations at a time"]))]
    try:
        assert all(it.is_established for it in opened)
        further = associate(gateway, entity, contexts)
        assert further.is_rejected
        answer = further.acceptor.primitive
        assert (answer.result, answer.result_source, answer.diagnostic) == LOCAL_LIMIT
    finally:
        for association in opened:
            association.release()


#: What a peer asks for, and what the answer begins with, by what the page says.
EXTENDED: Mapping[str, tuple[bytes, bytes | None]] = {
    "none": (b"\x01\x00\x00", None),
    "relational": (b"\x01\x00\x00", b"\x01"),
    "level of support 2": (bytes(6), b"\x02"),
}


@entities
def test_extended_negotiation_is_answered_as_it_is_listed(gateway: Gateway, name: str) -> None:
    entity = PAGE.entities[name]
    asked = {uid: EXTENDED[how.extended] for (uid, role), how in entity.taken.items() if role == "SCU"}
    for start in range(0, len(asked), MOST_CONTEXTS):
        some = [*asked.items()][start : start + MOST_CONTEXTS]
        items = []
        for uid, (information, _answer) in some:
            item = SOPClassExtendedNegotiation()
            item.sop_class_uid, item.service_class_application_information = uid, information
            items.append(item)
        association = associate(gateway, entity, [build_context(uid, IMPLICIT) for uid, _ in some], items)
        assert association.is_established
        answers = association.acceptor.sop_class_extended
        association.release()
        for uid, (_information, answer) in some:
            if answer is None:
                assert not any(answers.get(uid, b"")[:1]), uid
            else:
                assert answers[uid].startswith(answer), uid
