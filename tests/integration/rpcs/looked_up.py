"""A site with everything that look-ups ask for, beside the recorded one's institutions, users and locations."""

from __future__ import annotations

from fileman import SiteKey, Store, apply_site, parse_site
from tests.conftest import ORACLE_SITE
from tests.integration.rpcs.conftest import NOON

MORE = """
[[procedure]]
ien = 58
name = "CHEST 2 VIEWS PA&LAT"
kind = "S"
cpt = "71020"
cpt_name = "CHEST X-RAY 2VW"
modalities = ["CR", "DX"]

[[procedure]]
ien = 43
name = "CT HEAD W/O CONT"
cpt = "70450"
imaging_type = 5
modalities = ["CT"]

[[procedure]]
ien = 90
name = "CHEST, ALL VIEWS"
kind = "B"

[[procedure]]
ien = 91
name = "CHEST OF OLD"
inactive = 2020-01-01

[[procedure_modifier]]
ien = 3
name = "LEFT"
imaging_types = [1, 5]

[[hospital_location]]
ien = 7
name = "XRAY CLINIC"

[[hospital_location]]
ien = 8
name = "XRAY WARD"
kind = "W"
inactive = 2020-01-01

[[hospital_location]]
ien = 9
name = "XRAY FILES"
kind = "F"

[[imaging_location]]
ien = 4
hospital_location = 7
institution = 660
outside = true

[[order]]
ien = 12
patient = 1
procedure = 58
modifiers = [3]
status = "SCHEDULED"
entered = 2024-06-09
reason = "COUGH"
accession = "061024-101"

[[order]]
ien = 13
patient = 1
procedure = 43
status = "COMPLETE"

[[order]]
ien = 14
patient = 1
procedure = 43
status = "PENDING"

[[diagnostic_code]]
ien = 1
name = "NORMAL"

[[film_size]]
ien = 2
name = "14X17"

[[camera]]
ien = 3
name = "ROOM 1"
description = "CHEST STAND"

[[cpt_modifier]]
ien = 4
name = "LEFT SIDE"
code = "LT"

[[cpt_modifier]]
ien = 5
name = "LEFT OF OLD"
code = "LO"
inactive = 2010-01-01

[[ae_security]]
ien = 1
name = "READING ROOM"
ae_title = "READROOM"
local_title = "VISTA_QR_SCP"
location = 660
host = "127.0.0.1"
port = 11112
services = ["C-FIND SCU", "C-MOVE SCU"]
flags = {"REJECT" = "1", "WARNING" = "0"}
force_reconciliation = "0"
origin = "V"
response_delay = 2
response_retries = 3

[[ae_security]]
ien = 2
name = "COMMITTER"
ae_title = "COMMIT"
location = 688
services = ["STORAGE COMMIT SCP"]
"""


#: What is added behind a line of the recorded site: a reader of radiology's, a patient with vital signs.
ADDED = {
    'name = "ALEXANDER,ROBERT"\n': 'radiology_classes = "SR"\n',
    'name = "IMAGPATIENT,TWO"\n': "height_cm = 172.5\nweight_kg = 80\nemployee = true\nsensitive = true\n",
}
#: The programmer's keys, without and with the one that lets him list globals.
KEYS = ('keys = ["XUPROGMODE"]', 'keys = ["XUPROGMODE", "MAG SYSTEM"]')
WITHOUT_PACS = {'namespace = "SLC"\n': "pacs = false\npacs_retention_days = 0\npacs_minimum_space = 0\n"}


def load_looked_up(store: Store, key: SiteKey, *, without_pacs: bool = False, lists_globals: bool = False) -> None:
    """Load the recorded site with what look-ups need."""
    text = ORACLE_SITE.read_text(encoding="utf-8")
    for line, added in {**ADDED, **(WITHOUT_PACS if without_pacs else {})}.items():
        assert text.count(line) == 1
        text = text.replace(line, line + added)
    if lists_globals:
        assert text.count(KEYS[0]) == 1
        text = text.replace(*KEYS)
    site = parse_site(text + MORE)
    store.transact(lambda connection: apply_site(connection, site, key, NOON))
