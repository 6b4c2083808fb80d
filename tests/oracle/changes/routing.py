"""Changes of state in d1, d2 and d4, and those of d3 by which routing is asked about what it did."""

from __future__ import annotations

from sqlalchemy import Connection, delete, func, insert, select, update

from fileman import SiteKey, bump_site_version, to_fileman
from fileman.files import BackgroundQueue, EvaluatorFlag, NetworkLocation, Option, OptionRpc, QueuePointer, RoutedCopy
from fileman.numbers import reset_numbers
from rules.evaluator.queueing import Copies, Origin, queue_copies
from tests.oracle import changes
from tests.oracle.changes import Change

#: Image, destination, priority and origin of what was put into the send queue.
SENT = (
    (2, 14, 500, 660),
    (3, 14, 750, 660),
    (5, 15, 520, 660),
    (7, 15, 510, 660),
    (9, 16, 500, 660),
    (12, 14, 250, 660),
    (12, 14, 500, 688),
)


def _fill_send_queue(connection: Connection, _key: SiteKey) -> None:
    kinds = {row.ien: row.send for row in connection.execute(select(NetworkLocation.ien, NetworkLocation.send))}
    now = changes.CLOCK.now()
    for image, destination, priority, location in SENT:
        origin = Origin(location, to_fileman(now), now.timestamp())
        queue_copies(connection, image, Copies(destination, priority, kinds[destination].split(",")), origin)


def _no_evaluators(connection: Connection, _key: SiteKey) -> None:
    for file in (EvaluatorFlag, BackgroundQueue, QueuePointer):
        connection.execute(delete(file))
    reset_numbers(connection, ["background_queue", "queue_pointer"])


def _image_that_is_not_there(connection: Connection, _key: SiteKey) -> None:
    newest = select(func.max(BackgroundQueue.ien)).scalar_subquery()
    connection.execute(update(BackgroundQueue).where(BackgroundQueue.ien == newest).values(image=999))


def _old_entries(*entries: tuple[int, str, str]) -> Change:
    """Make EVAL entries of number, day and status as VistA made them when there were no places."""

    def change(connection: Connection, _key: SiteKey) -> None:
        values = {"queue": "EVAL", "duz": 1, "image": 2, "place": 0}
        rows = [{"ien": ien, "requested": day, "status": status, **values} for ien, day, status in entries]
        connection.execute(insert(BackgroundQueue), rows)

    return change


def _routed_copies(connection: Connection, _key: SiteKey) -> None:
    """Let image 2 have been copied to location 14: five times long ago, and once in a far future."""
    sent = {number: (f"3200101.1{number}", f"\\\\REMOTE-A\\INBOX$\\F{number}") for number in range(1, 6)} | {
        9: ("3991231", "NOTYET")
    }
    values = {"image": 2, "destination": 14, "mechanism": 1}
    rows = [{"sequence": n, "copy": n, "sent": when, "file": file, **values} for n, (when, file) in sent.items()]
    connection.execute(insert(RoutedCopy), rows)


def _register_eval_purge(connection: Connection, _key: SiteKey) -> None:
    option = connection.execute(select(Option.ien).where(Option.name == "MAG DICOM GATEWAY FULL")).scalar_one()
    last = connection.execute(select(func.max(OptionRpc.position)).where(OptionRpc.option == option)).scalar_one()
    values = {"option": option, "rpc": "MAG DICOM ROUTE EVAL PURGE", "position": last + 1, "key": ""}
    connection.execute(insert(OptionRpc).values(values))
    bump_site_version(connection)


ROUTING: dict[str, Change] = {
    """\
S DUZ=9002,U="^",DUZ(2)=660,DT=$$DT^XLFDT
W $$SEND^MAGBRTUT(2,14,500,1,660)
W $$SEND^MAGBRTUT(3,14,750,1,660)
W $$SEND^MAGBRTUT(5,15,520,1,660)
W $$SEND^MAGBRTUT(7,15,510,1,660)
W $$SEND^MAGBRTUT(9,16,500,1,660)
W $$SEND^MAGBRTUT(12,14,250,1,660)
W $$SEND^MAGBRTUT(12,14,500,1,688)""": _fill_send_queue,
    'K ^MAGDICOM(2006.563,1,"EVAL") K ^MAGQUEUE(2006.03),^MAGQUEUE(2006.031)'
    ' S ^MAGQUEUE(2006.03,0)="IMAGE BACKGROUND QUEUE^2006.03I^^"'
    ',^MAGQUEUE(2006.031,0)="IMAGE BACKGROUND QUEUE POINTER^2006.031^^"': _no_evaluators,
    'S $P(^MAGQUEUE(2006.03,$O(^MAGQUEUE(2006.03," "),-1),0),"^",7)=999': _image_that_is_not_there,
    'S ^MAGQUEUE(2006.03,500,0)="EVAL^1^ROU^3200101^NOT_PROCESSED^3200101^2",^MAGQUEUE(2006.03,"B","EVAL",500)=""'
    ',^MAGQUEUE(2006.03,501,0)="EVAL^1^ROU^3990101^NOT_PROCESSED^^2",^MAGQUEUE(2006.03,"B","EVAL",501)=""': _old_entries(
        (500, "3200101", "NOT_PROCESSED"), (501, "3990101", "NOT_PROCESSED")
    ),
    'S ^MAGQUEUE(2006.03,500,0)="EVAL^1^ROU^3200101^PROCESSED^3200101^2^X",^MAGQUEUE(2006.03,"B","EVAL",500)=""'
    ',^MAGQUEUE(2006.03,"C","PROCESSED",500)="",^MAGQUEUE(2006.03,501,0)="EVAL^1^ROU^3990101^NOT_PROCESSED^^2"'
    ',^MAGQUEUE(2006.03,"B","EVAL",501)="",^MAGQUEUE(2006.03,502,0)="EVAL^1^ROU^3200101^NOT_PROCESSED^^2"'
    ',^MAGQUEUE(2006.03,"B","EVAL",502)=""': _old_entries(
        (500, "3200101", "PROCESSED"), (501, "3990101", "NOT_PROCESSED"), (502, "3200101", "NOT_PROCESSED")
    ),
    'S X="MAG DICOM ROUTE EVAL PURGE",D=$O(^XWB(8994,"B",X,0)) S:\'D D=$O(^XWB(8994," "),-1)+1\n'
    'S ^XWB(8994,D,0)=X_"^EVALPU^MAGBRTUT^1^R^^^1",^XWB(8994,"B",X,D)="" I \'$D(^DIC(19,10022,"RPC","B",D))'
    ' S N=$O(^DIC(19,10022,"RPC"," "),-1)+1,^DIC(19,10022,"RPC",N,0)=D,^DIC(19,10022,"RPC","B",D,N)=""': _register_eval_purge,
    'F I=1:1:5 S ^MAG(2005,2,4,I,0)="3200101.1"_I_"^14^^\\\\REMOTE-A\\INBOX$\\F"_I'
    ',^MAG(2005,"ROUTE",14,"3200101.1"_I,2,I)="",^MAG(2005,2,4,"LOC",14,I)=""\n'
    'S ^MAG(2005,"ROUTE",14,3991231,2,9)="",^MAG(2005,2,4,9,0)="3991231^14^^NOTYET"': _routed_copies,
}
