"""`magbroker commit`: what it says of an archive of others, and its exit status."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from console.cli.main import app
from console.demo_samples import Sample, write_samples
from console.errors import ConsoleError
from gateway_client import references_of
from runtime import free_port
from tests.support.commitment import Archive

#: pynetdicom closes no socket whose peer is gone already.
pytestmark = pytest.mark.filterwarnings("ignore:Exception ignored in. <socket.socket:pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write images into a folder, with a file that is none."""
    folder = tmp_path_factory.mktemp("samples")
    write_samples(folder)
    (folder / "README").write_text("no image")
    return folder


@pytest.fixture(scope="module")
def samples(folder: Path) -> list[Sample]:
    return write_samples(folder)


def commit(*arguments: object, typed: str = "") -> tuple[int, str]:
    """Run the command; give its exit status, that of an error that it ends with too, and what it says."""
    result = CliRunner().invoke(app, ["commit", *map(str, arguments)], input=typed)
    if isinstance(result.exception, ConsoleError):
        return result.exception.status, str(result.exception)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


@pytest.mark.parametrize("way", ["same", "new", "next"])
def test_all_of_a_folder_is_committed_in_several_transactions(way: str, folder: Path, samples: list[Sample]) -> None:
    ours = free_port()
    with Archive(way, caller=ours) as archive:
        status, said = commit(f"127.0.0.1:{archive.port}", folder, "--listen", ours, "--per-transaction", 8)
        assert archive.requests.qsize() == -(-len(samples) // 8)
    assert (status, said) == (
        0,
        f"ANY-SCP at 127.0.0.1:{archive.port} has committed {len(samples)} of {len(samples)} instances.\n",
    )


def test_what_is_not_committed_is_named_with_its_reason(folder: Path, samples: list[Sample]) -> None:
    lost = samples[3].sop_instance_uid
    with Archive("same", lost=[lost]) as archive:
        status, said = commit(f"127.0.0.1:{archive.port}", "--called", "ARCHIVE", samples[3].path, samples[4].path)
    assert status == 1
    assert said.splitlines() == [
        f"{lost}  0112 no such object instance",
        f"ARCHIVE at 127.0.0.1:{archive.port} has committed 1 of 2 instances, not 1 (0112 no such object instance).",
    ]


def test_uids_come_from_standard_input_and_results_as_json(samples: list[Sample]) -> None:
    references = references_of([it.path for it in samples[:2]])
    typed = "".join(f"{sop_class} {uid}\n\n" for sop_class, uid in references)
    with Archive("same", lost=[references[0].sop_instance]) as archive:
        status, said = commit(f"127.0.0.1:{archive.port}", "--uids", "-", "--json", typed=typed)
    rows = {row.pop("sop_instance"): row for row in map(json.loads, said.splitlines())}
    assert status == 1
    assert {uid: (row["committed"], row["reason"]) for uid, row in rows.items()} == {
        references[0].sop_instance: (False, "0112"),
        references[1].sop_instance: (True, None),
    }


def test_what_cannot_be_asked_has_its_exit_status(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "uids").write_text("1.2.3\n")
    (tmp_path / "nothing").mkdir()
    nobody = f"127.0.0.1:{free_port()}"
    with Archive("never") as archive:
        late = commit(f"127.0.0.1:{archive.port}", folder, "--seconds", 0.1)
    assert late[0] == 1
    assert "within 0.1 s. If it tells over an association that it opens itself, try --listen PORT" in late[1]
    assert commit(nobody, folder)[0] == 4
    assert commit(nobody, tmp_path / "nothing") == (3, "There is no instance to ask for.")
    assert commit(nobody)[0] == 2
    assert commit(nobody, folder, "--uids", "-")[0] == 2
    status, said = commit(nobody, "--uids", tmp_path / "uids")
    assert (status, said.partition(" of ")[0]) == (2, "Line 1")
    assert commit(nobody, folder / "README")[0] == 3
    assert commit(nobody, folder / "none")[0] == 2
