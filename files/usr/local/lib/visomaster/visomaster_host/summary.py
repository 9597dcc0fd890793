"""How each way to a desktop ends: a box that says where to open it, how to log in, to stop and to check it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TextIO

from visomaster_host.choices import Access
from visomaster_host.colours import Colour, coloured
from visomaster_host.text import printable

LONGEST_RULE = 78
"""Characters of the line above and below: an address may be longer, and is to be copied as a whole."""

LOCAL = "127.0.0.1"

RENTED = "a rented machine costs until it is destroyed; stopped, its storage"
"""What goes on costing, in the same words everywhere."""


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What the box says, each part in one or more lines. None of it is secret where a log may keep it."""

    title: str
    open: tuple[str, ...]
    log_in: tuple[str, ...]
    stop: tuple[str, ...]
    check: tuple[str, ...]

    def lines(self) -> list[str]:
        """The box, without colours: every part is aligned, and every line can be copied."""
        parts = {"Open": self.open, "Log in": self.log_in, "Stop": self.stop, "Check": self.check}
        said = [
            f"  {name if not number else '':8}{printable(line)}"
            for name, part in parts.items()
            for number, line in enumerate(part)
        ]
        rule = "-" * min(LONGEST_RULE, max(len(self.title) + 6, *map(len, said)))
        return [f"-- {printable(self.title)} {rule[len(self.title) + 4 :]}", *said, rule]

    def tell(self, stream: TextIO) -> None:
        """Print the box on `stream`: what frames it is green on a terminal. Raises OSError."""
        lines = self.lines()
        for number, line in enumerate(lines):
            frame = number in (0, len(lines) - 1)
            print(coloured(line, Colour.GREEN if frame else None, stream), file=stream, flush=True)


def opened(access: Access, where: str) -> str:
    """What a person opens: `where` is an address of a web page, or the host and port of a VNC server."""
    return f"{where} in a VNC client" if access == Access.VNC else where


def local_address(access: Access, port: int, *, secure: bool = False) -> str:
    """Where this very machine finds `port`: an address that can be opened as it stands."""
    if access == Access.VNC:
        return f"{LOCAL}:{port}"
    return f"{'https' if secure else 'http'}://{LOCAL}:{port}/"


def tunnel(ssh: str, port: int) -> str:
    """The command that brings `port` of the machine reached by `ssh` to one's own."""
    words = ssh.split(" ", 1)
    return f"{words[0]} -L {port}:{LOCAL}:{port}{f' {words[1]}' if len(words) > 1 else ''}"
