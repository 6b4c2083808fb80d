"""A program that takes what modalities send: secondary captures in memory, everything else in a folder by patient.

Run it with a port and a folder; it prints what it takes, and ends when its standard input does.
"""

import re
import sys
from pathlib import Path

from magbroker.gateway import Application, FileMeta, Keep, Listener, Origin, Place, StoredObject

SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"


class Sorter(Application):
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def accept_connection(self, origin: Origin) -> bool:
        return origin.calling != "STRANGER"

    def choose_place(self, meta: FileMeta, origin: Origin) -> Place:
        return Keep.MEMORY if meta.sop_class_uid == SECONDARY_CAPTURE else Keep.SPOOL

    def accept_object(self, stored: StoredObject) -> bool:
        dataset = stored.dataset()
        patient = re.sub(r"\W", "_", str(dataset.get("PatientID", "")))
        if not patient:
            return False  # its sender hears C000H
        if stored.file is not None:
            stored = stored.move(self.folder / patient / stored.file.name)
        print(f"{patient}: {dataset.SOPClassUID.name}, {len(stored.data) or 'file'}", flush=True)
        return True


if __name__ == "__main__":
    port, folder = int(sys.argv[1]), Path(sys.argv[2]).absolute()
    with Listener(Sorter(folder), folder, port=port, ae_title="SORTER") as listener:
        print(f"listening on port {listener.port}", flush=True)
        sys.stdin.read()
