"""NETWORK LOCATION (#2005.2)."""

from __future__ import annotations

from sqlalchemy import Connection

from fileman.files import NetworkLocation
from tests.oracle.nodes.writing import Entry, Nodes, pieces, rows_of

#: What the recorded VistA had before its site file was made, and said so in no record.
SITE_SERVICE = "http://siteserver.vista.domain.ext/VistaWebSvcs/SiteService.asmx"
RAID_GROUPS = {2: "RG-ZZT1", 3: "RG-ZZT2", 4: "RG-ZZT3", 5: "RG-ZZT4"}
#: Its header, which was not counted up by those who set entries, and what was left of a site service's former address.
HEADER = "NETWORK LOCATION^2005.2^20^12"
FORMER_SITE_SERVICE = "http://siteserver.vista.med.va"
#: STORAGE TYPE as VistA calls it.
KINDS = {"JUKEBOX": "WORM-OTG"}
#: Pieces of node 1, in order; the locations in which 0 is said for files that are not sent.
FILE_TYPES = ("ABSTRACT", "FULL", "BIG", "TEXT")
SAYS_NO = (15,)


def network_locations(connection: Connection, nodes: Nodes) -> None:
    """Every entry with its cross-references."""
    nodes.put("^MAG", "2005.2", 0, value=HEADER)
    _entry(nodes, 1, ("VISTASITESERVICE", SITE_SERVICE, True, "URL", "", "", 1))
    nodes.put("^MAG", "2005.2", "G", 1, FORMER_SITE_SERVICE, 1)
    for ien, name in RAID_GROUPS.items():
        _entry(nodes, ien, (name, None, False, "GRP", "", "", 1))
    for row in rows_of(connection, NetworkLocation):
        kind = KINDS.get(row.kind, row.kind)
        named = (kind, "NY"[row.hash], int(row.router), row.site) if row.name else ("", "", "", "")
        _entry(nodes, row.ien, (row.name, row.physical, row.online, *named))
        if row.name:
            _router(nodes, row)
        times = (row.retention_days, row.retry_connect, row.retry_transmit, row.last_purge, None, row.offline_since)
        set_anew = row.offline_since is not None  # by NETWORK STATUS, which sets the piece even to nothing
        nodes.put("^MAG", "2005.2", row.ien, 3, value=pieces(*times, strip=not set_anew))


def _entry(nodes: Nodes, ien: int, zero: tuple[object, ...]) -> None:
    """Set node 0 and what is found by it; a path that is None was never set, an empty one is found by its state only."""
    name, physical, online, kind, hashed, router, site = zero
    nodes.put("^MAG", "2005.2", ien, 0, value=pieces(name, physical, "", "", "", int(bool(online)), kind, hashed, router, site))
    if physical:
        nodes.put("^MAG", "2005.2", "AC", physical, ien)
    if physical is not None:
        nodes.put("^MAG", "2005.2", "C", physical, int(bool(online)), ien)
    if name:
        nodes.put("^MAG", "2005.2", "B", name, ien)
        nodes.put("^MAG", "2005.2", "D", site, name, ien)
        nodes.put("^MAG", "2005.2", "E", kind, ien)
        nodes.put("^MAG", "2005.2", "F", site, kind, ien)


def _router(nodes: Nodes, row: Entry) -> None:
    """Set how files are sent there and by whom."""
    no = 0 if row.ien in SAYS_NO else ""
    sent = [1 if kind in row.send.split(",") else no for kind in FILE_TYPES]
    if row.send:
        nodes.put("^MAG", "2005.2", row.ien, 1, value=pieces(*sent, "", "", row.compression))
    assert nodes.key is not None
    password = nodes.key.decipher(row.password) if row.password else ""
    nodes.put("^MAG", "2005.2", row.ien, 2, value=pieces(row.user, password))
    if row.subdirectory:
        nodes.put("^MAG", "2005.2", row.ien, 4, value=pieces("", row.subdirectory))
