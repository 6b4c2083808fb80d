"""The site: what a site file says, by theme, and the way in and out. A theme has a table's schema, its loading and its dumping.

The themes are `settings`, `places`, `people`, `patients`, `radiology`, `destinations`, `tele_reader` and `schedule`. `rows` is
what their tables have in common, `sections` how these come out of the database. `site_file` is all of them together, which
`read` takes out of TOML and `checks` looks over; `load` puts it into the database, `dump` writes it out, `reset` puts imaging
back.
"""

from fileman.site.checks import dangling
from fileman.site.dump import dump_site, toml_date, toml_value
from fileman.site.load import apply_site, restore_facts
from fileman.site.places import imaging_sites, network_locations
from fileman.site.read import parse_site, read_site_file
from fileman.site.reset import reset_imaging
from fileman.site.schedule import OptionScheduleRow
from fileman.site.settings import SiteSettings, is_empty, site_settings
from fileman.site.site_file import Check, SiteFile

__all__ = [
    "Check",
    "OptionScheduleRow",
    "SiteFile",
    "SiteSettings",
    "apply_site",
    "dangling",
    "dump_site",
    "imaging_sites",
    "is_empty",
    "network_locations",
    "parse_site",
    "read_site_file",
    "reset_imaging",
    "restore_facts",
    "site_settings",
    "toml_date",
    "toml_value",
]
