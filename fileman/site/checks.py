"""What is wrong with a site file whose values are right each: contradictions, and pointers to nothing."""

from __future__ import annotations

from collections.abc import Iterator

from fileman.site.site_file import SiteFile

#: What no two entries of a table may share.
_UNIQUE = (
    ("institution", ("ien",)),
    ("imaging_site", ("ien",)),
    ("user", ("duz",)),
    ("user", ("access",)),
    ("user", ("access_hash",)),
    ("context", ("name",)),
    ("patient", ("dfn",)),
    ("exam", ("service", "accession")),
    ("tiu_note", ("ien",)),
    ("network_location", ("ien",)),
    ("network_location", ("label",)),
    ("transmit_destination", ("ien",)),
    ("ae_security", ("ien",)),
    ("holiday", ("date",)),
    ("image_index", ("file", "ien")),
    ("acquisition_site", ("institution",)),
    ("consult_service", ("service",)),
    ("tele_reader", ("duz", "site", "specialty", "procedure")),
    ("procedure", ("ien",)),
    ("procedure_modifier", ("ien",)),
    ("hospital_location", ("ien",)),
    ("imaging_location", ("ien",)),
    ("camera", ("ien",)),
    ("film_size", ("ien",)),
    ("diagnostic_code", ("ien",)),
    ("cpt_modifier", ("ien",)),
    ("order", ("ien",)),
    ("scheduled_step", ("accession", "step")),
)
_MULTIPLES = ("divisions", "contexts", "keys")


def contradictions(site: SiteFile) -> Iterator[tuple[tuple[int | str, ...], str]]:
    """Find what contradicts itself: entries that are there twice, exams of nobody. Gives the place and the problem."""
    for table, keys in _UNIQUE:
        seen: set[tuple[str, ...]] = set()
        for number, row in enumerate(getattr(site, table)):
            values = tuple(str(getattr(row, key)) for key in keys)
            if all(values) and tuple(value.upper() for value in values) in seen:
                shown = "" if keys == ("access",) else " " + " ".join(values)  # an access code goes into no log
                yield (table, number, keys[-1]), f"{table}: there are two with {keys[-1]}{shown}"
            seen.add(tuple(value.upper() for value in values))
    for number, user in enumerate(site.user):
        for name in _MULTIPLES:
            values = getattr(user, name)
            if len(set(values)) < len(values):
                yield ("user", number, name), f"user.{name} names something twice"
    for number, context in enumerate(site.context):
        if unregistered := sorted(set(context.rpc_keys) - set(context.rpcs)):
            yield ("context", number, "rpc_keys"), f"context.rpc_keys: {unregistered[0]} is not among its rpcs"
    patients = {patient.dfn for patient in site.patient}
    for number, exam in enumerate(site.exam):
        if exam.patient not in patients:
            yield ("exam", number, "patient"), f"exam.patient: there is no patient {exam.patient}"
    for number, order in enumerate(site.order):
        if order.patient not in patients:
            yield ("order", number, "patient"), f"order.patient: there is no patient {order.patient}"
    for number, step in enumerate(site.scheduled_step):
        if step.patient is not None and step.patient not in patients:
            yield ("scheduled_step", number, "patient"), f"scheduled_step.patient: there is no patient {step.patient}"
        if step.patient is None and not (step.patient_id and step.patient_name):
            yield ("scheduled_step", number, "patient"), "scheduled_step: say who, by patient, or by patient_id and patient_name"
    for number, destination in enumerate(site.transmit_destination):
        services = [service.split()[0] for service in destination.services]
        if len(set(services)) < len(services):
            yield ("transmit_destination", number, "services"), "transmit_destination.services names one twice"


#: Pointers that VistA lets dangle: table, field, the table pointed to, its key.
_POINTERS = (
    ("imaging_site", "institution", "institution", "ien"),
    ("imaging_site", "write_location", "network_location", "ien"),
    ("imaging_site", "pacs_write_location", "network_location", "ien"),
    ("imaging_site", "jukebox_location", "network_location", "ien"),
    ("user", "divisions", "institution", "ien"),
    ("user", "default_division", "institution", "ien"),
    ("user", "contexts", "context", "name"),
    ("user", "primary_menu", "context", "name"),
    ("context", "items", "context", "name"),
    ("exam", "location", "institution", "ien"),
    ("exam", "tiu_note", "tiu_note", "ien"),
    ("tiu_note", "patient", "patient", "dfn"),
    ("network_location", "site", "imaging_site", "ien"),
    ("transmit_destination", "location", "institution", "ien"),
    ("acquisition_site", "institution", "institution", "ien"),
    ("acquisition_site", "primary_site", "institution", "ien"),
    ("consult_service", "specialty", "image_index", "ien"),
    ("consult_service", "procedure", "image_index", "ien"),
    ("consult_service", "site", "acquisition_site", "institution"),
    ("tele_reader", "duz", "user", "duz"),
    ("tele_reader", "site", "acquisition_site", "institution"),
    ("tele_reader", "specialty", "image_index", "ien"),
    ("tele_reader", "procedure", "image_index", "ien"),
    ("ae_security", "location", "institution", "ien"),
    ("imaging_location", "institution", "institution", "ien"),
    ("imaging_location", "hospital_location", "hospital_location", "ien"),
    ("order", "procedure", "procedure", "ien"),
    ("order", "modifiers", "procedure_modifier", "ien"),
    ("order", "imaging_location", "imaging_location", "ien"),
    ("scheduled_step", "location", "institution", "ien"),
)


def dangling(site: SiteFile) -> list[str]:
    """Find pointers to nothing, as warnings: VistA has them too, but who writes a site file seldom means them."""
    found = []
    for table, field, target, key in _POINTERS:
        there = {getattr(row, key) for row in getattr(site, target)}
        named: set[object] = set()
        for row in getattr(site, table):
            value = getattr(row, field)
            named.update(value if isinstance(value, tuple) else () if value in (None, "") else (value,))
        found += [f"{table}.{field} names {target} {value}, which is not there" for value in sorted(named - there, key=str)]
    return found
