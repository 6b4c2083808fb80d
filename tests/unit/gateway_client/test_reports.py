"""What receiving processes report comes as it was, however it is cut."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway_client.objects.header import HeaderItem, InstanceHeader
from gateway_client.objects.part10 import FileMeta
from gateway_client.reception.reports import READY, ReportReader, encode_report
from gateway_client.reception.spool import Origin, SpooledFile

META = FileMeta("1.2.840.10008.5.1.4.1.1.2", "1.2.3", "1.2.840.10008.1.2.1", "CT1", "ARCHIVE", 340)
HEADER = InstanceHeader(
    sop_instance_uid="1.2.3",
    patient_name="MÜLLER^Ä",
    items=(HeaderItem("0010,0010", "PN", 1, "MÜLLER^Ä"), HeaderItem("0040,0275>1>0040,1001", "SH", 2, "")),
)
FILE = SpooledFile("1-2-00000000.dcm", META, 5 << 30, "ab" * 32, 1763812345.678901, Origin("CT1", "ARCHIVE", "::1"), HEADER)
FILES = [
    FILE,
    replace(FILE, name="no header", header=None),
    replace(FILE, name="no sender", origin=Origin(), meta=replace(META, offset=0)),
    replace(FILE, name="a long header", header=HEADER._replace(items=HEADER.items * 300)),
]
WRITTEN = READY + b"".join(map(encode_report, FILES))


@pytest.mark.parametrize("size", [1, 3, 1000, len(WRITTEN)])
def test_reports_are_read_as_they_were_written_in_pieces_of_any_size(size: int) -> None:
    reader = ReportReader()
    read = [file for at in range(0, len(WRITTEN), size) for file in reader.read(WRITTEN[at : at + size])]
    assert read == FILES
    assert [file.header for file in read] == [file.header for file in FILES]
    assert {type(item) for file in read if file.header for item in file.header.items} == {HeaderItem}


def test_what_is_cut_off_is_nothing() -> None:
    assert list(ReportReader().read(encode_report(FILE)[:-1])) == []
    assert [file.name for file in ReportReader().read(WRITTEN[:-1])] == [file.name for file in FILES[:-1]]
