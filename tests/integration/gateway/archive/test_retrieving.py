"""C-MOVE and C-GET over a broker in memory: every status, the counts, what is refused, put off and cancelled."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.filereader import read_dataset
from twisted.internet.defer import Deferred

from dul import CommandField, InMemory, Request, Sink
from gateway_client.archive import retrieval
from gateway_client.configuration import Peer
from runtime import CoerceSettings, DestinationSettings, free_port
from tests.integration.gateway.archive.retrieving import (
    BIG,
    EXPLICIT,
    IMPLICIT,
    PATIENT_ROOT,
    PATIENT_STUDY,
    STUDY_ROOT,
    Store,
    counts,
    failed_uids,
    house,
    same,
    uid_of,
)
from tests.support.dicom import make_slices
from tests.support.waiting import until
from xwb import XWBError

CT = "1.2.840.10008.5.1.4.1.1.2"
LEVEL, PATIENT, STUDY, SERIES, INSTANCE = 0x00080052, 0x00100020, 0x0020000D, 0x0020000E, 0x00080018


@pytest.fixture
def slices(tmp_path: Path) -> list[Path]:
    return list(make_slices(tmp_path / "image1", 5).values())


def statuses(answers: list[Any]) -> list[int]:
    return [answer.command.status for answer in answers]


def test_a_study_arrives_bit_by_bit_with_counts_after_each_object(tmp_path: Path, slices: list[Path]) -> None:
    with house(tmp_path, slices) as one:
        answers = one.move()
        assert statuses(answers) == [0xFF00] * 4 + [0x0000]
        assert [counts(answer) for answer in answers] == [(4 - n, n + 1, 0, 0) for n in range(4)] + [(None, 5, 0, 0)]
        assert one.store.uids == [uid_of(path) for path in slices]
        assert all(same(path, data) for path, (_command, _syntax, data) in zip(slices, one.store.got, strict=True))
        assert len(one.store.associations) == 1
        assert answers[-1].data is None


def test_the_log_says_who_retrieved_and_what_came_of_it(
    tmp_path: Path, slices: list[Path], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", retrieval.__name__)
    with house(tmp_path, slices, store=Store(statuses=[0x0000, 0xA700])) as one:
        one.move()
    assert "MOVE for VIEWER to STORE: 4 objects sent, 1 not, 0 left" in caplog.messages


def test_the_destination_hears_who_asked_and_with_which_priority(tmp_path: Path, slices: list[Path]) -> None:
    with house(tmp_path, slices[:1]) as one:
        one.move(priority=1)
        ((command, _syntax, _data),) = one.store.got
    assert (command.move_originator, command.move_originator_message_id, command.priority) == ("VIEWER", 1, 1)


def test_the_story_of_an_image_says_where_it_went_and_for_whom(tmp_path: Path, slices: list[Path]) -> None:
    with house(tmp_path, slices[:1], store=Store(statuses=[0xA700])) as one:
        one.move()
        ((uid, ien, stage, _moment, peer, outcome, detail),) = one.stories()
    assert (uid, ien, stage, peer, outcome) == (uid_of(slices[0]), "1", "MOVE", "STORE", "failed")
    assert detail == "for VIEWER: status A700"


def test_nothing_that_matches_is_a_success_without_an_association(tmp_path: Path) -> None:
    with house(tmp_path, []) as one:
        (answer,) = one.move()
        assert (answer.command.status, counts(answer)) == (0x0000, (None, 0, 0, 0))
        assert one.store.associations == []


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, BIG])
def test_what_failed_is_named_and_a_warning_counts_for_itself(tmp_path: Path, slices: list[Path], syntax: str) -> None:
    with house(tmp_path, slices, store=Store(statuses=[0, 0xA700, 0xB000, 0xC123])) as one:
        answers = one.move(syntax=syntax)
    last = answers[-1]
    assert (last.command.status, counts(last)) == (0xB000, (None, 2, 2, 1))
    assert failed_uids(last, syntax) == [uid_of(slices[1]), uid_of(slices[3])]
    assert last.command.error_comment == "status A700"


def test_where_nothing_could_be_sent_the_request_has_failed(tmp_path: Path, slices: list[Path]) -> None:
    with house(tmp_path, slices, store=Store(statuses=[0xA700] * 5)) as one:
        last = one.move()[-1]
    assert (last.command.status, counts(last)) == (0xA702, (None, 0, 5, 0))
    assert failed_uids(last) == [uid_of(path) for path in slices]


def test_an_unknown_destination_is_told_so(tmp_path: Path, slices: list[Path]) -> None:
    with house(tmp_path, slices) as one:
        (answer,) = one.move(destination="NOWHERE")
    assert (answer.command.status, answer.command.error_comment) == (0xA801, "Move destination NOWHERE is not known")


@pytest.mark.parametrize(
    ("model", "keys", "comment"),
    [
        (STUDY_ROOT, {LEVEL: "PATIENT", PATIENT: "1"}, "PATIENT is no level here: STUDY, SERIES, IMAGE"),
        (PATIENT_STUDY, {LEVEL: "SERIES", PATIENT: "1", STUDY: "1", SERIES: "1"}, "SERIES is no level here: PATIENT, STUDY"),
        (STUDY_ROOT, {STUDY: "1.2"}, "Query/Retrieve Level is missing"),
        (STUDY_ROOT, {LEVEL: "STUDY"}, "Study Instance UID is missing"),
        (STUDY_ROOT, {LEVEL: "STUDY", STUDY: ""}, "Study Instance UID is missing"),
        (STUDY_ROOT, {LEVEL: "STUDY", STUDY: "1.2*"}, "Study Instance UID has a value that is no UID"),
        (STUDY_ROOT, {LEVEL: "SERIES", STUDY: "1.2"}, "Series Instance UID is missing"),
        (STUDY_ROOT, {LEVEL: "SERIES", STUDY: "1\\2", SERIES: "1.2"}, "Study Instance UID has several values above the level"),
        (PATIENT_ROOT, {LEVEL: "PATIENT", PATIENT: "A*"}, "Patient ID has a wildcard"),
        (PATIENT_ROOT, {LEVEL: "PATIENT", PATIENT: "A\\B"}, "Patient ID has several values"),
        (STUDY_ROOT, {LEVEL: "IMAGE", STUDY: "1", SERIES: "2"}, "SOP Instance UID is missing"),
    ],
)
def test_an_identifier_that_does_not_fit_is_refused_before_anything_is_asked(
    tmp_path: Path, model: str, keys: dict[int, str], comment: str
) -> None:
    with house(tmp_path, [], relational=False) as one:
        (answer,) = one.move(keys, model=model)
        assert one.archive.asked == []
    assert (answer.command.status, answer.command.error_comment) == (0xA900, comment[:64])


@pytest.mark.parametrize("relational_queries", [True, False])
@pytest.mark.parametrize(
    ("model", "keys", "asked"),
    [
        (STUDY_ROOT, {LEVEL: "STUDY", STUDY: "1\\2"}, {"0020000D": ["1", "2"]}),
        (STUDY_ROOT, {LEVEL: "STUDY", STUDY: "1", 0x00080020: "20260101"}, {"0020000D": ["1"]}),
        (STUDY_ROOT, {LEVEL: "STUDY", STUDY: "1", PATIENT: "A"}, {"0020000D": ["1"], "00100020": ["A"]}),
        (STUDY_ROOT, {LEVEL: "IMAGE", INSTANCE: "3\\4"}, {"00080018": ["3", "4"]}),
        (PATIENT_ROOT, {LEVEL: "PATIENT", PATIENT: "A"}, {"00100020": ["A"]}),
        (PATIENT_ROOT, {LEVEL: "SERIES", SERIES: "1.2", STUDY: ""}, {"0020000E": ["1.2"]}),
        (PATIENT_STUDY, {LEVEL: "STUDY", PATIENT: "A", STUDY: "1"}, {"00100020": ["A"], "0020000D": ["1"]}),
    ],
)
def test_unique_keys_say_what_is_wanted(
    tmp_path: Path, model: str, keys: dict[int, str], asked: dict[str, list[str]], relational_queries: bool
) -> None:
    with house(tmp_path, [], relational=relational_queries) as one:
        (answer,) = one.move(keys, model=model)
        requests = [request for name, request in one.archive.asked if name == "MAGB RETRIEVE"]
    assert answer.command.status == 0
    assert requests == [{"level": keys[LEVEL], "relational": True, "keys": asked}]


def test_an_entity_for_studies_only_has_no_level_below(tmp_path: Path) -> None:
    with house(tmp_path, [], study_level_only=True) as one:
        (answer,) = one.move({LEVEL: "SERIES", STUDY: "1", SERIES: "2"})
    assert answer.command.status == 0xA900


@pytest.mark.parametrize(("told", "status"), [("A900", 0xA900), ("C001", 0xC001), ("A700", 0xA701)])
def test_what_the_broker_refuses_is_answered_with_its_words_and_a_status_of_retrievals(
    tmp_path: Path, told: str, status: int
) -> None:
    with house(tmp_path, []) as one:
        one.archive.refused = {"error": "No such key", "status": told}
        (answer,) = one.move()
    assert (answer.command.status, answer.command.error_comment) == (status, "No such key")


def test_without_a_broker_matches_cannot_be_counted(tmp_path: Path) -> None:
    with house(tmp_path, []) as one:
        one.archive.lost = True
        (answer,) = one.move()
    assert (answer.command.status, answer.command.error_comment) == (0xA701, "The archive does not answer")


@pytest.mark.parametrize("sizes", [None, [0] * 5], ids=["known", "unknown"])
def test_a_missing_and_a_cut_file_are_failed_sub_operations_and_the_others_go(
    tmp_path: Path, slices: list[Path], sizes: list[int] | None
) -> None:
    with house(tmp_path, [*slices[:4], tmp_path / "image1" / "missing.dcm"]) as one:
        one.archive.sizes = sizes or one.archive.sizes
        one.archive.recalled = [{5: "INSTORE"}]
        cut = slices[1].read_bytes()
        slices[1].write_bytes(cut[: len(cut) // 2])
        last = one.move()[-1]
        told = {uid: detail for uid, _ien, _stage, _at, _peer, outcome, detail in one.stories() if outcome == "failed"}
    assert (last.command.status, counts(last)) == (0xB000, (None, 3, 2, 0))
    assert failed_uids(last) == [uid_of(slices[1]), "1.2.3.4"]
    assert "is cut off" in told[uid_of(slices[1])]
    assert "No such file" in told["1.2.3.4"]


@pytest.mark.parametrize("recalled", [[{2: "INSTORE"}], [{}, {2: "INSTORE"}]])
def test_a_file_that_was_released_since_it_was_listed_is_asked_for_again(
    tmp_path: Path, slices: list[Path], monkeypatch: pytest.MonkeyPatch, recalled: list[dict[int, str]]
) -> None:
    monkeypatch.setattr(retrieval, "RECALL_PAUSE", 0.05)
    away = slices[1].with_suffix(".away")
    with house(tmp_path, slices) as one:
        slices[1].rename(away)
        one.archive.lost_files = {1: away}
        one.archive.recalled = recalled
        last = one.move()[-1]
        assert sorted(one.store.uids) == sorted(uid_of(away if place == 1 else path) for place, path in enumerate(slices))
    assert (last.command.status, counts(last)) == (0x0000, (None, 5, 0, 0))


def test_the_stored_syntax_goes_first_and_what_is_not_taken_is_transcoded(tmp_path: Path, slices: list[Path]) -> None:
    """The slices are stored in explicit VR; the store takes implicit VR alone."""
    with house(tmp_path, slices[:2], store=Store(syntaxes=(IMPLICIT,))) as one:
        last = one.move()[-1]
        assert {syntax for _command, syntax, _data in one.store.got} == {IMPLICIT}
    assert counts(last) == (None, 2, 0, 0)


def test_a_profile_of_implicit_vr_proposes_nothing_else(tmp_path: Path, slices: list[Path]) -> None:
    with house(tmp_path, slices[:2], implicit_only=True) as one:
        last = one.move()[-1]
        (exchange,) = one.store.associations
        request = exchange.connection.association.request
        assert request is not None
        assert {syntax for context in request.contexts for syntax in context.transfer_syntaxes} == {IMPLICIT}
        assert {syntax for _command, syntax, _data in one.store.got} == {IMPLICIT}
    assert counts(last) == (None, 2, 0, 0)


def test_what_a_destination_is_to_get_otherwise_it_gets_so_by_move_and_by_get(tmp_path: Path, slices: list[Path]) -> None:
    coerce = CoerceSettings(attribute="InstitutionName", set="ELSEWHERE")
    settings = {"*": DestinationSettings(coerce=(coerce,))}
    got: list[bytes] = []
    with house(tmp_path, slices[:1], settings=settings) as one:
        one.move()
        assert b"ELSEWHERE" in one.store.got[0][2]
        one.get(storage=[(CT, (EXPLICIT,))], services={CommandField.C_STORE_RQ: keeping(got)})
    assert b"ELSEWHERE" in got[0]


def test_the_settings_of_a_transmit_destination_hold_whatever_a_peer_of_its_title_is(tmp_path: Path, slices: list[Path]) -> None:
    settings = {"READING ROOM": DestinationSettings(coerce=(CoerceSettings(attribute="InstitutionName", set="ELSEWHERE"),))}
    with house(tmp_path, slices[:1], settings=settings, peers={"READROOM": Peer("127.0.0.1", 1)}) as one:
        one.archive.destinations = [f"1^READING ROOM^READROOM^127.0.0.1^{one.store.port}^DEMOGW1^660"]
        assert one.move(destination="READROOM")[-1].command.status == 0
        assert b"ELSEWHERE" in one.store.got[0][2]


def keeping(got: list[bytes], uids: list[str] | None = None) -> Any:
    def store(request: Request) -> Sink:
        def whole(data: bytes) -> None:
            got.append(data)
            if uids is not None:
                uids.append(request.command.sop_instance or "")
            request.respond(0)

        return InMemory(whole, 1 << 26)

    return store


# ---- C-GET ----


def test_by_get_a_study_comes_over_the_same_association(tmp_path: Path, slices: list[Path]) -> None:
    got: list[bytes] = []
    with house(tmp_path, slices) as one:
        answers = one.get(storage=[(CT, (EXPLICIT,))], services={CommandField.C_STORE_RQ: keeping(got)})
        assert one.store.associations == []
        assert [story[2] for story in one.stories()] == ["GET"] * 5
    assert statuses(answers) == [0xFF00] * 4 + [0x0000]
    assert counts(answers[-1]) == (None, 5, 0, 0)
    assert all(same(path, data) for path, data in zip(slices, got, strict=True))


def test_by_get_what_was_accepted_in_another_syntax_only_is_transcoded(tmp_path: Path, slices: list[Path]) -> None:
    got: list[bytes] = []
    with house(tmp_path, slices[:2]) as one:
        last = one.get(storage=[(CT, (IMPLICIT,))], services={CommandField.C_STORE_RQ: keeping(got)})[-1]
    assert counts(last) == (None, 2, 0, 0)
    dataset = read_dataset(BytesIO(got[0]), True, True)
    assert (dataset.SOPInstanceUID, dataset.PixelData) == (uid_of(slices[0]), dcmread(slices[0]).PixelData)


def test_by_get_what_the_peer_is_no_scp_of_fails(tmp_path: Path, slices: list[Path]) -> None:
    with house(tmp_path, slices) as one:
        last = one.get()[-1]
    assert (last.command.status, counts(last)) == (0xA702, (None, 0, 5, 0))
    assert failed_uids(last) == [uid_of(path) for path in slices]


# ---- cancelling ----


def test_a_cancelled_move_ends_with_what_remains(tmp_path: Path, slices: list[Path]) -> None:
    files = [*slices] * 40
    with house(tmp_path, files) as one:
        last = one.move(cancel_after=3)[-1]
        assert last.command.status == 0xFE00
        remaining, completed, failed, _warning = counts(last)
        assert (remaining or 0) + (completed or 0) == 200
        assert (remaining or 0) > 100
        assert not failed
        assert len(one.store.got) < 100


def test_a_move_that_is_cancelled_while_it_is_counted_has_not_succeeded(
    tmp_path: Path, slices: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    with house(tmp_path, slices) as one:
        listing = one.archive.listing = Deferred()
        cancelled = Request.cancel

        def cancel(request: Request) -> None:
            cancelled(request)
            listing.callback(None)

        monkeypatch.setattr(Request, "cancel", cancel)
        (answer,) = one.move(cancel_after=0)
        assert (answer.command.status, one.store.got) == (0xFE00, [])


def test_a_move_to_a_destination_that_hangs_is_cancelled_at_once(
    tmp_path: Path, slices: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retrieval, "GRACE", 0.05)
    monkeypatch.setattr(retrieval, "PENDING_EVERY", 0.05)
    monkeypatch.setattr(retrieval, "LOOK_EVERY", 0.05)
    with house(tmp_path, slices, store=Store(hold=True)) as one:
        answers = one.move(cancel_after=1)
    assert statuses(answers) == [0xFF00, 0xFE00]
    assert counts(answers[-1]) == (5, 0, 0, 0)


def test_when_the_peer_that_asked_has_gone_nothing_more_is_sent(tmp_path: Path, slices: list[Path]) -> None:
    with house(tmp_path, [*slices] * 40) as one:
        store = one.store

        def cut(count: int) -> None:
            if count == 5:
                for exchange in [*one.listener.exchanges]:
                    exchange.abort()

        store.before = cut
        one.move()
        until(lambda: any(exchange.over for exchange in store.associations) or len(store.got) < 100, "it has stopped")
        assert len(store.got) < 100


# ---- destinations that are down ----


def test_what_a_destination_that_is_down_does_not_get_is_put_off(tmp_path: Path, slices: list[Path]) -> None:
    with house(tmp_path, slices, peers={"DOWN": Peer("127.0.0.1", free_port())}) as one:
        last = one.move(destination="DOWN")[-1]
        assert one.archive.put_off == [
            {"application": "DOWN", "location": 660, "for": "VIEWER", "images": [[number, 0] for number in range(1, 6)]}
        ]
        assert {story[5] for story in one.stories()} == {"put off"}
    assert (last.command.status, counts(last)) == (0xB000, (None, 0, 5, 0))
    assert failed_uids(last) == [uid_of(path) for path in slices]
    assert (last.command.error_comment or "").startswith("5 will be sent later: No association with DOWN")


def test_a_destination_that_rejects_the_association_gets_it_later(tmp_path: Path, slices: list[Path]) -> None:
    with house(tmp_path, slices, store=Store(rejects=True)) as one:
        last = one.move()[-1]
        assert [len(request["images"]) for request in one.archive.put_off] == [5]
    assert last.command.status == 0xB000


def test_what_is_no_longer_on_file_is_not_said_to_be_sent_later(tmp_path: Path, slices: list[Path]) -> None:
    with house(tmp_path, slices, store=Store(rejects=True)) as one:
        one.archive.put_off_answer = "3"
        last = one.move()[-1]
    assert (last.command.status, counts(last)) == (0xB000, (None, 0, 5, 0))
    assert (last.command.error_comment or "").startswith("3 will be sent later")


@pytest.mark.parametrize("pending_and_close", [False, True])
def test_where_nothing_is_on_file_any_more_all_has_failed(tmp_path: Path, slices: list[Path], pending_and_close: bool) -> None:
    with house(tmp_path, slices, store=Store(rejects=True), pending_and_close=pending_and_close) as one:
        one.archive.put_off_answer = "0"
        last = one.move()[-1]
    assert (last.command.status, counts(last)) == (0xA702, (None, 0, 5, 0))


def test_what_cannot_be_put_off_has_failed(tmp_path: Path, slices: list[Path]) -> None:
    with house(tmp_path, slices, store=Store(rejects=True)) as one:
        one.archive.put_off_answer = "-1,No."
        last = one.move()[-1]
    assert (last.command.status, counts(last)) == (0xA702, (None, 0, 5, 0))


def test_only_what_was_not_acknowledged_is_put_off_and_doubt_is_told(tmp_path: Path, slices: list[Path]) -> None:
    """The store aborts in place of its third answer, and is not there any more."""
    store = Store(abort_at=3)
    with house(tmp_path, slices, store=store) as one:

        def gone(count: int) -> None:
            if count == 3:
                one.listening.stopListening()

        store.before = gone
        last = one.move()[-1]
        put_off = [image for request in one.archive.put_off for image in request["images"]]
    assert put_off == [[3, 1], [4, 0], [5, 0]]
    assert (last.command.status, counts(last)) == (0xB000, (None, 2, 3, 0))
    assert failed_uids(last) == [uid_of(path) for path in slices[2:]]


def test_a_destination_that_stalls_is_left_in_time_and_gets_the_rest_later(tmp_path: Path, slices: list[Path]) -> None:
    """What it was sent may have arrived; what it was not is put off after no more than a few associations."""
    with house(tmp_path, slices, store=Store(hold=True), dimse_timeout=0.3) as one:
        last = one.move()[-1]
        put_off = [tuple(image) for request in one.archive.put_off for image in request["images"]]
        assert 1 <= len(one.store.associations) <= retrieval.BREAKS
    assert sorted(image for image, _doubtful in put_off) == [1, 2, 3, 4, 5]
    assert (1, 1) in put_off, "the first one may have arrived"
    assert (last.command.status, counts(last)) == (0xB000, (None, 0, 5, 0))
    assert sorted(failed_uids(last)) == sorted(map(uid_of, slices))


def test_what_was_not_begun_goes_over_another_association_where_there_is_one(tmp_path: Path, slices: list[Path]) -> None:
    with house(tmp_path, slices, store=Store(abort_at=3)) as one:
        last = one.move()[-1]
        put_off = [image for request in one.archive.put_off for image in request["images"]]
        assert one.store.uids == [uid_of(path) for path in slices]
    assert put_off == [[3, 1]]
    assert (last.command.status, counts(last)) == (0xB000, (None, 4, 1, 0))


def test_a_profile_leaves_what_is_put_off_pending_and_ends_the_association(tmp_path: Path, slices: list[Path]) -> None:
    with house(tmp_path, slices, store=Store(rejects=True), pending_and_close=True) as one:
        answers = one.move()
        assert [len(request["images"]) for request in one.archive.put_off] == [5]
    assert statuses(answers)[-1] == 0xFF00
    assert counts(answers[-1]) == (5, 0, 0, 0)


# ---- what is not in store ----


def test_near_line_images_are_waited_for_while_the_peer_hears_of_it(
    tmp_path: Path, slices: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retrieval, "RECALL_PAUSE", 0.2)
    monkeypatch.setattr(retrieval, "PENDING_EVERY", 0.05)
    monkeypatch.setattr(retrieval, "LOOK_EVERY", 0.05)
    with house(tmp_path, slices) as one:
        one.archive.states = {2: "NEAR-LINE", 4: "NEAR-LINE"}
        one.archive.recalled = [{}, {}, {4: "INSTORE"}, {2: "INSTORE"}]
        answers = one.move()
        asked = [request for name, request in one.archive.asked if name == "MAGB RECALL"]
        assert one.store.uids == [uid_of(slices[place]) for place in (0, 2, 4, 3, 1)]
    assert (answers[-1].command.status, counts(answers[-1])) == (0x0000, (None, 5, 0, 0))
    assert asked == [{"images": [2, 4], "for": "VIEWER"}] * 3 + [{"images": [2], "for": "VIEWER"}]
    assert [counts(answer) for answer in answers].count((2, 3, 0, 0)) > 1


def test_while_the_broker_is_away_near_line_images_are_waited_for(
    tmp_path: Path, slices: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retrieval, "RECALL_PAUSE", 0.05)
    with house(tmp_path, slices) as one:
        one.archive.states = {2: "NEAR-LINE"}
        one.archive.recalled = [XWBError("The broker has gone."), XWBError("The broker has gone."), {2: "INSTORE"}]
        last = one.move()[-1]
        assert one.store.uids == [uid_of(slices[place]) for place in (0, 2, 3, 4, 1)]
    assert (last.command.status, counts(last)) == (0x0000, (None, 5, 0, 0))


def test_near_line_images_of_which_nobody_can_be_asked_are_put_off_with_the_reason(tmp_path: Path, slices: list[Path]) -> None:
    with house(tmp_path, slices, recall_seconds=0.0) as one:
        one.archive.states = {2: "NEAR-LINE"}
        one.archive.recalled = [XWBError("The broker has gone.")]
        last = one.move()[-1]
        assert [request["images"] for request in one.archive.put_off] == [[[2, 0]]]
        (told,) = [story[6] for story in one.stories() if story[5] == "put off"]
    assert (last.command.status, told) == (0xB000, "for VIEWER: It is not in store: The broker has gone.")


def test_near_line_images_that_take_too_long_are_put_off(tmp_path: Path, slices: list[Path]) -> None:
    with house(tmp_path, slices, recall_seconds=0.0) as one:
        one.archive.states = {2: "NEAR-LINE"}
        last = one.move()[-1]
        assert [request["images"] for request in one.archive.put_off] == [[[2, 0]]]
    assert (last.command.status, counts(last)) == (0xB000, (None, 4, 1, 0))
    assert failed_uids(last) == [uid_of(slices[1])]


def test_off_line_images_fail_and_are_asked_of_the_operator(tmp_path: Path, slices: list[Path]) -> None:
    with house(tmp_path, slices) as one:
        one.archive.states = {1: "OFFLINE", 3: "NEAR-LINE"}
        one.archive.recalled = [{1: "OFFLINE", 3: "FAILED"}]
        last = one.move()[-1]
        told = [story[6] for story in one.stories() if story[5] == "failed"]
        assert one.archive.put_off == []
    assert (last.command.status, counts(last)) == (0xB000, (None, 3, 2, 0))
    assert failed_uids(last) == [uid_of(slices[0]), uid_of(slices[2])]
    assert told == ["for VIEWER: Medium a detail is off line; an operator is asked for it", "for VIEWER: It is FAILED. a detail"]


def test_a_cancel_ends_the_wait_for_near_line_images(tmp_path: Path, slices: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrieval, "PENDING_EVERY", 0.05)
    monkeypatch.setattr(retrieval, "LOOK_EVERY", 0.05)
    with house(tmp_path, slices) as one:
        one.archive.states = dict.fromkeys(range(1, 6), "NEAR-LINE")
        answers = one.move(cancel_after=2)
    assert statuses(answers)[-1] == 0xFE00
    assert counts(answers[-1]) == (5, 0, 0, 0)


# ---- many ----


@pytest.mark.parametrize(("kept", "fresh", "asked"), [(150, 60.0, 4), (149, 60.0, 8), (150, -1.0, 8)])
def test_a_study_of_several_pages_goes_page_by_page_listed_again_where_it_is_long_or_was_long_ago(
    tmp_path: Path, slices: list[Path], monkeypatch: pytest.MonkeyPatch, kept: int, fresh: float, asked: int
) -> None:
    monkeypatch.setattr(retrieval, "KEPT", kept)
    monkeypatch.setattr(retrieval, "FRESH", fresh)
    with house(tmp_path, [*slices] * 30) as one:
        one.archive.page = 40
        answers = one.move()
        assert len(one.store.got) == 150
        assert len(one.store.associations) == 1
        assert sum(name == "MAGB RETRIEVE" for name, _request in one.archive.asked) == asked
    assert (answers[-1].command.status, counts(answers[-1])) == (0x0000, (None, 150, 0, 0))


def test_pages_of_a_destination_that_is_down_are_put_off_without_trying_each(tmp_path: Path, slices: list[Path]) -> None:
    with house(tmp_path, [*slices] * 30, store=Store(rejects=True)) as one:
        one.archive.page = 40
        last = one.move()[-1]
        assert sum(len(request["images"]) for request in one.archive.put_off) == 150
        assert len(one.archive.put_off) < 10
    assert (last.command.status, counts(last)) == (0xB000, (None, 0, 150, 0))


def test_moves_and_gets_of_an_entity_take_the_same_turns(tmp_path: Path, slices: list[Path]) -> None:
    with house(tmp_path, slices, store=Store(hold=True), max_retrievals=1) as one:
        first = one.begin_move()
        until(lambda: bool(one.store.held), "the first object is held")
        (answer,) = one.get(storage=[(CT, (EXPLICIT,))], cancel_after=0)
        assert (answer.command.status, counts(answer)) == (0xFE00, (5, 0, 0, 0)), "it waited for its turn until it was cancelled"
        one.store.hold = False
        one.reactor.call(one.store.held[0].respond, 0)
        assert first()[-1].command.status == 0x0000


def test_an_entity_carries_out_so_many_at_a_time(tmp_path: Path, slices: list[Path]) -> None:
    """The second waits until the first has ended; the peer hears of it meanwhile."""
    with house(tmp_path, slices, store=Store(hold=True), max_retrievals=1) as one:
        first = one.begin_move()
        until(lambda: bool(one.store.held), "the first object is held")
        second = one.begin_move()
        until(lambda: sum(name == "MAGB RETRIEVE" for name, _request in one.archive.asked) == 2, "the second is listed")
        assert len(one.store.got) == 1
        one.store.hold = False
        one.reactor.call(one.store.held[0].respond, 0)
        assert [answers[-1].command.status for answers in (first(), second())] == [0, 0]
        assert len(one.store.got) == 10
