"""The message blocks of IMAGE PROCESSING: what an error leaves, and what the next one makes of it."""

from __future__ import annotations

from rpcs.image_processing.messages import Messages, Results


def test_an_error_ends_with_its_last_message() -> None:
    messages = Messages()
    messages.begin("one", "two")
    assert messages.block("STORE", "-2", "MAGDIR81") == ["STORE|-2||MAGDIR81|", "MSG||one", "MSG|END|two"]


def test_an_error_without_messages_says_so() -> None:
    told = Messages().block("STORE", "-1", "MAGDIR81")
    assert told == ["STORE|-1||MAGDIR81|", 'MSG|END|Error Code: "-1"  (no further information is available)']


def test_the_part_that_gave_up_takes_the_first_line_of_a_finished_error() -> None:
    messages = Messages()
    messages.begin("the reason", "more")
    messages.local_error("MAGDIR9A")
    messages.encountered("MAGDIR9A", "-302")
    assert messages.block("STORE", "-302", "MAGDIR81") == [
        "STORE|-302|DICOM IMAGE PROCESSING ERROR|MAGDIR81|0",
        'MSG||A problem was encountered by routine MAGDIR9A     Error Code: "-302"',
        "MSG||more",
        'MSG||Problem detected by routine MAGDIR9A.     Error Code: "-302"',
        "MSG|END|",
    ]


def test_a_locked_exam_shows_the_messages_of_the_image_before_it_once_more() -> None:
    messages = Messages()
    messages.begin("-2,BAD CASE #")
    messages.encountered("MAGDIR9A", "-399^radiology exam locked")
    assert messages.block("STORE", "-399^radiology exam locked", "MAGDIR81") == [
        "STORE|-399^radiology exam locked||MAGDIR81|",
        "MSG||-2,BAD CASE #",
        'MSG|END|A problem was encountered by routine MAGDIR9A     Error Code: "-399^radiology exam locked"',
    ]


def test_what_halts_image_processing_is_critical_and_names_the_gateway() -> None:
    results = Results()
    results.messages.begin("", "something is wrong")
    results.messages.critical_error("MAGDIR9B", "GW", "SOMETHING")
    results.error("STORE", "-104", "MAGDIR81")
    assert results.lines[0] == "STORE|-104|DICOM IMAGE PROCESSING ERROR - SOMETHING|MAGDIR81|1"
    assert 'MSG||Gateway: "GW"' in results.lines
    assert 'MSG||Problem detected by routine MAGDIR9B.     Error Code: "-104"' in results.lines
    assert results.answer()[0] == str(len(results.lines) + 1)
