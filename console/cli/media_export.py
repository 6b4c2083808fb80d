"""`magbroker dicomdir export`: studies that are on file at a broker, put on a medium."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from console.cli.media_screen import add_files
from console.cli.options import (
    AccessOption,
    AuthorityOption,
    BrokerOption,
    ConfigOption,
    DataOption,
    JsonOption,
    TlsOption,
    VerifyOption,
)
from console.errors import WrongUsage
from console.media import FiledStudy, Medium, StudiesOnFile
from console.sign_on import Door, door
from console.way import Way
from runtime import Settings, load_settings
from xwb import ConnectionLost, RemoteError

_NO_RIGHT = (
    "The context {context} has to have MAG CFIND QUERY, MAG STUDY UID QUERY and MAGB NETWORK LOCATIONS: {error}"
    " (--context names another one)"
)


def export(
    root: Annotated[
        Path, typer.Argument(metavar="MEDIUM", help="The root folder of the medium; it is made where there is none.")
    ],
    studies: Annotated[
        list[str] | None, typer.Option("--study", metavar="UID", help="A Study Instance UID; may be given several times.")
    ] = None,
    accession: Annotated[str, typer.Option(help="All studies of this accession number; * and ? are wild cards.")] = "",
    patient_id: Annotated[str, typer.Option(help="All studies of this patient ID.")] = "",
    date: Annotated[str, typer.Option(help="Only those of this day, or range of days: 20260210, 20260201-20260210.")] = "",
    page: Annotated[bool, typer.Option("--page/--no-page", help="Write INDEX.HTM.", show_default="written")] = True,
    file_set_id: Annotated[str, typer.Option("--id", help="The File-set ID of a medium that is made.")] = "",
    context: Annotated[str | None, typer.Option(help="The context to enter; that of the gateway if left out.")] = None,
    access: AccessOption = None,
    verify: VerifyOption = None,
    broker: BrokerOption = None,
    tls: TlsOption = False,
    authority: AuthorityOption = None,
    config: ConfigOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put studies that are on file at a broker on a medium, by their UIDs or by what a query finds.

    Codes are those of the settings' gateway where none are given. The network locations have to be on this machine. Images
    go as they are on file.

    Exit status 0: every image is on the medium. 1: some are not, and it is said why.
    """
    keys = {name: value for name, value in (("accession", accession), ("patient_id", patient_id), ("date", date)) if value}
    if not (studies or keys):
        raise WrongUsage("Say which studies: --study, --accession, --patient-id or --date.")
    settings = load_settings(config, data=data)
    codes = settings.gateway.access or None, settings.gateway.verify or None
    way = Way(settings, *((access, verify) if access or verify else codes), broker=broker, tls=tls, authority=authority)
    if way.codes is None:
        raise WrongUsage("A broker wants to know who asks: give --access and --verify.")
    found = _on_file(door(way, way.codes), settings, context or settings.gateway.context, studies or [], keys)
    medium = Medium.open(root) if Medium.is_there(root) else Medium.create(root, file_set_id)
    files = [file for study in found for file in study.files]
    add_files(medium, files, page, as_json, [refusal for study in found for refusal in study.refused])


def _on_file(way: Door, settings: Settings, context: str, uids: list[str], keys: dict[str, str]) -> list[FiledStudy]:
    """Ask the broker which studies, and where their files lie."""
    client = way.signed_on("magbroker", context)
    try:
        desk = StudiesOnFile(client, settings.data)
        wanted = dict.fromkeys([*uids, *(desk.find(keys) if keys else ())])
        found = [desk.files(uid) for uid in wanted]
        client.bye()
        return found
    except RemoteError as error:
        raise WrongUsage(_NO_RIGHT.format(context=context, error=error)) from error
    except ConnectionLost as error:
        raise way.lost(error) from error
    finally:
        client.close()
