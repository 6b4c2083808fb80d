"""Changes of state in d3: machines, workstations, names, pointers, site parameters; and what all d files begin with."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, delete, insert, select

from fileman import SiteKey, bump_site_version
from fileman.files import DicomWorkstation, GatewayMachine, Image, ImagingSite, NetworkLocation, Report
from fileman.numbers import reset_numbers, set_last_numbers
from fileman.site import imaging_sites, network_locations
from tests.oracle.changes import Change, all_of, nothing, setting_columns, site


def _copies_of_image_two(connection: Connection, _key: SiteKey) -> None:
    """Make images 17, 18 and 19 of image 2: without a location, without a group, and without group and UID."""
    (row,) = connection.execute(select(Image.__table__).where(Image.ien == 2)).mappings()
    copies: list[dict[str, Any]] = [
        {"ien": 17, "location": None, "jukebox_location": None},
        {"ien": 18, "parent": None},
        {"ien": 19, "parent": None, "uid": "", "report": None, "procedure_ien": None},
    ]
    for copy in copies:  # no group lists them
        connection.execute(insert(Image).values({**row, "group_sequence": None, **copy}))
    set_last_numbers(connection, ["image"], {"image": 19})


def _no_machines(connection: Connection, _key: SiteKey) -> None:
    connection.execute(delete(GatewayMachine))
    connection.execute(delete(DicomWorkstation))
    reset_numbers(connection, ["gateway_machine", "dicom_workstation"])


def _no_places(connection: Connection, _key: SiteKey) -> None:
    connection.execute(delete(ImagingSite))
    bump_site_version(connection)


def _places_again(connection: Connection, key: SiteKey) -> None:
    connection.execute(insert(ImagingSite), imaging_sites(site().imaging_site, key))
    bump_site_version(connection)


def _locations_again(connection: Connection, key: SiteKey) -> None:
    """Put network locations back to the site file, without the one that a status had made."""
    connection.execute(delete(NetworkLocation))
    connection.execute(insert(NetworkLocation), network_locations(site().network_location, key))
    bump_site_version(connection)


def _belongs(file: type[Image] | type[Report], ien: int, patient: int) -> Change:
    return setting_columns(file, file.ien == ien, patient=patient)


LOOK_UPS: dict[str, Change] = {
    'M ^MAG(2005,17)=^MAG(2005,2) S $P(^MAG(2005,17,0),"^",3)="",$P(^MAG(2005,17,0),"^",5)=""\n'
    'M ^MAG(2005,18)=^MAG(2005,2) S $P(^MAG(2005,18,0),"^",10)=""\n'
    'M ^MAG(2005,19)=^MAG(2005,2) S $P(^MAG(2005,19,0),"^",10)="" K ^MAG(2005,19,"PACS")\n'
    'S $P(^MAG(2005,0),"^",3,4)="19^19"': _copies_of_image_two,
    'K ^MAGDICOM(2006.5641),^MAG(2006.83) S ^MAGDICOM(2006.5641,0)="DICOM GATEWAY MACHINE ID^2006.5641^^"': _no_machines,
    'K ^MAG(2005.2,99),^MAG(2005.2,"C","") D MAG^ZZORCL': _locations_again,
    'M ^ZZORCL("B")=^MAG(2005.2,"B") K ^MAG(2005.2,"B")': nothing,
    'M ^MAG(2005.2,"B")=^ZZORCL("B") K ^ZZORCL("B")': nothing,
    'S $P(^MAG(2005,9,0),"^",7)=2': _belongs(Image, 9, 2),
    'S $P(^MAG(2005,9,0),"^",7)=1 S $P(^RARPT(1,0),"^",2)=2': all_of(_belongs(Image, 9, 1), _belongs(Report, 1, 2)),
    'S $P(^RARPT(1,0),"^",2)=1': _belongs(Report, 1, 1),
    'M ^ZZORCL("S")=^MAG(2006.1) K ^MAG(2006.1) S ^MAG(2006.1,0)=^ZZORCL("S",0)': _no_places,
    'M ^MAG(2006.1)=^ZZORCL("S") K ^ZZORCL("S")': _places_again,
}
