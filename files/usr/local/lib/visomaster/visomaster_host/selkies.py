"""Selkies on the screen of Xtigervnc: python3 -S -m visomaster_host.selkies SCREEN_MAX SELKIES' OWN OPTIONS

Selkies resizes a screen by RandR, in several steps and with a monitor of its own laid over the output. Window managers
and programs follow only some of these steps, and Xtigervnc knows sizes of its own besides. So the names of Selkies with
which it does that are replaced here: the screen is resized as by any viewer, in one step, and a size that another
viewer has set is followed. docs/decisions/0017-selkies-on-xtigervnc.md says more.

Where this release of Selkies is not the one that we know, the screen keeps its size instead.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import operator
import os
import select
import socket
import sys
import threading
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from visomaster_host import desktop_size, paths
from visomaster_host.problems import NotReady, complain

LOOK = 0.25
"""Seconds between two looks at the screen's size while somebody watches."""

FIXED = "--enable-resize=false"
"""The option with which Selkies leaves the screen its size."""

READ_ROOT = "read_realized_root"
"""Selkies' function that says how large the screen is."""

SERVER, RECONFIGURE = "DataStreamingServer", "reconfigure_displays"
"""Selkies' class of what serves pages, and what lays out their pictures anew."""

LOCK, VIEWERS, PRIMARY = "_reconfigure_lock", "display_clients", "primary"
"""Of such a server: what is held meanwhile; what the pages of each display want; the name of the only display."""

Pixels = tuple[int, int]
"""Across and down, as Selkies has them."""

Function = Callable[..., Awaitable[Any]]


def even(size: Pixels) -> Pixels:
    """What a picture of `size` can show: H.264 has a colour for two by two pixels."""
    return size[0] // 2 * 2, size[1] // 2 * 2


def size_of(text: str) -> Pixels:
    """The size that "1920x1080" says. Raises ValueError."""
    width, _, height = text.partition("x")
    return int(width), int(height)


class Screen:
    """What takes the place of Selkies' own functions for the screen. `read_root` is the one of them that stays; no
    page makes the screen larger than `most`.
    """

    def __init__(self, read_root: Function, most: Pixels) -> None:
        self._read_root, self._most = read_root, most

    async def size(self) -> Pixels:
        """The screen's size, (0, 0) where it cannot be told."""
        width, height = await self._read_root((0, 0))
        return width, height

    async def resize(self, size: str, refresh: float | None = None, output_size: Pixels | None = None) -> Pixels | None:
        """Make the screen `output_size`, as a page has asked for; `size` is that, widened to what modes of RandR have.

        Returns the size it has then, None where it has been refused. A screen that is one pixel larger than an even
        size has been made so by another viewer, and stays.
        """
        width, height = output_size or size_of(size)
        wanted = min(width, self._most[0]), min(height, self._most[1])
        if even(now := await self.size()) == even(wanted):
            return now
        try:
            await asyncio.to_thread(desktop_size.resize, paths.VNC_SOCKET, *wanted)
        except NotReady as reason:
            complain(f"selkies: the screen keeps its size: {reason}")
            return None
        return wanted

    async def follow(self, server: Any) -> None:
        """While `server` runs: once the screen has got another size than its page asked for, show all of it."""
        seen: Pixels = (0, 0)
        while True:
            await asyncio.sleep(LOOK)
            viewer = getattr(server, VIEWERS).get(PRIMARY)
            if viewer is None or getattr(server, LOCK).locked():
                continue
            now = await self.size()
            if now != seen and min(now) > 0 and even(now) != (viewer.get("width"), viewer.get("height")):
                viewer["width"], viewer["height"] = even(now)
                await getattr(server, RECONFIGURE)()
            seen = now


def replacements(screen: Screen) -> Mapping[str, Function]:
    """What stands in for each name of `selkies.websockets_mode`."""
    return {
        "resize_display": screen.resize,
        "replace_selkies_monitors": always(True),  # no monitor over the server's own
        "grow_framebuffer": always(False),  # not in two steps
        "ensure_mode": always(True),  # the server makes its modes by itself
        "has_pluggable_outputs": always(False),
        "refresh_output_mode": always(None),
        "retire_displays": always(None),
    }


def always(answer: object) -> Function:
    """A function that says `answer` to whatever it is asked."""

    async def function(*_: object, **__: object) -> object:
        return answer

    return function


def lacking(module: Any) -> list[str]:
    """The names, of those that we know, which Selkies' `module` does not have."""
    names = (READ_ROOT, *replacements(Screen(always((0, 0)), (0, 0))), f"{SERVER}.{RECONFIGURE}")
    return [name for name in names if not _has(module, name)]


def _has(module: Any, name: str) -> bool:
    try:
        return callable(operator.attrgetter(name)(module))
    except AttributeError:
        return False


def take_over(module: Any, screen: Screen) -> None:
    """Replace what `module` has of the names, and have `screen` followed where that can be."""
    for name, function in replacements(screen).items():
        if _has(module, name):
            setattr(module, name, function)
    if _has(module, f"{SERVER}.{RECONFIGURE}"):
        have_followed(getattr(module, SERVER), screen)


def have_followed(kind: Any, screen: Screen) -> None:
    """Have a server of this `kind` begin to follow `screen` when it lays out its pictures for the first time."""
    reconfigure = getattr(kind, RECONFIGURE)
    following: set[asyncio.Task[None]] = set()  # a loop alone does not keep its tasks

    async def reconfigure_and_follow(server: Any) -> None:
        if not following:
            following.add(asyncio.get_running_loop().create_task(screen.follow(server)))
        await reconfigure(server)

    setattr(kind, RECONFIGURE, reconfigure_and_follow)


def end_with_screen() -> None:
    """Have this process end once its X server has: Selkies would go on with a screen that is no more. Started anew, it
    waits for the next one.
    """
    display = importlib.import_module("selkies.Xlib.display").Display()
    threading.Thread(target=_await_end, args=(display.display.socket,), daemon=True).start()


def _await_end(connection: socket.socket) -> None:
    """End this process when the X server closes `connection`; what it sends before that is of no interest."""
    with contextlib.suppress(OSError):
        while select.select([connection], [], [])[0] and connection.recv(4096):
            pass
    complain("selkies: the X server is gone")
    os._exit(1)  # an orderly end would ask it for more, and tell at length what does not answer


def main() -> None:
    """Be Selkies until the end of this process."""
    most = size_of(sys.argv.pop(1))
    module = importlib.import_module("selkies.websockets_mode")
    gone = lacking(module)
    if gone and FIXED not in sys.argv:
        complain(f"selkies: this release has no {', '.join(gone)}; going on: the desktop keeps its size")
        os.execv(sys.executable, [*sys.orig_argv, FIXED])  # this one has read its options
    take_over(module, Screen(getattr(module, READ_ROOT, always((0, 0))), most))
    end_with_screen()
    importlib.import_module("selkies.__main__").main()


if __name__ == "__main__":
    main()
