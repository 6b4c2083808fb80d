"""The text file of a moved image says whose it is in both of its sections, and is the same otherwise."""

from __future__ import annotations

import pytest

from rpcs.text_corrections import Identity, corrected_text

IDENTITY = Identity(
    "NEWNAME,UNA",
    {"0010,0010": "NEWNAME^UNA", "0010,0020": "666000002", "0010,0030": "<unknown>", "0010,0040": "F", "0008,0050": "A2"},
)
BEFORE = """$$BEGIN DATA1
PATIENTS_NAME=OLDNAME,OTTO
PATIENTS_ID=666000001
PATIENTS_BIRTH_DATE=19500115
PATIENTS_AGE=070Y
PATIENTS_SEX=M
ACCESSION_NUMBER=A1
STUDY_ID=1
$$END DATA1
$$BEGIN DICOM DATA
0008,0050|Accession Number^SH|1,1|A1
0008,1140.1^0008,1155|Referenced SOP Instance UID^UI|1,1|1.2
0010,0010|Patient's Name^PN|1,1|OLDNAME^OTTO
0010,0010|Patient's Name^PN|1,2|=more of it
0010,0020|Patient ID^LO|1,1|666000001
0010,0030|Patient's Birth Date^DA|1,1|19500115
0010,0040|Patient's Sex^CS|1,1|M
0040,0275.1^0008,0050|Accession Number^SH|1,1|A1
$$END DICOM DATA
"""
AFTER = """$$BEGIN DATA1
PATIENTS_NAME=NEWNAME,UNA
PATIENTS_ID=666000002
PATIENTS_BIRTH_DATE=<unknown>
PATIENTS_AGE=070Y
PATIENTS_SEX=F
ACCESSION_NUMBER=A2
STUDY_ID=1
$$END DATA1
$$BEGIN DICOM DATA
0008,0050|Accession Number^SH|1,1|A2
0008,1140.1^0008,1155|Referenced SOP Instance UID^UI|1,1|1.2
0010,0010|Patient's Name^PN|1,1|NEWNAME^UNA
0010,0020|Patient ID^LO|1,1|666000002
0010,0030|Patient's Birth Date^DA|1,1|<unknown>
0010,0040|Patient's Sex^CS|1,1|F
0040,0275.1^0008,0050|Accession Number^SH|1,1|A1
$$END DICOM DATA
"""


@pytest.mark.parametrize("line_end", ["\r\n", "\n"])
def test_both_sections_say_who_it_is(line_end: str) -> None:
    before, after = (text.replace("\n", line_end) for text in (BEFORE, AFTER))
    assert corrected_text(before, IDENTITY) == after
    assert corrected_text(after, IDENTITY) == after


@pytest.mark.parametrize("text", ["", "\r\n", "0010,0010", "=", "0010,0010|", "PATIENTS_NAME", "anything at all\r\n"])
def test_what_is_no_line_of_such_a_file_stays(text: str) -> None:
    assert corrected_text(text, IDENTITY) == text
