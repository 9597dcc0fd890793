"""Which windows fill the screen, and where the others are put."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from visomaster_host import paths, windows
from visomaster_host.files import Owner
from visomaster_host.services import fluxbox

from spec.here import local
from tests.unit.test_host_facts import host


@pytest.mark.parametrize(
    "title", ["VisoMaster", "VisoMaster - Fusion", "Viso (Master", "a*b+c? [d] {e} \\f | ^g $h", "動画 1.0"]
)
def test_the_rule_is_one_for_every_title(title: str) -> None:
    """Nothing in a title is an expression, a parenthesis of the file, or a line of its own."""
    (rule,) = (line for line in fluxbox.rules(title).splitlines() if "title=" in line)
    expression = rule.partition("(title=")[2].partition(") (transient=no) {1}")[0]
    assert not set("()[]{}\\|^$?+") & set(expression)
    assert re.fullmatch(expression, title) and re.fullmatch(expression, f"{title} - project.json")
    assert not re.fullmatch(expression, f"About {title}")


def test_a_title_adds_no_rule() -> None:
    assert fluxbox.rules("a)\n[app] (b").count("\n") == fluxbox.rules("a").count("\n")


def test_fluxbox_reads_the_rules_of_this_host(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where its own configuration names them; they are there before it runs, for all to read."""
    named = local(paths.FLUXBOX / "init").read_text(encoding="utf-8")
    assert f"session.appsFile: {paths.WINDOWS}\n" in named
    monkeypatch.setattr(paths, "WINDOWS", tmp_path / "windows")
    monkeypatch.setattr(fluxbox, "ROOT", Owner(uid=tmp_path.stat().st_uid, gid=tmp_path.stat().st_gid))
    fluxbox.launch(host())
    assert paths.WINDOWS.read_text(encoding="utf-8") == fluxbox.rules(host().window_title)
    assert paths.WINDOWS.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize(
    ("start", "length", "screen", "expected"),
    [
        (100, 500, 1000, 100),  # there
        (709, 500, 1000, 499),  # too far: with its frame it ends where the screen does
        (0, 500, 1000, 26),  # its title bar above the screen
        (-400, 500, 1000, 26),
        (300, 2500, 1000, 26),  # too long: its title bar, not its end
    ],
)
def test_a_window_is_put_on_the_screen(start: int, length: int, screen: int, expected: int) -> None:
    assert windows.onto(start, 26, length, 1, screen) == expected
