"""What is known of an image when rules judge it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """An image's values by keyword; a keyword that is missing is undefined, one with several values is multi-valued.

    `urgency` is the order's, empty when there is none. `urgency_found` tells whether VistA's look-up finds it: the report
    must bear a legacy accession number. `group` is the IEN of the image's group, 0 when it has none. A DICOM element stands
    under the keyword that conditions use (`rules.language.ast.Condition`); one inside sequences has the values of all items.
    """

    image: int
    study_uid: str
    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    urgency: str = ""
    urgency_found: bool = True
    group: int = 0
