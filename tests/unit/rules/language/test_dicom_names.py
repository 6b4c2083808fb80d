"""A property has one name in rules, whatever it is called; and the name leads back to the header."""

from __future__ import annotations

import pytest

from rules.language.dicom_names import is_known, keyword_of, keyword_of_path, tags_of

#: What a person may write, what it is in a rule, and the tags that lead to it.
NAMES = [
    ("MODALITY", "MODALITY", ()),
    ("Modality", "MODALITY", ()),  # VistA's own
    ("(0008,0060)", "(0008,0060)", ("0008,0060",)),  # the header's
    ("StudyTime", "(0008,0030)", ("0008,0030",)),  # VistA's STUDY_TIME is another
    ("BodyPartExamined", "BODY_PART_EXAMINED", ("0018,0015",)),
    ("bodypartexamined", "BODY_PART_EXAMINED", ("0018,0015",)),
    ("body_part_examined", "BODY_PART_EXAMINED", ("0018,0015",)),
    ("(0018,0015)", "BODY_PART_EXAMINED", ("0018,0015",)),
    ("(0010,0010)", "PATIENT_S_NAME", ("0010,0010",)),
    ("PatientName", "PATIENT_S_NAME", ("0010,0010",)),
    ("(0009,10ab)", "(0009,10AB)", ("0009,10AB",)),  # a private one
    ("(0040,0275)>(0040,0007)", "(0040,0275)>(0040,0007)", ("0040,0275", "0040,0007")),
    (
        "RequestAttributesSequence.ScheduledProcedureStepDescription",
        "(0040,0275)>(0040,0007)",
        ("0040,0275", "0040,0007"),
    ),
    ("RequestAttributesSequence.(0040,0007)", "(0040,0275)>(0040,0007)", ("0040,0275", "0040,0007")),
    ("RequestAttributesSequence.Modality", "(0040,0275)>(0008,0060)", ("0040,0275", "0008,0060")),
    ("RequestAttributesSequence.Nothing", "REQUESTATTRIBUTESSEQUENCE.NOTHING", ()),
    ("CALLING_AE_TITLE", "CALLING_AE_TITLE", ("0002,0017",)),
    ("called_ae_title", "CALLED_AE_TITLE", ("0002,0018",)),
    ("(0002,0017)", "CALLING_AE_TITLE", ("0002,0017",)),
    ("SendingApplicationEntityTitle", "CALLING_AE_TITLE", ("0002,0017",)),
    ("RECEIVING_APPLICATION_ENTITY_TITLE", "CALLED_AE_TITLE", ("0002,0018",)),
    ("URGENT", "URGENT", ()),
    ("NO_SUCH_NAME", "NO_SUCH_NAME", ()),
]


@pytest.mark.parametrize(("text", "keyword", "tags"), NAMES)
def test_a_property_has_one_name_and_leads_to_its_element(text: str, keyword: str, tags: tuple[str, ...]) -> None:
    assert keyword_of(text) == keyword
    assert keyword_of(keyword) == keyword
    assert tags_of(keyword) == tags


@pytest.mark.parametrize(
    ("path", "keyword"),
    [
        ("0010,0010", "PATIENT_S_NAME"),
        ("0008,0060", "(0008,0060)"),
        ("0002,0017", "CALLING_AE_TITLE"),
        ("0009,10ab", "(0009,10AB)"),
        ("0040,0275>2>0040,0007", "(0040,0275)>(0040,0007)"),
        ("0040,0275>0040,0007", "(0040,0275)>(0040,0007)"),
    ],
)
def test_an_element_of_a_header_has_the_name_that_rules_use(path: str, keyword: str) -> None:
    assert keyword_of_path(path) == keyword
    assert ">".join(tags_of(keyword)).lower() == path.replace(">2>", ">").lower()


@pytest.mark.parametrize(
    ("keyword", "known"),
    [("MODALITY", True), ("PATIENT_S_NAME", True), ("(0009,1001)", True), ("MODALTY", False), ("A.B", False)],
)
def test_unknown_names_are_told_from_known_ones(keyword: str, known: bool) -> None:
    assert is_known(keyword) is known
