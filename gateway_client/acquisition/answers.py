"""The RESULT list of MAG DICOM IMAGE PROCESSING, read into one outcome for each request in it (ENTRY^MAGDIR8)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from gateway_client.errors import AnswerMismatch

ALREADY_THERE, PARTIALLY_THERE, ASSOCIATION_PROBLEM, LOCKED = -1, 1, -2, -399
NOT_ON_FILE = "Image entry doesn't exist in image file"
#: The evaluation queue was not filled, or nobody empties it; the image is filed all the same.
PROCESSED_WARNINGS = {-402, -404, -405}


@dataclass(frozen=True, slots=True)
class Stored:
    """The image is filed: its entry number, and where its file belongs.

    `warning` is the text of `1 Image partially in the database`, which precedes the answer to an image that this gateway
    had begun before.
    """

    ien: int
    directory: str
    file: str
    hierarchical: bool
    patient: str = ""
    warning: str = ""


@dataclass(frozen=True, slots=True)
class AlreadyThere:
    """The SOP Instance UID is on file, under an entry of an earlier call."""

    messages: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Mismatch:
    """The image stands on the DICOM CORRECT list (#2006.575), for a reason such as `-4,PID ERROR`."""

    reason: str


@dataclass(frozen=True, slots=True)
class Locked:
    """Somebody works on the exam or its report; to be asked again."""

    what: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The broker could not do it; a critical failure halts a VA gateway until somebody has looked at it."""

    code: str
    title: str
    critical: bool
    messages: tuple[str, ...]

    @property
    def warning(self) -> bool:
        """Tell a PROCESSED that worked with a warning from one that did not."""
        return self.code in {str(code) for code in PROCESSED_WARNINGS}

    @property
    def reason(self) -> str:
        """Say it in one line."""
        said = " ".join(message.strip() for message in self.messages if message.strip())
        return f"{self.code} {said or self.title}".strip()


@dataclass(frozen=True, slots=True)
class Processed:
    """The image is queued: for the rules, for the jukebox."""

    ien: str


@dataclass(frozen=True, slots=True)
class TakenBack:
    """Whether the image is not on file any more, and what was said otherwise."""

    gone: bool
    message: str = ""


StoreOutcome = Stored | AlreadyThere | Mismatch | Locked | Failed
ProcessedOutcome = Processed | Failed


@dataclass(slots=True)
class _Block:
    """One result with the MSG elements after it."""

    opcode: str
    pieces: list[str]
    messages: list[str] = field(default_factory=list)

    @property
    def code(self) -> int | None:
        """The number that the first piece begins with."""
        digits = self.pieces[0].partition("^")[0].split(" ", 1)[0]
        return int(digits) if digits.lstrip("-").isdigit() else None


def read_store_answers(lines: Sequence[str], expected: int) -> list[StoreOutcome]:
    """Read the answers to `expected` pairs of STORE1 and STORE2, in their order.

    Raises AnswerMismatch when there are more or fewer: then nothing is known of any of them.
    """
    outcomes: list[StoreOutcome] = []
    warning = ""
    for block in _blocks(lines):
        if block.opcode != "STORE":
            continue
        if block.code == PARTIALLY_THERE:
            warning = " ".join(block.messages)
            continue
        outcomes.append(_store_outcome(block, warning))
        warning = ""
    _check(len(outcomes), expected, "STORE")
    return outcomes


def read_processed_answers(lines: Sequence[str], expected: int) -> list[ProcessedOutcome]:
    """Read the answers to `expected` PROCESSED elements. Raises AnswerMismatch.

    A warning (-402, -404, -405) either follows the echo of its element or stands in its place, as recorded for -405; in its
    place it is an outcome.
    """
    blocks = [block for block in _blocks(lines) if block.opcode == "PROCESSED"]
    plain = [block for block in blocks if block.code not in PROCESSED_WARNINGS]
    chosen = plain if len(plain) == expected else blocks
    _check(len(chosen), expected, "PROCESSED")
    return [_failed(block) if block.pieces[0] else Processed(_piece(block.pieces, 3)) for block in chosen]


def read_rollback_answers(lines: Sequence[str], expected: int) -> list[TakenBack]:
    """Read the answers to `expected` ROLLBACK elements. Raises AnswerMismatch.

    An image that is not on file was taken back before.
    """
    blocks = [block for block in _blocks(lines) if block.opcode == "ROLLBACK"]
    _check(len(blocks), expected, "ROLLBACK")
    messages = [_piece(block.pieces, 1) for block in blocks]
    return [
        TakenBack(block.code == 0 or message == NOT_ON_FILE, message) for block, message in zip(blocks, messages, strict=True)
    ]


def _check(found: int, expected: int, opcode: str) -> None:
    if found != expected:
        raise AnswerMismatch(f"The broker gave {found} {opcode} answers to {expected} requests.")


def _blocks(lines: Sequence[str]) -> list[_Block]:
    blocks: list[_Block] = []
    for line in lines[1:]:
        opcode, _, arguments = line.partition("|")
        if opcode == "MSG":
            if blocks:
                blocks[-1].messages.append(arguments.partition("|")[2])
        else:
            blocks.append(_Block(opcode, arguments.split("|")))
    return blocks


def _store_outcome(block: _Block, warning: str) -> StoreOutcome:
    code = block.code
    if code == 0:
        return _stored(block, warning)
    if code == ALREADY_THERE:
        return AlreadyThere(tuple(block.messages))
    if code == ASSOCIATION_PROBLEM:
        return Mismatch(block.messages[-1] if block.messages else block.pieces[0])
    if code == LOCKED:
        return Locked(block.pieces[0].partition("^")[2])
    return _failed(block)


def _stored(block: _Block, warning: str) -> Stored:
    number, directory, file, hierarchical = [*_piece(block.pieces, 1).split("^"), "", "", "", ""][:4]
    if not number.isdigit() or not file:
        raise AnswerMismatch(f"The broker stored an image and does not say where: {'|'.join(block.pieces)!r}.")
    return Stored(int(number), directory, file, hierarchical == "1", _piece(block.pieces, 2), warning)


def _failed(block: _Block) -> Failed:
    return Failed(block.pieces[0], _piece(block.pieces, 1), _piece(block.pieces, 3) == "1", tuple(block.messages))


def _piece(pieces: Sequence[str], index: int) -> str:
    return pieces[index] if index < len(pieces) else ""
