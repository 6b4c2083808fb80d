"""Objects without the identity of their patients: the Basic Application Level Confidentiality Profile (PS3.15 annex E)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from fnmatch import fnmatchcase

from gateway_client.coercion.dummies import dummy
from gateway_client.coercion.profile import BASIC, FULL_DATES, MODIFIED_DATES, UIDS, Action, Option, options_of, profile_with
from gateway_client.coercion.pseudonyms import Pseudonyms
from gateway_client.errors import MayShowIdentity
from gateway_client.objects.editing import Edit, Level, edit
from gateway_client.objects.header import SOP_CLASS_UID, SOP_INSTANCE_UID
from gateway_client.objects.scanning import known_vr
from gateway_client.objects.spans import Bytes, Encoding, Span
from gateway_client.objects.splicing import PATIENT_ID, PATIENT_NAME, Modified
from runtime import PRIVATE_ELEMENT, DeidentificationSettings

_BIRTH_DATE, _BURNED_IN, _TEXT_VALUE = 0x00100030, 0x00280301, 0x0040A160
_REMOVED, _METHOD, _METHOD_CODES, _TIMES_MODIFIED = 0x00120062, 0x00120063, 0x00120064, 0x00280303
_CODE_VALUE, _CODING_SCHEME, _CODE_MEANING = 0x00080100, 0x00080102, 0x00080104
_CURVES, _OVERLAYS = range(0x5000, 0x5100), range(0x6000, 0x6100)
_OVERLAY_DATA, _OVERLAY_TYPE, _OVERLAY_BIT = 0x3000, 0x0040, 0x0102
#: Overlay Description, Label and Comments.
_OVERLAY_TEXTS = {0x0022, 0x1500, 0x4000}
#: UIDs beside the table that name kinds and schemes, not instances.
_KINDS = {
    SOP_CLASS_UID, 0x0008001A, 0x0008001B, 0x00080062, 0x0008010C, 0x0008010D, 0x00080117, 0x00080118, 0x0008040E, 0x00081150,
    0x0008115A, 0x00083002, 0x00340003, 0x04000010, 0x04000510, 0x30100052, 0x30100053,
}  # fmt: skip
#: VRs of what keeps its value in an item that says nothing.
_SHAPES = {"CS", "US", "UL", "SS", "SL", "AT"}
#: VRs by which it is judged what is in an attribute: one that is written with another does not stay.
_JUDGED = {"SQ", "PN", "UI", "DA", "DT", "TM"}
#: Secondary captures, ultrasound, photographs and videos: equipment writes into these what was on its screen.
_SCREENS = re.compile(r"1\.2\.840\.10008\.5\.1\.4\.1\.1\.(7|3|6|77\.1)(\..*)?")
_DOCUMENTS = re.compile(r"1\.2\.840\.10008\.5\.1\.4\.1\.1\.104\..*")
#: A date that can be put back, and what stays behind it.
_MOMENTS = {
    "DA": re.compile(r"(?P<day>[0-9]{8})(?P<time>)"),
    "DT": re.compile(r"(?P<day>[0-9]{8})(?P<time>[0-9.+-]*)"),
    "TM": re.compile(r"(?P<day>)(?P<time>[0-9.:]*)"),
}
_METHOD_TEXT = "PS3.15 Basic Application Level Confidentiality Profile"


class Deidentification:
    """The profile with the options of one destination."""

    def __init__(self, settings: DeidentificationSettings, pseudonyms: Pseudonyms) -> None:
        self.settings = settings
        self.pseudonyms = pseudonyms
        self.options = options_of(settings)
        self.profile = profile_with(self.options)
        matches = [match for match in map(PRIVATE_ELEMENT.fullmatch, settings.safe_private) if match]
        self.safe = {(int(match[1], 16), int(match[2], 16), match[3]) for match in matches}

    def change(self, data: Bytes, encoding: Encoding) -> Modified | None:
        """Give an object without identity, as another instance. Raises MayShowIdentity and ModificationError."""
        one = _Object(self)
        modified = edit(data, encoding, one.top)
        return None if modified is None else replace(modified, pieces=modified.pieces[:-1], sop_instance_uid=one.sop_instance_uid)

    def is_clean(self, texts: tuple[str, ...]) -> bool:
        """Tell whether all values are among those that settings say to have no identity."""
        patterns = [pattern.upper() for pattern in self.settings.clean_descriptors]
        return all(any(fnmatchcase(text.upper(), pattern) for pattern in patterns) for text in texts)


@dataclass(slots=True)
class _Object:
    """One object while it is de-identified: whose it is, and which it becomes."""

    by: Deidentification
    identity: str = ""
    sop_instance_uid: str = ""

    def top(self, level: Level) -> Edit:
        """Say what becomes of the data set itself."""
        self._check(level)
        name = "\\".join(level.texts(PATIENT_NAME)).rstrip("^ ")
        self.identity = level.text(PATIENT_ID) or f"{name}\0{level.text(_BIRTH_DATE)}"
        found = self.inside(level)
        times = "UNMODIFIED" if FULL_DATES in self.by.options else "MODIFIED" if MODIFIED_DATES in self.by.options else "REMOVED"
        codes = b"".join(_code(level.encoding, option) for option in (BASIC, *self.by.options))
        for tag, vr, value in (
            (_REMOVED, "CS", b"YES"),
            (_METHOD, "LO", _METHOD_TEXT.encode("ascii")),
            (_METHOD_CODES, "SQ", codes),
            (_TIMES_MODIFIED, "CS", times.encode("ascii")),
        ):
            found.entered.pop(tag, None)
            found.gone.discard(tag)
            found.written[tag] = vr, value
        uid = level.text(SOP_INSTANCE_UID)
        self.sop_instance_uid = uid if UIDS in self.by.options else self.by.pseudonyms.uid(uid)
        return found

    def _check(self, level: Level) -> None:
        """Raise MayShowIdentity for what cannot be de-identified by its attributes."""
        sop_class, burned_in = level.text(SOP_CLASS_UID), level.text(_BURNED_IN).upper()
        if _DOCUMENTS.fullmatch(sop_class):
            raise MayShowIdentity("It is not de-identified: an encapsulated document says whose it is in its own way.")
        if self.by.settings.send_burned_in:
            return
        if burned_in == "YES":
            raise MayShowIdentity("It is not de-identified: Burned In Annotation (0028,0301) is YES; send_burned_in allows it.")
        if burned_in != "NO" and _SCREENS.fullmatch(sop_class):
            raise MayShowIdentity(
                "It is not de-identified: pixels of its SOP class often show whose they are, and Burned In Annotation (0028,0301)"
                " is not NO; send_burned_in allows it."
            )
        if any(_lies_in_pixels(level, span) for span in level.spans):
            raise MayShowIdentity("It is not de-identified: an overlay lies in its Pixel Data; send_burned_in allows it.")

    def inside(self, level: Level) -> Edit:
        """Say what becomes of a data set or item."""
        found, safe = Edit(), self._safe_private(level)
        for span in level.spans:
            group = span.tag >> 16
            if group & 1:
                if span.tag not in safe:
                    found.gone.add(span.tag)
                elif span.vr == "SQ":
                    found.entered[span.tag] = self.inside
            elif group < 8 or group in _CURVES or not known_vr(span.tag):
                found.gone.add(span.tag)
            elif group in _OVERLAYS:
                self._overlay(level, span, found)
            else:
                self._apply(self.by.profile.action(span.tag), level, span, found)
        return found

    def _safe_private(self, level: Level) -> set[int]:
        """Give the private elements that stay, with the creators of their blocks."""
        blocks = {span.tag: level.value(span.tag).decode("latin-1").strip(" \0") for span in level.spans if _is_creator(span.tag)}
        kept = set[int]()
        for span in level.spans:
            creator = span.tag & 0xFFFF0000 | (span.tag >> 8 & 0xFF)
            if span.tag >> 16 & 1 and (span.tag >> 16, span.tag & 0xFF, blocks.get(creator, "")) in self.by.safe:
                kept |= {span.tag, creator}
        return kept

    def _overlay(self, level: Level, span: Span, found: Edit) -> None:
        """Keep an overlay that marks a region, without its texts, where graphics are cleaned; remove all others whole."""
        data, kind = span.tag & 0xFFFF0000 | _OVERLAY_DATA, span.tag & 0xFFFF0000 | _OVERLAY_TYPE
        is_kept = self.by.profile.action(data) is Action.CLEAN and level.text(kind) == "R"
        if not is_kept or span.tag & 0xFFFF in _OVERLAY_TEXTS:
            found.gone.add(span.tag)

    def _apply(self, action: Action | None, level: Level, span: Span, found: Edit) -> None:
        tag, vr = span.tag, level.vr(span.tag)
        if action is None:
            action = self._unnamed(tag, vr)
        if action in (Action.KEEP, Action.INNER) and vr != known_vr(tag) in _JUDGED:
            action = Action.REMOVE
        if vr == "SQ" and action in (Action.KEEP, Action.INNER):
            found.entered[tag] = self.inside
        elif vr == "SQ" and action is Action.DUMMY:
            found.entered[tag] = self.dummies
        elif action is Action.REMOVE:
            found.gone.add(tag)
        elif action in (Action.CLEAN, Action.SHIFT, Action.INNER):
            if not _TRIED[action](self, level, span, found):
                plain = Action.DUMMY if tag == _TEXT_VALUE else self.by.profile.plain(tag)
                self._apply(Action.REMOVE if plain is action else plain, level, span, found)
        elif action is not Action.KEEP:
            found.written[tag] = vr, self._value(action, level, tag, vr)

    def _unnamed(self, tag: int, vr: str) -> Action:
        """Say what becomes of an attribute that the table does not name: persons, moments and instances are not kept by it."""
        if tag == _TEXT_VALUE:
            return Action.CLEAN
        if vr == "UI":
            return Action.KEEP if tag in _KINDS or UIDS in self.by.options else Action.UID
        if vr in ("DA", "DT", "TM"):
            dates = {FULL_DATES: Action.KEEP, MODIFIED_DATES: Action.SHIFT}
            return next((action for option, action in dates.items() if option in self.by.options), Action.REMOVE)
        return {"SQ": Action.INNER, "PN": Action.ZERO}.get(vr, Action.KEEP)

    def _value(self, action: Action, level: Level, tag: int, vr: str) -> bytes:
        """Give what stands in place of a value."""
        if tag in (PATIENT_ID, PATIENT_NAME):
            return self.by.pseudonyms.patient(level.text(PATIENT_ID) or self.identity).encode("ascii")
        if vr == "UI" and action is not Action.ZERO:
            return "\\".join(map(self.by.pseudonyms.uid, level.texts(tag))).encode("ascii")
        return b"" if action is Action.ZERO else dummy(vr, len(level.value(tag)))

    def _clean(self, level: Level, span: Span, found: Edit) -> bool:
        """Keep what can be cleaned; tell whether it could."""
        if level.vr(span.tag) == "SQ":
            if span.tag != _GRAPHIC_ANNOTATIONS:
                return False
            found.entered[span.tag] = self.inside
            return True
        return self.by.is_clean(level.texts(span.tag)) and bool(level.texts(span.tag))

    def _shift(self, level: Level, span: Span, found: Edit) -> bool:
        """Put a date back; tell whether it is one. Times of day stay."""
        vr = level.vr(span.tag)
        matches = [_MOMENTS[vr].fullmatch(text) for text in level.texts(span.tag)] if vr in _MOMENTS else [None]
        try:
            values = [self._shifted(match) for match in matches]
        except (ValueError, OverflowError):
            return False
        found.written[span.tag] = vr, "\\".join(values).encode("ascii")
        return True

    def _shifted(self, match: re.Match[str] | None) -> str:
        """Put back the date in a value. Raises ValueError and OverflowError."""
        if match is None:
            raise ValueError("no date")
        day, time = match["day"], match["time"]
        shifted = self.by.pseudonyms.shifted(date.fromisoformat(day), self.identity).isoformat() if day else ""
        return f"{shifted.replace('-', '')}{time}"

    def _not_clean(self, _level: Level, _span: Span, _found: Edit) -> bool:
        return False

    def dummies(self, level: Level) -> Edit:
        """Say nothing in an item, which keeps its shape: terms that are defined stay, and numbers that tell places."""
        found = Edit()
        for span in level.spans:
            tag, vr = span.tag, level.vr(span.tag)
            if tag >> 16 & 1 or not known_vr(tag) or (vr != known_vr(tag) in _JUDGED):
                found.gone.add(tag)
            elif vr == "SQ":
                found.entered[tag] = self.dummies
            elif not (vr in _SHAPES and vr in known_vr(tag).split(" or ")) and tag not in _KINDS:
                found.written[tag] = vr, self._value(Action.DUMMY, level, tag, vr)
        return found


_GRAPHIC_ANNOTATIONS = 0x00700001
#: What is tried first for an action that may not be possible.
_TRIED: Mapping[Action, Callable[[_Object, Level, Span, Edit], bool]] = {
    Action.CLEAN: _Object._clean,
    Action.SHIFT: _Object._shift,
    Action.INNER: _Object._not_clean,
}


def _is_creator(tag: int) -> bool:
    return bool(tag >> 16 & 1) and 0x10 <= tag & 0xFFFF <= 0xFF


def _lies_in_pixels(level: Level, span: Span) -> bool:
    """Tell of an element whether it says that an overlay takes bits of the pixels that they leave free (PS3.5 8.1.2)."""
    is_bit = span.tag >> 16 in _OVERLAYS and span.tag & 0xFFFF == _OVERLAY_BIT
    return is_bit and level.text(span.tag) not in ("", "0") and span.tag & 0xFFFF0000 | _OVERLAY_DATA not in level.found


def _code(encoding: Encoding, option: Option) -> bytes:
    """Write an item of De-identification Method Code Sequence."""
    texts = ((_CODE_VALUE, "SH", option.code), (_CODING_SCHEME, "SH", "DCM"), (_CODE_MEANING, "LO", option.meaning))
    return encoding.item(b"".join(encoding.element(tag, vr, text.encode("ascii")) for tag, vr, text in texts))
