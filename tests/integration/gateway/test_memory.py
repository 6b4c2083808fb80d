"""Memory: neither many objects nor a large one make the gateway grow."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

from pydicom.data import get_testdata_file

from gateway_client.objects.part10 import FileMeta, encode_head, read_meta
from tests.integration.gateway.conftest import storescu

PROGRAM = """
import resource, sys
from pathlib import Path
from gateway_client.configuration import Configuration
from gateway_client.reception.scp import StorageSCP
from gateway_client.reception.spool import Spool
from runtime import SystemClock
directory = Path(sys.argv[1])
received = []
spool = Spool(directory, SystemClock())
scp = StorageSCP(Configuration(directory, directory, dicom_port=0, stop_seconds=2.0), spool, received.append)
scp.start()
print(scp.port, flush=True)
for line in sys.stdin:
    for file in received:
        spool.remove(file.name)
    with open("/proc/self/status") as status:
        values = dict(line.split(":", 1) for line in status)
    print(len(received), sum(file.size for file in received), values["VmHWM"].split()[0], flush=True)
scp.stop()
"""
COPIES, LARGE = 80, 64 << 20


def object_of(path: Path, pixels: int) -> Path:
    """Write a CT object with so many bytes of pixel data."""
    source = Path(str(get_testdata_file("CT_small.dcm", download=False)))
    meta = read_meta(source)
    data = source.read_bytes()[meta.offset :]
    header = data[: data.index(b"\xe0\x7f\x10\x00OW")]
    with path.open("wb") as file:
        file.write(encode_head(FileMeta(meta.sop_class_uid, meta.sop_instance_uid, meta.transfer_syntax)) + header)
        file.write(b"\xe0\x7f\x10\x00OW\0\0" + pixels.to_bytes(4, "little"))
        file.write(bytes(pixels))
    return path


def test_receiving_more_than_100_mb_takes_less_than_a_tenth_of_it(tmp_path: Path) -> None:
    (tmp_path / "spool").mkdir()
    small, large = object_of(tmp_path / "small.dcm", 1 << 19), object_of(tmp_path / "large.dcm", LARGE)
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(PROGRAM), str(tmp_path / "spool")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        port = int(process.stdout.readline())

        def figures() -> list[int]:
            """Ask for objects, bytes, and the greatest resident size in KiB."""
            assert process.stdin is not None
            assert process.stdout is not None
            print(file=process.stdin, flush=True)
            return [int(word) for word in process.stdout.readline().split()]

        assert storescu(port, small).returncode == 0
        before = figures()
        assert storescu(port, large).returncode == 0
        assert storescu(port, *[small] * COPIES).returncode == 0
        after = figures()
        assert after[0] == 2 + COPIES
        assert after[1] > 100 << 20
        assert after[2] - before[2] < 12 << 10
        assert after[2] < 200 << 10
    finally:
        process.stdin.close()
        process.wait(20)
        process.stdout.close()
