"""IMAGE (#2005) and IMAGE AUDIT (#2005.1)."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection

from fileman.files import Image, ImageAudit, LostMember, RoutedCopy
from tests.oracle.nodes.writing import Entry, Nodes, header, inverse, pieces, rows_of

#: Characters of a name in cross-reference B.
NAME_IN_INDEX = 30
#: Image and number of a copy that was set by hand, without its cross-reference LOC.
WITHOUT_LOC = (2, 9)


def images(connection: Connection, nodes: Nodes) -> None:
    """IMAGE (#2005)."""
    rows = rows_of(connection, Image)
    header(nodes, "^MAG", "2005", "IMAGE^2005", max((row.ien for row in rows), default=0), len(rows))
    members: dict[int, list[tuple[int, int, str, str]]] = {}
    for row in rows:
        if row.parent is not None and row.group_sequence is not None:  # copies made by hand stand in no group
            members.setdefault(row.parent, []).append((row.group_sequence, row.ien, row.series_number, row.image_number))
    for lost in rows_of(connection, LostMember, "group", "sequence"):
        members.setdefault(lost.group, []).append((lost.sequence, lost.image, lost.series_number, lost.image_number))
    for row in rows:
        _image(nodes, "2005", row, sorted(members.get(row.ien, [])))
        if row.last_member:
            nodes.put("^MAG", "2005", row.ien, 1, 0, value=f"^2005.04P^{row.last_member}^{row.members}")
        if row.acquisition_site is not None:
            nodes.put("^MAG", "2005", "D", row.acquisition_site, row.ien)
    routed_copies(connection, nodes)


def deleted_images(connection: Connection, nodes: Nodes) -> None:
    """IMAGE AUDIT (#2005.1)."""
    rows = rows_of(connection, ImageAudit)
    header(nodes, "^MAG", "2005.1", "IMAGE AUDIT^2005.1I", max((row.ien for row in rows), default=0), len(rows))
    for row in rows:
        _image(nodes, "2005.1", row, [])
        nodes.put("^MAG", "2005.1", row.ien, 30, value=pieces(row.deleted_by, row.deleted_at, row.delete_reason))
        if row.parent is None:
            nodes.put("^MAG", "2005.1", row.ien, 1, 0, value="^2005.14P^^0")
            nodes.put("^MAG", "2005.1", "APDTPX", row.patient, inverse(row.procedure_time), row.procedure, row.ien)


def _image(nodes: Nodes, file: str, row: Entry, members: Iterable[tuple[int, int, str, str]]) -> None:
    def put(*subscripts: object, value: object = "") -> None:
        nodes.put("^MAG", file, *subscripts, value=value)

    zero = (row.name, row.file_ref, row.location, row.abstract_location, row.jukebox_location, row.object_type)
    put(row.ien, 0, value=pieces(*zero, row.patient, row.procedure, row.last_access, row.parent))
    for sequence, image, series, number in members:
        put(row.ien, 1, sequence, 0, value=pieces(image, series, number))
        put(row.ien, 1, "B", image, sequence)
    parent = (row.parent_file, row.parent_ien, row.parent_inverse or row.parent_image_pointer)
    saved = (row.saved_at, row.saved_by or "", "", row.short_description, row.procedure_time)
    put(row.ien, 2, value=pieces(*saved, *parent, "", "", "", row.transmission))
    terms = (row.package, row.image_class, row.image_type, row.procedure_or_event, row.specialty, row.origin)
    put(row.ien, 40, value=pieces(*terms))
    acquired = ("", "", row.acquisition_site, row.acquisition_device, "", row.creation_date, "", row.status)
    put(row.ien, 100, value=pieces(*acquired))
    put(row.ien, "PACS", value=pieces(row.uid, row.report, row.procedure_ien))
    if row.series_uid:
        put(row.ien, "SERIESUID", value=row.series_uid)
        put("SERIESUID", row.series_uid, row.ien)
    if row.sop_class is not None:
        put(row.ien, "SOP", value=row.sop_class)
    if row.big_location is not None:
        put(row.ien, "FBIG", value=pieces(row.big_location, row.big_jukebox_location, row.big_extension))
    put("AC", row.patient, row.ien)
    put("AD", row.saved_at.partition(".")[0], row.ien)
    put("B", row.name[:NAME_IN_INDEX], row.ien)
    if row.parent is None:
        put("APDT", row.procedure_time, row.ien)
    if row.file_ref:
        put("F", row.file_ref.partition(".")[0], row.ien)
    if row.uid:
        put("P", row.uid, row.ien)


def routed_copies(connection: Connection, nodes: Nodes) -> None:
    """Copies of images at network locations: node 4 of IMAGE (#2005), and ROUTE, which purges go by."""
    for row in rows_of(connection, RoutedCopy, "image", "sequence"):
        if row.copy is None:
            continue
        copy = pieces(row.sent, row.destination, row.file_type, row.file)
        nodes.put("^MAG", "2005", row.image, 4, row.copy, 0, value=copy)
        nodes.put("^MAG", "2005", "ROUTE", row.destination, row.sent, row.image, row.copy)
        if (row.image, row.copy) != WITHOUT_LOC:
            nodes.put("^MAG", "2005", row.image, 4, "LOC", row.destination, row.copy)
