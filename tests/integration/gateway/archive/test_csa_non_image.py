"""The private SOP class of tables 14 to 22: an object comes back bit by bit by C-MOVE and by C-GET, however it was sent."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread
from pynetdicom import AE, build_role, evt

from gateway_client.configuration import Peer
from gateway_client.objects.part10 import read_meta
from tests.integration.gateway.archive.samples import sample_objects
from tests.support.archive_site import MODELS, ROOT, key
from tests.support.dcmtk_retrieval import movescu
from tests.support.dicom import Storescp, data_set_bytes
from tests.support.exact_contexts import store_exactly
from tests.support.magicstore_objects import Maker, csa_non_image
from tests.support.magicstore_tables import CSA_NON_IMAGE, UNCOMPRESSED
from tests.support.moving_site import MovingSite, moving_site
from tests.support.waiting import until

WORKSTATION = "WORKSTATION"
GET = MODELS["study"][0].removesuffix(".1") + ".3"

syntaxes = pytest.mark.parametrize("syntax", UNCOMPRESSED)
Objects = dict[str, Path]


@pytest.fixture(scope="module")
def workstation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Storescp]:
    """Run a peer that takes private SOP classes."""
    with Storescp(tmp_path_factory.mktemp("workstation"), options=("-pm",)) as peer:
        yield peer


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, workstation: Storescp) -> Iterator[MovingSite]:
    peers = {WORKSTATION: Peer("127.0.0.1", workstation.port)}
    with moving_site(tmp_path_factory.mktemp("site"), sample_objects()[:1], peers=peers) as site:
        yield site


@pytest.fixture(scope="module")
def objects(site: MovingSite, tmp_path_factory: pytest.TempPathFactory) -> Objects:
    """Have an object archived in each transfer syntax; give what was sent."""
    maker = Maker(tmp_path_factory.mktemp("objects"))
    sent = {syntax: maker.write(csa_non_image(), syntax) for syntax in UNCOMPRESSED}
    expected = site.archive.archived() + len(sent)
    store_exactly(maker.directory, f"{ROOT}DRSP", site.archive.port("receiver"), [*sent.values()])
    until(lambda: site.archive.archived() == expected, "the objects are archived")
    return sent


def keys_of(path: Path) -> dict[str, str]:
    """Give the keys of one object."""
    dataset = dcmread(path, specific_tags=["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"])
    names = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
    return {"QueryRetrieveLevel": "IMAGE", **{name: str(dataset[name].value) for name in names}}


@syntaxes
def test_it_is_moved_bit_by_bit_in_the_transfer_syntax_it_came_in(
    site: MovingSite, workstation: Storescp, objects: Objects, syntax: str
) -> None:
    path = objects[syntax]
    done = movescu(site.address(), [f"{name}={value}" for name, value in keys_of(path).items()], WORKSTATION)
    assert (done.status, done.completed) == (0x0000, 1)
    (back,) = workstation.received()[path.stem]
    assert read_meta(back).transfer_syntax == syntax
    assert data_set_bytes(back) == data_set_bytes(path)


@syntaxes
def test_it_is_got_bit_by_bit_in_the_transfer_syntax_it_came_in(site: MovingSite, objects: Objects, syntax: str) -> None:
    path, got = objects[syntax], []

    def keep(event: evt.Event) -> int:
        got.append((str(event.context.transfer_syntax), event.request.DataSet.getvalue()))
        return 0x0000

    identifier = Dataset()
    for name, value in keys_of(path).items():
        identifier.add(key(name, value))
    ae = AE("VIEWER")
    ae.add_requested_context(GET)
    ae.add_requested_context(CSA_NON_IMAGE, syntax)
    title, port = site.address()
    roles = [build_role(CSA_NON_IMAGE, scp_role=True)]
    association = ae.associate("127.0.0.1", port, ae_title=title, ext_neg=roles, evt_handlers=[(evt.EVT_C_STORE, keep)])
    assert association.is_established
    statuses = [status.Status for status, _identifier in association.send_c_get(identifier, GET)]
    association.release()
    assert statuses[-1] == 0x0000
    assert got == [(syntax, data_set_bytes(path))]
