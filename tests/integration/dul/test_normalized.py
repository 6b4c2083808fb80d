"""N-services with pynetdicom, both ways: storage commitment with its event, performed procedure steps, print."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from pydicom import Dataset
from pydicom.uid import generate_uid
from pynetdicom import AE, build_role, evt
from pynetdicom.sop_class import (
    BasicFilmSession,
    BasicGrayscalePrintManagementMeta,
    ModalityPerformedProcedureStep,
    Printer,
    PrinterInstance,
    StorageCommitmentPushModel,
    StorageCommitmentPushModelInstance,
)
from twisted.internet.defer import Deferred

from dul import (
    AS_BOTH,
    AS_SCP,
    Answer,
    AssociateRequest,
    CommandField,
    Exchange,
    NoContext,
    Policy,
    Request,
    RequestFailed,
    RequestRefused,
    Response,
    Service,
    answered_by,
    n_action,
    n_create,
    n_delete,
    n_event_report,
    n_get,
    n_set,
    negotiate,
    propose,
)
from tests.support.asking import Asking
from tests.support.identifiers import PATIENT_ID, PATIENT_NAME, SYNTAXES, decode_identifier, encode_identifier
from tests.support.query_provider import QueryProvider, Table

EXPLICIT = SYNTAXES[0]
REQUEST_COMMITMENT, ALL_COMMITTED = 1, 1
#: A data set is one attribute here: that it arrives is what matters.
DATA = encode_identifier({PATIENT_ID: "P00001"}, EXPLICIT)


@contextmanager
def pynetdicom_provider(*sop_classes: str, **handlers: Callable[[evt.Event], Any]) -> Iterator[int]:
    """Run pynetdicom as SCP, SCU too for those that propose it; gives the port. Handlers go by the name of their event."""
    ae = AE("PEER")
    for sop_class in sop_classes:
        ae.add_supported_context(sop_class, EXPLICIT, scu_role=True, scp_role=True)
    bound = [(getattr(evt, name), handler) for name, handler in handlers.items()]
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=bound)
    try:
        yield server.socket.getsockname()[1]
    finally:
        server.shutdown()


def request_for(sop_class: str, **more: Any) -> AssociateRequest:
    return propose("PEER", "ASKER", [(sop_class, [EXPLICIT])], **more)


def served(field: CommandField, heard: list[tuple[Request, bytes]], answer: Answer) -> dict[CommandField, Service]:
    """Make a service that notes what it hears."""

    def answerer(request: Request, data: bytes) -> Answer:
        heard.append((request, data))
        return answer

    return {field: answered_by(answerer)}


class Provider(QueryProvider):
    """Takes any SOP class, with the given services."""

    def _decide(self, request: AssociateRequest, _peer: str) -> Any:
        return negotiate(request, Policy(choose=lambda _uid, syntaxes: syntaxes[0], roles=lambda _uid, _roles: AS_BOTH))


def test_commitment_is_asked_for_and_told_on_the_same_association(asking: Asking) -> None:
    """The SCP's N-EVENT-REPORT comes to the services that the SCU connected with."""
    events: list[tuple[Request, bytes]] = []
    told: list[int] = []
    came = threading.Event()

    def tell(association: Any, transaction: str) -> None:
        event = Dataset()
        event.PatientID = transaction[-8:]
        status, _reply = association.send_n_event_report(
            event, ALL_COMMITTED, StorageCommitmentPushModel, StorageCommitmentPushModelInstance
        )
        told.append(status.Status)
        came.set()

    def act(event: evt.Event) -> tuple[int, None]:
        assert event.action_type == REQUEST_COMMITMENT
        # pynetdicom sends the event when this handler's answer is out
        threading.Thread(target=tell, args=(event.assoc, event.action_information.PatientID)).start()
        return 0x0000, None

    async def commit(exchange: Exchange) -> Response:
        sop_class, instance = StorageCommitmentPushModel, StorageCommitmentPushModelInstance
        response = await n_action(exchange, sop_class, instance, REQUEST_COMMITMENT, DATA)
        await Deferred.fromCoroutine(_until(exchange, came))
        return response

    services = served(CommandField.N_EVENT_REPORT_RQ, events, Answer(0x0000))
    with pynetdicom_provider(StorageCommitmentPushModel, EVT_N_ACTION=act) as port:
        response = asking.over(port, request_for(StorageCommitmentPushModel), commit, services)
    assert response.command.sop_instance == StorageCommitmentPushModelInstance
    ((request, data),) = events
    assert request.command.event_type == ALL_COMMITTED
    assert decode_identifier(data, EXPLICIT) == {PATIENT_ID: "P00001"}
    assert told == [0x0000]


async def _until(exchange: Exchange, event: threading.Event) -> None:
    """Let the association go on until something has come; whoever waits too long hears of it."""
    began = exchange._clock.seconds()
    while not event.is_set():
        assert exchange._clock.seconds() - began < 20
        await exchange.breath()


@pytest.mark.parametrize("role", ["its own context's", "none"])
def test_an_event_is_told_on_a_new_association_by_the_role_for_it(asking: Asking, role: str) -> None:
    """Who connects to tell is SCP there, which it has to say in the request (PS3.4 J.3.3)."""
    heard: list[str] = []

    def hear(event: evt.Event) -> tuple[int, None]:
        heard.append(event.event_information.PatientID)
        return 0x0000, None

    async def tell(exchange: Exchange) -> Response:
        return await n_event_report(exchange, StorageCommitmentPushModel, StorageCommitmentPushModelInstance, ALL_COMMITTED, DATA)

    with pynetdicom_provider(StorageCommitmentPushModel, EVT_N_EVENT_REPORT=hear) as port:
        if role == "none":
            with pytest.raises(NoContext, match="SCP"):
                asking.over(port, request_for(StorageCommitmentPushModel), tell)
            assert not heard
        else:
            request = request_for(StorageCommitmentPushModel, roles={StorageCommitmentPushModel: AS_SCP})
            assert asking.over(port, request, tell).command.event_type == ALL_COMMITTED
            assert heard == ["P00001"]


def test_pynetdicom_asks_us_for_commitment_and_hears_of_it_on_the_same_association() -> None:
    heard: list[str] = []
    came = threading.Event()

    async def tell(exchange: Exchange, data: bytes) -> None:
        await n_event_report(exchange, StorageCommitmentPushModel, StorageCommitmentPushModelInstance, ALL_COMMITTED, data)

    def act(request: Request, data: bytes) -> Answer:
        Deferred.fromCoroutine(_after(request.exchange, lambda: tell(request.exchange, data)))
        return Answer(0x0000, fields={"action_type": request.command.action_type})

    def hear(event: evt.Event) -> tuple[int, None]:
        heard.append(event.event_information.PatientID)
        came.set()
        return 0x0000, None

    ae = AE("ASKER")
    ae.add_requested_context(StorageCommitmentPushModel, EXPLICIT)
    action = Dataset()
    action.PatientID = "P00002"
    with Provider(Table([]), services={CommandField.N_ACTION_RQ: answered_by(act)}) as provider:
        association = ae.associate("127.0.0.1", provider.port, evt_handlers=[(evt.EVT_N_EVENT_REPORT, hear)])
        sop_class, instance = StorageCommitmentPushModel, StorageCommitmentPushModelInstance
        status, _reply = association.send_n_action(action, REQUEST_COMMITMENT, sop_class, instance)
        assert came.wait(20)
        association.release()
    assert status.Status == 0x0000
    assert heard == ["P00002"]


async def _after(exchange: Exchange, then: Callable[[], Any]) -> None:
    """Do something once the answer that is being made is out."""
    await exchange.breath()
    await then()


def test_pynetdicom_tells_us_of_commitment_on_a_new_association() -> None:
    events: list[tuple[Request, bytes]] = []
    ae = AE("TELLER")
    ae.add_requested_context(StorageCommitmentPushModel, EXPLICIT)
    event = Dataset()
    event.PatientID = "P00003"
    with Provider(Table([]), services=served(CommandField.N_EVENT_REPORT_RQ, events, Answer(0x0000))) as provider:
        roles = [build_role(StorageCommitmentPushModel, scp_role=True)]
        association = ae.associate("127.0.0.1", provider.port, ext_neg=roles)
        sop_class, instance = StorageCommitmentPushModel, StorageCommitmentPushModelInstance
        status, _reply = association.send_n_event_report(event, ALL_COMMITTED, sop_class, instance)
        association.release()
    assert status.Status == 0x0000
    assert [decode_identifier(data, EXPLICIT) for _request, data in events] == [{PATIENT_ID: "P00003"}]


def test_a_procedure_step_is_created_and_changed_at_pynetdicom(asking: Asking) -> None:
    steps: dict[str, Dataset] = {}

    def create(event: evt.Event) -> tuple[int, Dataset]:
        uid = event.request.AffectedSOPInstanceUID
        steps[uid] = event.attribute_list
        return 0x0000, event.attribute_list

    def change(event: evt.Event) -> tuple[int, Dataset]:
        uid = event.request.RequestedSOPInstanceUID
        if uid not in steps:
            return 0x0112, Dataset()
        steps[uid].update(event.modification_list)
        return 0x0000, steps[uid]

    uid = str(generate_uid())

    async def perform(exchange: Exchange) -> list[Response]:
        answers = [
            await n_create(exchange, ModalityPerformedProcedureStep, uid, DATA),
            await n_set(exchange, ModalityPerformedProcedureStep, uid, encode_identifier({PATIENT_NAME: "A^B"}, EXPLICIT)),
        ]
        with pytest.raises(RequestFailed, match="0112") as raised:
            await n_set(exchange, ModalityPerformedProcedureStep, "1.2.3", DATA)
        return [*answers, raised.value.response]

    with pynetdicom_provider(ModalityPerformedProcedureStep, EVT_N_CREATE=create, EVT_N_SET=change) as port:
        created, changed, refused = asking.over(port, request_for(ModalityPerformedProcedureStep), perform)
    assert (created.command.sop_instance, changed.command.sop_instance) == (uid, uid)
    assert decode_identifier(changed.data or b"", EXPLICIT) == {PATIENT_ID: "P00001", PATIENT_NAME: "A^B"}
    assert refused.command.status == 0x0112
    assert steps.keys() == {uid}


def test_pynetdicom_creates_and_changes_a_procedure_step_at_ours() -> None:
    steps: dict[str, dict[int, str]] = {}

    def create(request: Request, data: bytes) -> Answer:
        steps["2.25.77"] = decode_identifier(data, request.transfer_syntax)
        return Answer(0x0000, fields={"sop_instance": "2.25.77"})

    async def change(request: Request, data: bytes) -> Answer:
        await request.exchange.breath()
        step = steps.get(request.command.requested_sop_instance or "")
        if step is None:
            raise RequestRefused(0x0112, "no such step")
        step.update(decode_identifier(data, request.transfer_syntax))
        return Answer(0x0000, encode_identifier(step, request.transfer_syntax))

    ae = AE("ASKER")
    ae.add_requested_context(ModalityPerformedProcedureStep, EXPLICIT)
    first, second = Dataset(), Dataset()
    first.PatientID, second.PatientName = "P00004", "C^D"
    services = {CommandField.N_CREATE_RQ: answered_by(create), CommandField.N_SET_RQ: answered_by(change)}
    with Provider(Table([]), services=services) as provider:
        association = ae.associate("127.0.0.1", provider.port)
        created, _ = association.send_n_create(first, ModalityPerformedProcedureStep, None)
        changed, step = association.send_n_set(second, ModalityPerformedProcedureStep, "2.25.77")
        refused, _ = association.send_n_set(second, ModalityPerformedProcedureStep, "2.25.78")
        association.release()
    assert created.Status == 0x0000
    assert (changed.Status, step.PatientID, step.PatientName) == (0x0000, "P00004", "C^D")
    assert (refused.Status, refused.ErrorComment) == (0x0112, "no such step")


def test_a_printer_is_read_and_a_film_session_deleted_under_their_meta_sop_class(asking: Asking) -> None:
    asked: list[Any] = []

    def read(event: evt.Event) -> tuple[int, Dataset]:
        asked.append([int(tag) for tag in event.attribute_identifiers])
        answer = Dataset()
        answer.PatientID = "P00005"
        return 0x0000, answer

    def delete(event: evt.Event) -> int:
        asked.append(event.request.RequestedSOPInstanceUID)
        return 0x0000

    async def use(exchange: Exchange) -> Response:
        meta = BasicGrayscalePrintManagementMeta
        with pytest.raises(NoContext):
            await n_get(exchange, Printer, PrinterInstance)
        answer = await n_get(exchange, Printer, PrinterInstance, [PATIENT_ID], under=meta)
        await n_delete(exchange, BasicFilmSession, "2.25.5", under=meta)
        return answer

    with pynetdicom_provider(BasicGrayscalePrintManagementMeta, EVT_N_GET=read, EVT_N_DELETE=delete) as port:
        answer = asking.over(port, request_for(BasicGrayscalePrintManagementMeta), use)
    assert decode_identifier(answer.data or b"", EXPLICIT) == {PATIENT_ID: "P00005"}
    assert asked == [[PATIENT_ID], "2.25.5"]
