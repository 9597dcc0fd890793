"""What `make rent` and `make boxes` show last: a box with commands that can be copied, and colours for a terminal."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from visomaster_host.colours import Colour
from visomaster_host.summary import RENTED

from spec.variant import VARIANTS
from tests.fake_vast import instance
from vast.books import Attempt
from vast.boxes import Box, read_box
from vast.handed import summary
from vast.machine import Key, Machine
from vast.owned import _colour
from vast.shown import Screen

NOW = 1_800_000_000.0


def rented(**changes: object) -> Box:
    known = {"label": "visomaster alt until=2100-01-01T00:00Z", "image_runtype": "ssh_proxy", **changes}
    return read_box(instance(7, **known))


def attempt() -> Attempt:
    return Attempt(mark="m", label="l", variant="alt", gpu="RTX", machine=1, hourly=0.312, begun=NOW, number=7)


def test_the_box_of_a_rental_says_what_it_costs_and_what_ends_it(tmp_path: Path) -> None:
    machine = Machine(name="vast-7", folder=tmp_path)
    box = summary(rented(), attempt(), VARIANTS["alt"], machine, Key(path=Path("/keys/id"), public="ssh-ed25519 x"))
    text = "\n".join(box.lines())
    assert "The desktop is ready on vast-7" in text and "make open BOX=7" in text
    assert "make end BOX=7: brings workspace/ home, then destroys it" in text
    assert "$0.312 an hour" in text and RENTED in text
    assert f"ssh -F {tmp_path}/ssh_config root@vast-7 visomaster-credentials" in text
    assert "make verify HOST=paramiko://root@192.0.2.45:20022 KEY=/keys/id" in text


@pytest.mark.parametrize(
    ("box", "colour"),
    [
        (rented(), Colour.GREEN),
        (rented(actual_status="exited"), Colour.YELLOW),
        (rented(label="visomaster alt until=2020-01-01T00:00Z"), Colour.RED),
    ],
)
def test_a_row_has_the_colour_of_its_state(box: Box, colour: Colour) -> None:
    assert _colour(box, NOW) == colour


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_without_colours_shows_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    shown = {}
    for wish in ("", "1"):
        monkeypatch.setenv("NO_COLOR", wish)
        terminal = Terminal()
        Screen(terminal).bad("late")
        shown[wish] = terminal.getvalue()
    assert shown == {"": "\x1b[31mlate\x1b[0m\n", "1": "late\n"}
