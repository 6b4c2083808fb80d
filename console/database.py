"""The database of a data directory, as commands open it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from console.errors import ConsoleError
from fileman import BadSiteKey, SiteKey, Store, site_settings
from runtime import Settings

_WAYS_OUT = "copy it there from another broker; if it is lost, 'magbroker site load' makes another, with codes in clear."


@contextlib.contextmanager
def opened(settings: Settings) -> Iterator[Store]:
    """Open the database beside whatever runs: to read, or to write in short transactions."""
    if settings.database_url.startswith("sqlite") and not (settings.data / "magbroker.db").exists():
        raise ConsoleError(f"There is no database in {settings.data}; start 'magbroker broker --site FILE', or use --data.")
    store = Store(settings.database_url, synchronous=settings.synchronous)
    try:
        yield store
    finally:
        store.close()


def key_of(settings: Settings, store: Store) -> SiteKey:
    """Give the site's key; one is made for a database without a site. Raises BadSiteKey when the site has another key.

    With another key nobody could sign on: all brokers of a site share one.
    """
    path = settings.site_key_path
    needed = store.read(site_settings).key_fingerprint
    if needed and not path.exists():
        raise BadSiteKey(f"The site in the database has a key, and there is none at {path}: {_WAYS_OUT}")
    key = SiteKey.load_or_create(path)
    if needed not in ("", key.fingerprint()):
        raise BadSiteKey(f"{path} is not the key of the site in the database: {_WAYS_OUT}")
    return key
