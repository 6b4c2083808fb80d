"""When a place last used routing (#2006.1, field 126), by which VistA warns of images that nothing evaluates any more."""

from __future__ import annotations

from sqlalchemy import bindparam, update

from fileman import bump_site_version, to_fileman
from fileman.files import ImagingSite
from rpcs.call import Call

_NOTE = update(ImagingSite).where(ImagingSite.ien == bindparam("place")).values(last_routing=bindparam("today"))


def note_activity(call: Call, location: str) -> None:
    """Note that the place of an institution, or the first place, uses routing today: once a day, by the site data at hand."""
    places = call.site.places
    place = call.site.place_of(location) or (places[0] if places else None)
    today = to_fileman(call.clock.now().date())
    if place is not None and place.last_routing != today:
        call.connection.execute(_NOTE, {"place": place.ien, "today": today})
        bump_site_version(call.connection)
