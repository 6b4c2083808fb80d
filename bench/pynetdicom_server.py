"""pynetdicom's least storage SCP: `python -m bench.pynetdicom_server PORT DIRECTORY` writes what comes as it comes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import cast

from pynetdicom import AE, AllStoragePresentationContexts, evt
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.events import Event

SUCCESS = 0x0000


def main() -> None:
    """Listen until the process is ended."""
    port, directory = int(sys.argv[1]), Path(sys.argv[2])

    def store(event: Event) -> int:
        request = cast("C_STORE", event.request)
        (directory / str(request.AffectedSOPInstanceUID)).write_bytes(event.encoded_dataset())
        return SUCCESS

    entity = AE("BENCH")
    entity.maximum_associations = 64
    entity.supported_contexts = AllStoragePresentationContexts
    entity.start_server(("127.0.0.1", port), evt_handlers=[(evt.EVT_C_STORE, store)])


if __name__ == "__main__":
    main()
