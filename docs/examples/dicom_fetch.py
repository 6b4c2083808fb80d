"""A program that fetches a patient's studies from an archive, into a folder for each study; it keeps no image that is blank.

Run it with the archive's address and AE title, a Patient ID and a folder.
"""

import sys
from pathlib import Path

from magbroker.gateway import Application, FileMeta, Keep, Origin, Peer, Place, Requester, StoredObject


class Studies(Application):
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def choose_place(self, meta: FileMeta, origin: Origin) -> Place:
        return Keep.MEMORY

    def accept_object(self, stored: StoredObject) -> bool:
        dataset = stored.dataset()
        if not any(dataset.get("PixelData", b"")):
            return False  # the archive hears C000H, and counts it as failed
        stored.move(self.folder / dataset.StudyInstanceUID / f"{dataset.SeriesNumber}-{dataset.InstanceNumber}.dcm")
        return True


if __name__ == "__main__":
    host, _, port = sys.argv[1].partition(":")
    folder = Path(sys.argv[4]).absolute()
    archive = Requester(Peer(host, int(port), called=sys.argv[2], timeout=600))
    for study in archive.find("study", f"PatientID={sys.argv[3]}", "StudyInstanceUID"):
        fetched = archive.get(f"StudyInstanceUID={study.StudyInstanceUID}", folder=folder, application=Studies(folder))
        print(f"{study.StudyInstanceUID}: {fetched.progress.completed} images, {fetched.progress.failed} failed", flush=True)
