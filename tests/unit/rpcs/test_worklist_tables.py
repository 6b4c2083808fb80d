"""Worklists as tables: what a line says, and which line and column is wrong."""

from __future__ import annotations

import pytest

from rpcs.worklist import TableError, read_table, tables

HEADER = "accession,step_id,patient_id,patient_name,modality,start_date,start_time,station_ae_titles\n"
LINE = "T1,S1,P1,N,CT,20261124,1030,CT1\n"


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_table_is_read_as_programs_write_it(mark: str, delimiter: str, end: str) -> None:
    lines = [HEADER, 'T1,,P1,"DOE^JANE",CT,2026-11-24,10:30,CT1\\CT2\n', "\n", "T2,S2,P2,ROE,MR,20261125\n"]
    text = mark + "".join(lines).replace(",", delimiter).replace("\n", end)
    first, second = read_table(text)
    assert (first.line, second.line) == (2, 4)
    assert first.values == {
        "accession": "T1",
        "step_id": "T1",
        "procedure_id": "T1",
        "patient_id": "P1",
        "patient_name": "DOE^JANE",
        "modality": "CT",
        "start_date": "20261124",
        "start_time": "1030",
        "station_ae_titles": "CT1\\CT2",
    }
    assert (second.values["step_id"], second.values["procedure_id"]) == ("S2", "T2")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (HEADER + LINE + "T2,S1,P1,N,ct,20261124,,\n", 'line 3, column modality: "ct" is no code'),
        (HEADER + "T1,S1,P1,N,CT,20261324,1030,CT1\n", 'line 2, column start_date: "20261324" is no date'),
        (HEADER + "T1,S1,P1,N,CT,,,\n", "line 2, column start_date: the start date is missing"),
        (HEADER + LINE + "\n" + LINE, "line 4: is the same step as line 2"),
        (HEADER + "T1,S1,P1,N,CT,20261124,,,,\n", "line 2: has 10 fields, the first line 8"),
        (HEADER + 'T1,"S1,P1\n', "line 2: this is not CSV"),
        ("accession,colour\n", "line 1, column colour: there is no column 'colour'"),
        ("accession,accession\n", "line 1, column accession: is there twice"),
        ("accession;modality\n", "line 1, column patient_id: is missing"),
        ("", "line 1, column accession: is missing"),
        (HEADER.replace(",", "\t") + "T1\tS1\tP1\tN\tCT\t20261124\t2530\t\n", 'line 2, column start_time: "2530" is no time'),
        (HEADER + LINE.replace("P1", "P" * 65), "line 2, column patient_id: is longer than 64 characters"),
        (HEADER + LINE.replace(",N,", ",N\x07,"), "line 2, column patient_name: holds a control character"),
        (HEADER + LINE.replace("CT1", "CT1" * 50_000), "line 2: this is not CSV: field larger than field limit"),
    ],
)
def test_what_is_wrong_with_a_table_is_told_with_line_and_column(text: str, said: str) -> None:
    with pytest.raises(TableError) as error:
        read_table(text)
    assert str(error.value).startswith(said)


def test_a_table_has_a_bounded_number_of_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "MOST_LINES", 3)
    text = HEADER + "".join(f"T{number},,P1,N,CT,20261124\n" for number in range(4))
    with pytest.raises(TableError, match="line 5: a table has at most 3 steps"):
        read_table(text)
