"""What actions declare is known without them, and is what they declare."""

from __future__ import annotations

import subprocess
import sys
from importlib import resources

from rpcs.actions import ACTIONS, NOT_TAKEN, Done
from rpcs.actions.declarations import declarations, written

#: What a command needs none of to begin.
_HEAVY = ("sqlalchemy", "twisted", "rpcs.actions.action", "fileman.store")
_ASKED = """
import sys
from console.cli.families import GROUPS, __getattr__
__getattr__("correct")
print([name for name in {heavy!r} if name in sys.modules])
"""


def test_the_file_is_what_the_actions_declare() -> None:
    text = (resources.files("magbroker_data") / "actions.json").read_text(encoding="utf-8")
    assert text == written(ACTIONS), "magbroker rpc actions --json > data/actions.json"
    assert set(declarations()) == set(ACTIONS)
    for name, action in ACTIONS.items():
        known = declarations()[name]
        assert (known.about, known.takes, dict(known.lists)) == (action.about, action.takes, dict(action.lists))


def test_a_command_begins_without_the_broker() -> None:
    done = subprocess.run([sys.executable, "-c", _ASKED.format(heavy=_HEAVY)], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_what_is_done_without_its_task_is_told_as_done_with_a_warning() -> None:
    assert Done({"images": 2}, 7, stands=True).untaken.given == {"images": 2, "warning": NOT_TAKEN}
    refused = Done({"number": 7}, 7).untaken.refused
    assert str(refused) == NOT_TAKEN
