"""The error trap (^%ZTER): what failed goes into ERROR LOG (#3.075) with its traceback, to the client as an M error."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass

from sqlalchemy import Connection, delete, insert

from fileman import Store, StoreClosed, next_ien, to_fileman
from fileman.files import ErrorLog
from rpcs import MError, Session
from runtime import Clock

log = logging.getLogger(__name__)

#: The entries that the log keeps; older ones go.
KEPT = 10_000
#: The entries of clients without a user that are taken in a minute.
STRANGERS_A_MINUTE = 60
#: Characters of a traceback that are kept.
TRACEBACK_LIMIT = 20_000

#: What an exception of Python would be in M: the error's text and its code.
_IN_M: tuple[tuple[type[Exception], str, str], ...] = (
    (ZeroDivisionError, "Attempt to divide by zero", "150373210,-%GTM-E-DIVZERO"),
    (OverflowError, "Numeric overflow", "150373506,-%GTM-E-NUMOFLOW"),
    (RecursionError, "Stack overflow", "150373002,-%GTM-E-STACKOFLOW"),
    (MemoryError, "Error allocating memory", "150374058,-%GTM-E-MEMORY"),
    (LookupError, "Undefined local variable: {0}", "150373850,-%GTM-E-UNDEF"),
    (NameError, "Undefined local variable: {0}", "150373850,-%GTM-E-UNDEF"),
)
_OTHER = ("{1}", "150381234,-%GTM-E-SETECODE")


def as_m_error(error: Exception, routine: str) -> MError:
    """Say a handler's exception as M would; names of variables are told, other messages are not: they may hold data."""
    if isinstance(error, MError):
        return error
    known = (entry[1:] for entry in _IN_M if isinstance(error, entry[0]))
    text, code = next(known, _OTHER)
    name = str(error.args[0])[:30] if isinstance(error, NameError) and error.args else type(error).__name__
    return MError(f"{routine}, {text.format(name, type(error).__name__)},{code}")


@dataclass(slots=True)
class ErrorTrap:
    """Writes the error log. What clients without a user bring about is written up to a bound, so that they cannot flood it."""

    store: Store
    clock: Clock
    _minute: int = 0
    _strangers: int = 0

    def record(self, session: Session, error: MError, rpc: str, cause: BaseException | None = None) -> Future[None]:
        """Write an entry; the future resolves when it is on disk, or could not be written, which the process log tells."""
        done: Future[None] = Future()
        if not session.duz and self._flooded(session, error):
            done.set_result(None)
            return done
        shown = "".join(traceback.format_exception(cause or error))[-TRACEBACK_LIMIT:]
        at = to_fileman(self.clock.now())

        def work(connection: Connection) -> None:
            entry = next_ien(connection, "error_log")
            facts = {
                "ien": entry,
                "at": at,
                "text": error.text[:2000],
                "last_reference": error.reference[:255],
                "rpc": rpc[:255],
                "duz": session.duz,
                "address": session.address,
                "context": session.context,
                "traceback": shown,
            }
            connection.execute(insert(ErrorLog).values(facts))
            connection.execute(delete(ErrorLog).where(ErrorLog.ien <= entry - KEPT))

        try:
            self.store.write(work).add_done_callback(_settle(done))
        except StoreClosed:
            done.set_result(None)
        return done

    def _flooded(self, session: Session, error: MError) -> bool:
        """Count an error of somebody who is not signed on; tell whether there were too many in this minute."""
        minute = int(self.clock.seconds()) // 60
        if minute != self._minute:
            self._minute, self._strangers = minute, 0
        self._strangers += 1
        if self._strangers == STRANGERS_A_MINUTE + 1:
            text = "errors of clients that are not signed on come too fast for the error log; the last was of %s: %s"
            log.warning(text, session.address, error.text[:200])
        return self._strangers > STRANGERS_A_MINUTE


def _settle(done: Future[None]) -> Callable[[Future[None]], None]:
    def settle(written: Future[None]) -> None:
        if (why := written.exception()) is not None:
            log.error("the error log could not be written: %s", why)
        done.set_result(None)

    return settle
