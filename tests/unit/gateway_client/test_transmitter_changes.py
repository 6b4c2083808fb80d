"""What the transmitter sends to destinations that get objects otherwise than they are stored."""

from __future__ import annotations

import pytest

from gateway_client.errors import PseudonymKeyError
from runtime import DestinationSettings
from tests.unit.gateway_client.fakes import element
from tests.unit.gateway_client.transmitting import Office


def test_a_destination_that_would_be_changed_for_and_is_none_is_told_of_once(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    """Who renames a destination, or mistypes it in the settings, has identities leave else without a word."""
    deidentify = DestinationSettings.model_validate({"deidentify": "basic"})
    office.destinations = {"READING ROOM": deidentify, "RESAERCH": deidentify, "ROUTER": DestinationSettings(retries=1)}
    office.start()
    office.transmitter.connected(office.broker)
    assert caplog.messages == [
        "Nothing is coerced or de-identified for RESAERCH: no transmit destination of this site has the name."
    ]


def test_what_is_deidentified_goes_journaled_and_committed_to_under_its_other_uid(office: Office) -> None:
    office.destinations = {"RESEARCH": DestinationSettings.model_validate({"deidentify": "basic", "commit": True})}
    office.start()
    office.put(1, "RESEARCH")
    office.put(2, "READING ROOM")
    office.run()
    uids = {name: uid for name, _study, uid in office.sender.sent}
    assert uids["READING ROOM"] == "1.2.2"
    assert uids["RESEARCH"].startswith("2.25.")
    assert sorted(office.queue.results) == [f"1^1^SUCCESS^0^It is {uids['RESEARCH']} there.", "2^1^SUCCESS^0^"]
    (asking,) = office.requests.due("RESEARCH", office.clock.seconds() + 60, 10)
    references = office.requests.ask(asking, 0, 0).references
    assert [reference.sop_instance for reference in references] == [uids["RESEARCH"]]


def test_what_may_show_whose_it_is_fails_with_the_reason_and_is_not_sent(office: Office) -> None:
    office.destinations = {"*": DestinationSettings.model_validate({"deidentify": "basic"})}
    office.start()
    office.put(1, extra=element(0x28, 0x301, "CS", "YES"))
    office.put(2)
    office.run()
    assert [uid[:5] for _name, _study, uid in office.sender.sent] == ["2.25."]
    (failed,) = [line for line in office.queue.results if line.startswith("1^")]
    assert failed.startswith("1^1^FAIL")
    assert "Burned In Annotation (0028,0301) is YES; send_burned_in allows it." in failed


def test_nothing_is_sent_under_new_pseudonyms_where_the_key_is_broken(large_office: Office) -> None:
    office = large_office
    (office.directory / "pseudonyms.key").write_text("half a k", encoding="ascii")
    office.destinations = {"RESEARCH": DestinationSettings.model_validate({"deidentify": "basic"})}
    with pytest.raises(PseudonymKeyError, match="put back the one that was there"):
        office.start()
