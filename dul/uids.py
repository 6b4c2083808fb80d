"""UIDs: SOP classes, by pynetdicom's tables, and those of peers, of whatever form."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from pydicom.config import disable_value_validation
from pynetdicom import AllStoragePresentationContexts, sop_class

VERIFICATION = "1.2.840.10008.1.1"
IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"
EXPLICIT_VR_BIG_ENDIAN = "1.2.840.10008.1.2.2"
_STORAGE = frozenset(str(context.abstract_syntax) for context in AllStoragePresentationContexts)
#: The SOP classes of all other services.
_OTHERS = frozenset(str(uid) for uid in vars(sop_class).values() if isinstance(uid, sop_class.SOPClass)) - _STORAGE
#: pydicom's setting is that of the process, which may have a reactor in more than one thread.
_TAKING_ANY = Lock()


@contextmanager
def any_uid() -> Iterator[None]:
    """Have pydicom say nothing of UIDs that are not quite: a peer could fill the log with them, one line for each."""
    with _TAKING_ANY, disable_value_validation():
        yield


def may_be_stored(uid: str) -> bool:
    """Tell whether objects of a SOP class may come by C-STORE: it is a storage class, a private one or one that nobody knows.

    Those of other services are not: queries, worklists, commitment, print.
    """
    return uid not in _OTHERS
