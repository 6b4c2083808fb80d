"""A sender that costs nearly nothing: `python -m bench.prepared_sender PORT FOLDER...`.

It reads the files of some folders and encodes their C-STORE requests, asks for an association, says so in a line, and begins when
it is told to by a line. Each object is sent when the one before it is answered.
"""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.image_sets import ImageSet
from dul import AssociateRequest, Command, CommandField, ProposedContext, decode_command, encode_command
from dul.associate_codec import encode_associate_request
from dul.pdata import split
from gateway_client.objects.part10 import read_meta

_MAXIMUM_PDU = 131072
_ACCEPT, _DATA = 2, 4
#: Bytes before the command set of a response that is one PDU: the PDU's head, and that of its only PDV.
_HEAD, _PDV_HEAD = 6, 6


class NotTaken(Exception):
    """The receiver answered otherwise than with success."""


@contextlib.contextmanager
def prepared(port: int, images: ImageSet, senders: int) -> Iterator[Callable[[], None]]:
    """Prepare senders, a process each, among which the folders of a set are shared out; gives what has them all send."""
    command = [sys.executable, "-m", "bench.prepared_sender", str(port)]
    shares = [[str(folder) for folder in images.folders[sender::senders]] for sender in range(senders)]
    processes = [
        subprocess.Popen([*command, *share], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for share in shares
    ]

    def send() -> None:
        for process in processes:
            assert process.stdin is not None
            print("go", file=process.stdin, flush=True)
        for process in processes:
            if process.wait():
                raise subprocess.CalledProcessError(process.returncode, process.args)

    with contextlib.ExitStack() as ending:
        for process in processes:
            ending.enter_context(process)
        for process in processes:
            assert process.stdout is not None
            process.stdout.readline()
        yield send


def main() -> None:
    """Send."""
    port, *folders = sys.argv[1:]
    files = sorted(file for folder in folders for file in Path(folder).iterdir())
    classes = sorted({(read_meta(file).sop_class_uid, read_meta(file).transfer_syntax) for file in files})
    contexts = {pair: 2 * place + 1 for place, pair in enumerate(classes)}
    messages = [_message(file, contexts, number % 60_000 + 1) for number, file in enumerate(files)]
    proposed = tuple(ProposedContext(number, sop_class, (syntax,)) for (sop_class, syntax), number in contexts.items())
    request = AssociateRequest("MAGBROKER", "PREPARED", proposed, maximum_length=_MAXIMUM_PDU, implementation_class_uid="1.2.3")
    with socket.create_connection(("127.0.0.1", int(port))) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(encode_associate_request(request))
        _check(_pdu(connection)[0] == _ACCEPT)
        print("ready", flush=True)
        sys.stdin.readline()
        for message in messages:
            connection.sendall(message)
            answer = _pdu(connection)
            _check(answer[0] == _DATA and decode_command(answer[_HEAD + _PDV_HEAD :]).status == 0)


def _message(file: Path, contexts: dict[tuple[str, str], int], number: int) -> bytes:
    meta = read_meta(file)
    command = Command(
        field=CommandField.C_STORE_RQ,
        message_id=number,
        sop_class=meta.sop_class_uid,
        sop_instance=meta.sop_instance_uid,
        priority=0,
        has_data=True,
    )
    context = contexts[meta.sop_class_uid, meta.transfer_syntax]
    return b"".join(split(context, encode_command(command), file.read_bytes()[meta.offset :], _MAXIMUM_PDU))


def _pdu(connection: socket.socket) -> bytes:
    head = _exactly(connection, _HEAD)
    return head + _exactly(connection, int.from_bytes(head[2:], "big"))


def _exactly(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        _check(bool(more := connection.recv(count - len(data))))
        data += more
    return data


def _check(condition: bool) -> None:
    if not condition:
        raise NotTaken


if __name__ == "__main__":
    main()
