"""A DICOM peer: `dicom_peer.py serve PORT FOLDER` keeps what it is sent, `dicom_peer.py send HOST PORT FILE...` sends files."""

import sys
from collections.abc import Sequence
from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.uid import UID
from twisted.internet import reactor, task
from twisted.internet.defer import Deferred

from dul import (
    VERIFICATION,
    Answer,
    CommandField,
    Listener,
    Listening,
    Policy,
    Request,
    answered_by,
    c_store,
    connect,
    echo,
    may_be_stored,
    negotiate,
    propose,
)


def serve(port: int, folder: Path) -> None:
    """Answer C-ECHO, and C-STORE of every storage SOP class, until Ctrl-C."""

    def keep(request: Request, data: bytes) -> Answer:
        uid = UID(request.command.sop_instance or "")
        if not uid.is_valid:
            return Answer(0xC000)  # cannot understand
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = UID(request.abstract_syntax), uid
        meta.TransferSyntaxUID = UID(request.transfer_syntax)
        with (folder / f"{uid}.dcm").open("wb") as file:
            head = Dataset()
            head.file_meta = meta
            head.save_as(file, enforce_file_format=True)
            file.write(data)
        return Answer(0x0000)

    def choose(abstract_syntax: str, transfer_syntaxes: tuple[str, ...]) -> str | None:
        return transfer_syntaxes[0] if abstract_syntax == VERIFICATION or may_be_stored(abstract_syntax) else None

    services = {CommandField.C_ECHO_RQ: echo, CommandField.C_STORE_RQ: answered_by(keep, limit=1 << 30)}
    listening = Listening(lambda request, _peer: negotiate(request, Policy(choose=choose)), services)
    print(f"listening on {Listener(listening, reactor).listen(port).getHost().port}", flush=True)
    reactor.run()


async def send(host: str, port: int, paths: Sequence[Path]) -> None:
    """Send files over one association, each as it is."""
    objects = [dcmread(path) for path in paths]
    contexts = sorted({(item.SOPClassUID, item.file_meta.TransferSyntaxUID) for item in objects})
    request = propose("ANY-SCP", "EXAMPLE", [(sop_class, [syntax]) for sop_class, syntax in contexts])
    exchange = await connect(reactor, (host, port), request)
    for path, item in zip(paths, objects, strict=True):
        syntax = item.file_meta.TransferSyntaxUID
        data = DicomBytesIO()
        data.is_little_endian, data.is_implicit_VR = syntax.is_little_endian, syntax.is_implicit_VR
        write_dataset(data, item)
        answer = await c_store(exchange, item.SOPClassUID, item.SOPInstanceUID, syntax, data.getvalue())
        print(f"{path}: {answer.command.status:04X}")
    await exchange.release()


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(int(sys.argv[2]), Path(sys.argv[3]))
    else:
        paths = [Path(name) for name in sys.argv[4:]]
        task.react(lambda _reactor: Deferred.fromCoroutine(send(sys.argv[2], int(sys.argv[3]), paths)))
