"""Asking the X server: does it answer, is a window manager there, is a window on the screen.

The tools are of x11-utils; each is given its time, because a stopped X server accepts connections and says
nothing.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import socket
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

from visomaster_host import beneath, paths
from visomaster_host.files import ROOT, write_atomic
from visomaster_host.host import Host
from visomaster_host.problems import NotReady, Problem, say
from visomaster_host.refusals import refusal

ANSWER_WITHIN = 2.0
"""Seconds for one question; a healthy server needs milliseconds."""

MOST_DISPLAYS = 64
"""How many are looked at for a free one."""

GIVE_A_NETWORK = "give the container a network of its own (no --network host or container:)"

_WINDOW_ID = re.compile(r"0x[0-9a-f]+")
_TITLE = re.compile(r'^xwininfo: Window id: \S+ "(.*)"$', re.MULTILINE)
_MAP_STATE = re.compile(r"^\s*Map State: (\w+)$", re.MULTILINE)


def variables(host: Host) -> dict[str, str]:
    """The environment of an X client of this host."""
    return {"DISPLAY": host.display, "XAUTHORITY": str(paths.XAUTHORITY)}


def choose(host: Host) -> Host:
    """`host` on a display that nobody has: its own, or the next one that is free in this network. Writes down which one
    for all that read the host. To be called before ours runs. Raises `Problem`, OSError.
    """
    first = int(host.display_number)
    free = next((number for number in range(first, first + MOST_DISPLAYS) if not taken(number)), None)
    if free is None:
        raise Problem(f"displays :{first} to :{first + MOST_DISPLAYS - 1} are taken: {GIVE_A_NETWORK}")
    if free == first:
        return host
    chosen = replace(host, display=f":{free}")
    write_atomic(paths.DISPLAY, f"{chosen.display}\n".encode(), mode=0o644, owner=ROOT)
    say(f"visomaster-start: display {host.display} is taken by another X server; going on: on display {chosen.display}")
    return chosen


def taken(number: int) -> bool:
    """Whether an X server listens on the display, in this folder for sockets or anywhere in this network."""
    return answers_without_file(number) or _answers_by_file(number)


def answers_without_file(number: int) -> bool:
    """Whether somebody accepts connections on the display's abstract socket, which all of a network share. Clients try
    it first.
    """
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(ANSWER_WITHIN)
        return probe.connect_ex(f"\0{paths.X11_SOCKETS}/X{number}") in (0, errno.EAGAIN)


def _answers_by_file(number: int) -> bool:
    try:
        with beneath.Folder.open(paths.X11_SOCKETS) as sockets:
            return sockets.answers(f"X{number}")
    except OSError:
        return False


def has_file() -> bool:
    """Whether our X server listens on a socket with a file: where its folder is a folder, for everybody to write. Then
    it needs no socket that others in this network may have, or connect to.
    """
    try:
        with beneath.Folder.open(paths.X11_LOCKS) as above, above.enter(paths.X11_SOCKETS.name) as sockets:
            sockets.require_writable()
            return stat.S_IMODE(sockets.owner.st_mode) == 0o1777
    except OSError:
        return False


def make_room(host: Host) -> None:
    """Prepare for an X server of ours on the host's display. Raises OSError, `Problem` where it would end at once."""
    _require_room()
    _remove_stale_display(host)


def _require_room() -> None:
    """Raise OSError, `Problem` where no lock can be made: the X server ends then."""
    with beneath.Folder.open(paths.X11_LOCKS) as locks:
        locks.require_writable()
        if not locks.owner.st_mode & stat.S_IWOTH:
            raise Problem(f"{paths.X11_LOCKS}: expected a folder that everybody may write in: chmod 1777 it")


def _remove_stale_display(host: Host) -> None:
    """Remove the lock and socket of an X server that is gone. Raises `Problem` when one lives on the display.

    Process numbers repeat over `docker restart`: a left lock can name a living stranger, and an X server
    then gives up with "Server is already active".
    """
    if taken(int(host.display_number)):
        raise Problem(f"display {host.display} is taken by another X server: {GIVE_A_NETWORK}")
    # Where sockets cannot be removed none can be made: ours then has no file.
    with contextlib.suppress(OSError), beneath.Folder.open(paths.X11_SOCKETS) as sockets:
        sockets.remove(f"X{host.display_number}")
    with beneath.Folder.open(paths.X11_LOCKS) as locks:
        locks.remove(f".X{host.display_number}-lock")


def _cookie() -> Path:
    """The file with the display's cookie for whoever asks: the pages' user has one of its own."""
    own = os.geteuid() != 0 and os.access(paths.PAGES_XAUTHORITY, os.R_OK)
    return paths.PAGES_XAUTHORITY if own else paths.XAUTHORITY


def listening(host: Host) -> str:
    """An X server listens. Raises `NotReady`. Enough for a client, which then waits for its answer, some 60 ms."""
    if not taken(int(host.display_number)):
        raise NotReady(f"no X server listens on display {host.display}")
    return f"something listens on display {host.display}"


def server(host: Host) -> str:
    """The X server lets us in with its cookie and answers. Raises `NotReady`."""
    listening(host)
    _ask(host, "xdpyinfo", "-queryExtensions")
    return f"display {host.display} answers"


def window_manager(host: Host) -> str:
    """A window manager says that it runs, in the way of EWMH. Raises `NotReady`.

    The root window's property outlives a killed window manager; the window it names does not.
    """
    found = window_ids(_ask(host, "xprop", "-root", "_NET_SUPPORTING_WM_CHECK"))
    if not found:
        raise NotReady("no window manager has announced itself")
    check = _ask(host, "xprop", "-id", found[0], "_NET_SUPPORTING_WM_CHECK", "_NET_WM_NAME")
    if window_ids(check)[:1] != found[:1]:
        raise NotReady("the window manager that announced itself is gone")
    return check.rpartition(" = ")[2].strip().strip('"')


def application_window(host: Host) -> str:
    """A window whose title begins with the application's is on the screen. Raises `NotReady`."""
    titles = []
    for window in window_ids(_ask(host, "xprop", "-root", "_NET_CLIENT_LIST")):
        title, viewable = parse_window(_ask(host, "xwininfo", "-id", window))
        if viewable and title.startswith(host.window_title):
            return f"{title!r} is on the screen"
        titles.append(repr(title) if viewable else f"{title!r} (hidden)")
    raise NotReady(f"no window {host.window_title!r}, only {', '.join(titles) or 'an empty desktop'}")


def window_ids(xprop: str) -> list[str]:
    """The window numbers in xprop's answer for a property of type WINDOW; empty when it has none."""
    _, marker, numbers = xprop.partition("window id #")
    return _WINDOW_ID.findall(numbers.partition("\n")[0]) if marker else []


def parse_window(xwininfo: str) -> tuple[str, bool]:
    """Title and "is it on the screen" from what `xwininfo -id` prints; a window without a title has an empty
    one.
    """
    title, state = _TITLE.search(xwininfo), _MAP_STATE.search(xwininfo)
    return title.group(1) if title else "", state is not None and state.group(1) == "IsViewable"


def _as_owner_of_cookie() -> dict[str, Any]:
    """How a question of root's is asked: by the user in whose folder the cookie lies. They can put anything there, and
    a tool of root's would open it.
    """
    owner = beneath.status(paths.DESKTOP) if os.geteuid() == 0 else None
    return {} if owner is None else {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []}


def _ask(host: Host, *command: str) -> str:
    """What `command` prints. Raises `NotReady` when it fails or takes too long."""
    import subprocess  # 4 ms that supervisord, which asks the display nothing itself, would wait for

    environment = {**variables(host), "XAUTHORITY": str(_cookie()), "PATH": paths.SYSTEM_PATH, "LC_ALL": "C.UTF-8"}
    try:
        done = subprocess.run(
            command,
            env=environment,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=ANSWER_WITHIN,
            **_as_owner_of_cookie(),
        )
    except FileNotFoundError:
        raise NotReady(f"{command[0]} is not installed") from None
    except OSError as error:
        raise NotReady(f"{command[0]} cannot be run: {refusal(error)}") from None
    except subprocess.TimeoutExpired:
        raise NotReady(f"the X server does not answer {command[0]} within {ANSWER_WITHIN:.0f} s") from None
    if done.returncode != 0:
        raise NotReady(" ".join((done.stderr or done.stdout).split()) or f"{command[0]} failed")
    return str(done.stdout)
