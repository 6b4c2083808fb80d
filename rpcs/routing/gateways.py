"""Gateways that got another name, or are gone, in the list of DICOM destinations (#2006.587); file 8994 lacks both procedures."""

from __future__ import annotations

from sqlalchemy import Delete, Update, bindparam, delete, update

from fileman import bump_site_version
from fileman.files import TransmitDestination
from rpcs.call import Call
from rpcs.registry import Access, literal, procedure
from xwb import m_number

#: Which piece of an entry is meant: the gateway's title, or its AE title, which is not kept here.
TITLE, AE_TITLE = 5, 6

_OF_GATEWAY = TransmitDestination.gateway == bindparam("old")
_RENAME = update(TransmitDestination).where(_OF_GATEWAY).values(gateway=bindparam("new"))
_REMOVE = delete(TransmitDestination).where(_OF_GATEWAY)


@procedure(
    "MAG DICOM XMIT RENAME GATEWAY",
    access=Access.WRITES,
    routine="RENAME^MAGBRTUT",
    parameters=(literal("OLD", required=True), literal("NEW", required=True), literal("KEY")),
)
def rename_gateway(call: Call) -> str:
    """Give a gateway's DICOM destinations another gateway's title; answers `n entries renamed`.

    `-1` without the old title, `-2` without the new one, `-3` for a KEY that is neither 5, the title, nor 6, the AE title: no
    entry has one of those here. VistA forgets to write the title back.
    """
    old, new = call.text(0), call.text(1)
    if not old:
        return "-1,No previous Gateway name specified"
    if not new:
        return "-2,No new Gateway name specified"
    return _change(call, call.text(2), _RENAME, {"old": old, "new": new}, "renamed")


@procedure(
    "MAG DICOM XMIT REMOVE GATEWAY",
    access=Access.WRITES,
    routine="REMOVE^MAGBRTUT",
    parameters=(literal("OLD", required=True), literal("KEY")),
)
def remove_gateway(call: Call) -> str:
    """Remove a gateway's DICOM destinations; answers `n entries removed`.

    `-1` without a title, `-3` for a KEY that is neither 5 nor 6.
    """
    old = call.text(0)
    if not old:
        return "-1,No Gateway name specified"
    return _change(call, call.text(1), _REMOVE, {"old": old}, "removed")


def _change(call: Call, key: str, statement: Update | Delete, values: dict[str, str], done: str) -> str:
    kind = m_number(key) or TITLE
    if kind not in (TITLE, AE_TITLE):
        return f"-3,Invalid key specified ({key})"
    count = call.connection.execute(statement, values).rowcount if kind == TITLE else 0
    if count:
        bump_site_version(call.connection)
    return f"{count} entr{'y' if count == 1 else 'ies'} {done}"
