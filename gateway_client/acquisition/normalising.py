"""The names of patients are normalised in the spool, before the journal knows an object: what is filed and told is one form."""

from __future__ import annotations

import contextlib
import logging
import os
from dataclasses import replace

from gateway_client.errors import ModificationError, NotPart10
from gateway_client.objects.elements import DEFLATED
from gateway_client.objects.patient_name import normalise, normalised
from gateway_client.objects.rewriting import rewrite
from gateway_client.reception.spool import Spool, SpooledFile
from runtime import sync_directory

log = logging.getLogger(__name__)


def normalise_file(spool: Spool, file: SpooledFile) -> SpooledFile:
    """Normalise the name in a file of the spool, and give the file as it is now.

    Cut off anywhere it leaves the file as it came or as it is to be, and may be done again. What cannot be changed stays as it
    came, and so does a deflated data set: it could not be sent with its name restored but by deflating it anew.
    """
    if file.meta.transfer_syntax == DEFLATED or _is_normal(file):
        return file
    path, temporary = spool.path(file.name), spool.directory / "tmp" / f"{file.name}.named"
    try:
        rewritten = rewrite(path, temporary, normalise, spool.max_object_bytes)
        if rewritten is None:
            return file
        os.rename(temporary, path)
    except (ModificationError, NotPart10, OSError) as error:
        log.warning("the patient's name in %s stays as it came: %s", path, error)
        with contextlib.suppress(OSError):
            temporary.unlink()
        return file
    except Exception:  # its sender was told that it is safe: whatever its header is like, it is filed as it came
        log.exception("the patient's name in %s stays as it came", path)
        with contextlib.suppress(OSError):
            temporary.unlink()
        return file
    try:
        sync_directory(path.parent)
    except OSError as error:
        log.error("%s cannot be made durable: %s", path, error)
    return replace(file, size=rewritten.size, digest=rewritten.digest, header=None)


def _is_normal(file: SpooledFile) -> bool:
    """Tell from the header, where it was read, that there is nothing to do."""
    if file.header is None:
        return False
    name = file.header.patient_name.partition("=")[0]
    return normalised(name) == name
