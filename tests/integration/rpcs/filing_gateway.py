"""A gateway that files images by MAG DICOM IMAGE PROCESSING, and the images it sends, for tests of what becomes of them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from fileman import Store, bump_site_version, take_lease
from fileman.files import File, Image
from runtime import SystemClock
from xwb import BrokerClient

RPC = "MAG DICOM IMAGE PROCESSING"
#: What differs from the radiology image that STORE gets otherwise.
CONSULT = {"service": "CON", "accession": "660-GMR-1", "pid": "666000002", "name": "IMAGPATIENT^TWO", "modality": "XC"}
LAB = {"service": "LAB", "accession": "SP 24 17", "modality": "GM"}


class Gateway:
    """A gateway that is signed on, and the database behind its broker."""

    def __init__(self, client: BrokerClient, store: Store) -> None:
        self.client = client
        self.store = store

    def ask(self, *requests: str) -> list[str]:
        """Send requests in one call; give the results without their count."""
        listed = {1: str(len(requests) + 1), **dict(enumerate(requests, 2))}
        return self.client.call(RPC, listed).lines[1:]

    def store_image(self, uid: str, **facts: str) -> list[str]:
        """Store one image; without facts it belongs to radiology exam 061024-101."""
        return self.ask(*store_items(uid, **facts))

    def filed(self, uid: str, **facts: str) -> int:
        """Store an image that is filed; give its entry number."""
        answer = self.store_image(uid, **facts)
        assert answer[0].startswith("STORE|0|"), answer
        return int(answer[0].split("|")[2].partition("^")[0])

    def change(self, statement: Any) -> None:
        """Change the database from outside."""

        def work(connection: Any) -> None:
            connection.execute(statement)
            bump_site_version(connection)

        self.store.transact(work)

    def rows(self, file: type[File]) -> list[Any]:
        """Read a file."""
        table: Any = file.__table__
        return list(self.store.read(lambda connection: connection.execute(select(table).order_by(*table.primary_key)).all()))

    def image(self, ien: int) -> Any:
        """Read an entry of IMAGE."""
        return next(row for row in self.rows(Image) if row.ien == ien)

    def lock(self, name: str) -> None:
        """Lock something as another process does."""
        now = SystemClock().seconds()
        assert self.store.transact(lambda connection: take_lease(connection, name, "somebody", 60, now))


def store_items(uid: str, **facts: str) -> tuple[str, str]:
    """Make STORE1 and STORE2."""
    told = {
        "machine": "GWA",
        "service": "RAD",
        "path": f"C:\\{uid}.DCM",
        "pid": "666000001",
        "name": "IMAGPATIENT^ONE^M",
        "accession": "061024-101",
        "date": "20240610",
        "time": "093000",
        "importer": "0",
        "modality": "CR",
        "label": "",
        "frame": "0",
        "study": "1.2.3",
        "sop_class": "1.2.840.10008.5.1.4.1.1.1",
        "last": "0",
        "model": "X1",
        "stamp": "",
        "origin": "V",
        "old_path": "",
        **facts,
    }
    one = (
        "STORE1||660|{machine}|{service}|CT1|{path}|{pid}|{name}|{accession}|{accession}|{date}|{time}|{importer}|{modality}|"
        "{label}|<DICOM>|1|1|660|{frame}|GW|"
    )
    two = "STORE2|{study}|{study}.1|{uid}|{sop_class}|{last}|1|ACME|{model}|{stamp}|{origin}||{old_path}"
    return one.format(**told), two.format(uid=uid, **told)


def messages(answer: list[str]) -> list[str]:
    """Give the message lines of an error."""
    return [line.split("|", 2)[2] for line in answer if line.startswith("MSG|")]
