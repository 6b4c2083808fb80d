"""The application entities that settings make."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path

from gateway_client import Configuration
from gateway_client.archive.entities import STORAGE_SYNTAXES, SYNTAX_NAMES, EntityRole, entities_of
from gateway_client.transcoding import SYNTAXES
from runtime import ArchiveSettings, GatewaySettings, Settings, TLSFiles

ROOT = "049SA1OT39"


def settings(**tables: object) -> ArchiveSettings:
    return ArchiveSettings.model_validate({"ae_root": ROOT, **tables})


def test_without_an_archive_there_are_none() -> None:
    assert entities_of(None) == {}
    assert Configuration.from_settings(Settings()).archive_listeners == ()


def test_each_role_has_its_entity() -> None:
    found = entities_of(settings(), "10.0.0.1")
    assert {role: entity.ae_title for role, entity in found.items()} == {
        EntityRole.RECEIVER: f"{ROOT}DRSP",
        EntityRole.SENDER: f"{ROOT}DRSP",
        EntityRole.COMMITMENT: f"{ROOT}DNES",
        EntityRole.SHORT_TERM: f"{ROOT}DQRY",
        EntityRole.LONG_TERM: f"{ROOT}DPQR",
        EntityRole.SERVICE_TOOL: "MAGBROKER_C_ECHO",
    }
    assert {found[role].host for role in (EntityRole.RECEIVER, EntityRole.LONG_TERM)} == {"10.0.0.1"}


def test_the_short_term_entity_answers_all_levels_and_relational_queries_the_long_term_one_neither() -> None:
    found = entities_of(settings())
    short, long = found[EntityRole.SHORT_TERM], found[EntityRole.LONG_TERM]
    assert (short.levels, short.relational, short.match_limit) == (("PATIENT", "STUDY", "SERIES", "IMAGE"), True, 500)
    assert (long.levels, long.relational, long.match_limit) == (("PATIENT", "STUDY"), False, 500)
    all_levels = entities_of(settings(long_term={"study_level_only": False, "relational": True}))[EntityRole.LONG_TERM]
    assert (all_levels.levels, all_levels.relational) == (short.levels, True)


def test_what_is_set_stands_in_the_entity() -> None:
    tables = {
        "short_term": {"fold_names": True, "match_limit": 7, "wrap_request_attributes": False, "host": "::1"},
        "long_term": {"short_term_titles": {"RAID1": "AADQRY"}, "calling_ae_titles": ["CT1"], "hosts": ["10.0.0.0/8"]},
        "receiver": {"tls_certificate": "a.pem", "tls_key": "b.pem", "max_associations": 3, "abort_after_refusal": False},
    }
    found = entities_of(settings(**tables))
    short, long, receiver = (found[role] for role in (EntityRole.SHORT_TERM, EntityRole.LONG_TERM, EntityRole.RECEIVER))
    assert (short.fold_names, short.match_limit, short.wrap_request_attributes, short.host) == (True, 7, False, "::1")
    assert (long.short_term_titles, long.calling_ae_titles) == ({"RAID1": "AADQRY"}, ("CT1",))
    assert long.hosts == (ip_network("10.0.0.0/8"),)
    assert receiver.tls == TLSFiles(Path("a.pem"), Path("b.pem"))
    assert (receiver.max_associations, receiver.abort_after_refusal, receiver.check_compressed) == (3, False, True)


def test_the_acceptor_prefers_what_is_set() -> None:
    usual = entities_of(settings())[EntityRole.RECEIVER].transfer_syntaxes
    assert usual == STORAGE_SYNTAXES
    own = entities_of(settings(receiver={"transfer_syntaxes": ["rle", "1.2.840.10008.1.2.4.80", "big-endian"]}))
    assert own[EntityRole.RECEIVER].transfer_syntaxes == (
        "1.2.840.10008.1.2.5",
        "1.2.840.10008.1.2.4.80",
        "1.2.840.10008.1.2.2",
    )


def test_the_names_of_transfer_syntaxes_are_those_that_destinations_have_too() -> None:
    assert SYNTAX_NAMES.items() >= SYNTAXES.items()


def test_the_sender_calls_by_the_archives_storage_title_where_there_is_one() -> None:
    plain = GatewaySettings(calling_ae_title="PLAIN")
    assert Configuration.from_settings(Settings(gateway=plain)).calling_ae_title == "PLAIN"
    with_archive = GatewaySettings(calling_ae_title="PLAIN", archive=settings())
    assert Configuration.from_settings(Settings(gateway=with_archive)).calling_ae_title == f"{ROOT}DRSP"


def test_objects_are_received_at_the_receivers_port_too_and_at_no_other_entitys() -> None:
    configuration = Configuration.from_settings(Settings(gateway=GatewaySettings(archive=settings())))
    assert [(it.name, it.port, it.called_ae_titles) for it in configuration.all_listeners] == [
        ("", 11112, ()),
        (f"{ROOT}DRSP", 50082, (f"{ROOT}DRSP",)),
    ]
    assert [(entity.role, it.port) for entity, it in configuration.archive_listeners] == [
        (EntityRole.COMMITMENT, 60034),
        (EntityRole.SHORT_TERM, 50089),
        (EntityRole.LONG_TERM, 50090),
    ]


def test_the_default_port_answers_as_the_short_term_entity_by_the_gateways_own_title() -> None:
    assert Configuration(Path(), Path(), ae_title="OURS").default_entity.ae_title == "OURS"
    limited = settings(short_term={"match_limit": 3})
    entity = Configuration.from_settings(Settings(gateway=GatewaySettings(archive=limited))).default_entity
    assert (entity.role, entity.ae_title, entity.match_limit) == (EntityRole.SHORT_TERM, "MAGBROKER", 3)
