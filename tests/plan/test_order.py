"""The order of operations is what pyinfra would find, whoever asks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyinfra
import pytest
from pyinfra.api import util

from controller import order
from spec.distribution import Release
from tests.plan.fake import on, run

DEPLOY = "/somewhere/deploy.py"
CHECKING = """
from importlib import import_module
from pathlib import Path
from controller import order
from tests.plan.test_order import both

module = import_module("pyinfra.api.operation")

def checked(state):
    theirs, ours = both(state)
    assert ours == theirs, (ours, theirs)
    with Path({asked!r}).open("a") as file:
        print(*ours, file=file)
    return ours

if module.get_operation_order_from_stack is order.lines:
    module.get_operation_order_from_stack = checked
"""
Ask = Callable[[], list[list[int]]]


def both(state: Any) -> list[list[int]]:
    """Pyinfra's answer and ours, of one line."""
    return [find(state) for find in (util.get_operation_order_from_stack, order.lines)]


def called_from(name: str, ask: Ask, line: int = 1) -> list[list[int]]:
    """The answers of `ask`, which is called on `line` of a file called `name`."""
    space: dict[str, Any] = {"ask": ask}
    exec(compile("\n" * (line - 1) + "found = ask()", name, "exec"), space)
    return space["found"]


def nested(ask: Ask, *lines: int, name: str = DEPLOY) -> list[list[int]]:
    """`called_from` within `called_from`."""
    return called_from(name, lambda: nested(ask, *lines[1:], name=name), lines[0]) if lines else ask()


@pytest.mark.parametrize("is_cli", [True, False])
@pytest.mark.parametrize("deploy", [DEPLOY, "/another/deploy.py", None])
def test_as_pyinfra_finds_it(monkeypatch: pytest.MonkeyPatch, is_cli: bool, deploy: str | None) -> None:
    monkeypatch.setattr(pyinfra, "is_cli", is_cli)
    state = SimpleNamespace(current_deploy_filename=deploy, current_op_file_number=3)
    found = []
    for lines in ((7,), (7, 41, 2), (500, 7)):
        theirs, ours = nested(lambda: both(state), *lines)
        assert ours == theirs
        assert (ours[:1] == [3]) is is_cli
        found.append(ours)
    assert len({tuple(one) for one in found}) == (1 if deploy == "/another/deploy.py" else 3)
    if deploy == DEPLOY:
        assert [one[is_cli] for one in found] == [7, 7, 500]


def test_pyinfras_own_frames_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pyinfra, "is_cli", True)
    state = SimpleNamespace(current_deploy_filename=DEPLOY, current_op_file_number=0)
    inside = f"{util.PYINFRA_INSTALL_DIR}/api/operation.py"
    theirs, ours = nested(lambda: nested(lambda: both(state), 9999, name=inside), 7)
    assert ours == theirs
    assert 7 in ours and 9999 not in ours


def test_of_a_whole_deploy(tmp_path: Path) -> None:
    """Each operation of it, on two hosts that differ."""
    asked, checking = tmp_path / "asked", tmp_path / "checking.py"
    checking.write_text(CHECKING.format(asked=str(asked)))
    hosts = [on(Release.BOOKWORM, name, variant=variant) for name, variant in (("a", "default"), ("b", "alt"))]
    done = run(tmp_path, hosts, str(checking), "deploy.py", "--dry")
    assert done.returncode == 0, done.stderr
    orders = asked.read_text().splitlines()
    assert len(orders) > 60 and {one.split()[0] for one in orders} == {"1"}, "of the second file"
