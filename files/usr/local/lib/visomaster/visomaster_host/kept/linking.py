"""Each thing that the program keeps: where it lives, and the link to it from where the program looks.

In the program's own folder, `.visomaster/linked` names what was linked there once: what stands at such a place again
was put there by the program or a person, not by an image. A checkout of another commit takes names out of it.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass

from visomaster_host import paths
from visomaster_host.kept.moving import Left, Move, sync_folder, take
from visomaster_host.kept_entry import Kept

OURS = ".visomaster"
"""Our folder in the program's; what it is for is said above, and what was taken along lies in it as it was."""
LINKED, BEFORE = f"{OURS}/linked", f"{OURS}/before"
_STAGED = ".taking-along"
_MOST = 64 * 1024  # bytes of a file of ours that are read


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where the program's folder is, and the `state` folder of this application: absolute paths."""

    program: str
    state: str

    def link_of(self, entry: Kept) -> str:
        """Where the program looks for `entry`."""
        return f"{self.program}/{entry.path}"

    def home_of(self, entry: Kept, machine: str) -> str:
        """Where `entry` lives on a `machine`, which is the name of a folder."""
        return f"{self.state}/{entry.path}/{machine}" if entry.by else f"{self.state}/{entry.path}"


def settle(entry: Kept, place: Place, machine: str) -> Iterator[str]:
    """Have `entry` live in the state folder and be linked from where the program looks; a line for each thing that a
    person should know. Raises OSError, `Left`; the program then finds what is where it is.
    """
    link, home = place.link_of(entry), place.home_of(entry, machine)
    kind = _kind(link)
    if kind == "link":
        _adopt(link, home, entry, place)
        _note(entry.path, place)
        return
    if kind not in ("", "folder" if entry.folder else "file"):
        raise Left(f"{link} is a {kind}, expected a {'folder' if entry.folder else 'file'}: it stays as it is")
    _require_home(home, entry)
    for folder in (home, link):
        os.makedirs(os.path.dirname(folder), exist_ok=True)
    new = _new_link(home, place)
    if kind:
        yield from take_along(entry.path, place, home, newer=entry.path in linked(place))
        yield f"{link} lives in {home} from now on"
    _make(home, entry)
    os.rename(new, link)
    _note(entry.path, place)


def take_along(path: str, place: Place, home: str, *, newer: bool) -> Iterator[str]:
    """Take the program's `path` along to `home`; a line for what is kept twice. Raises OSError, `Left`."""
    staged = f"{place.state}/{_STAGED}"
    aside = f"{place.program}/{BEFORE}/{path}"
    yield from take(
        Move(source=f"{place.program}/{path}", place=home, staged=staged, aside=aside, newer=newer),
    )


def linked(place: Place) -> tuple[str, ...]:
    """The paths below the program's folder that were linked there once."""
    try:
        with open(f"{place.program}/{LINKED}", "rb") as file:
            return tuple(file.read(_MOST).decode("utf-8", "replace").splitlines())
    except OSError:
        return ()


def write_beside(path: str, content: str) -> None:
    """Put `content` at `path` in one step. Raises OSError."""
    new = f"{path}.{os.urandom(8).hex()}.new"
    try:
        with open(new, "x", encoding="utf-8") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.rename(new, path)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(new)
        raise


def _kind(path: str) -> str:
    """What stands at `path`, in a word; empty for nothing. Raises OSError."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return ""
    tests = ((stat.S_ISLNK, "link"), (stat.S_ISDIR, "folder"), (stat.S_ISREG, "file"), (stat.S_ISFIFO, "FIFO"))
    return next((word for test, word in tests if test(mode)), "device or socket")


def _new_link(home: str, place: Place) -> str:
    """A link to `home` under a name of ours: on a full disk it is this that fails, while all is where it was."""
    new = f"{place.program}/{OURS}/new"
    os.makedirs(os.path.dirname(new), exist_ok=True)
    if os.path.lexists(new):
        os.unlink(new)
    os.symlink(home, new)
    return new


def _adopt(link: str, home: str, entry: Kept, place: Place) -> None:
    """Have `link` lead to `home` if it is one of ours; it may be of another card, or another application."""
    target = os.readlink(link)
    if target != home and not target.startswith(f"{paths.KEPT}/"):
        raise Left(f"{link} is somebody's link to {target}: it stays as it is")
    _require_home(home, entry)
    _make(home, entry)
    if target != home:
        os.rename(_new_link(home, place), link)


def _require_home(home: str, entry: Kept) -> None:
    """Raise `Left` where something else stands at `home`; a person may have laid a link to another disk there."""
    good = os.path.isdir(home) if entry.folder else not os.path.isdir(home)
    if os.path.lexists(home) and not good:
        raise Left(f"{home} is no {'folder' if entry.folder else 'file'}: {entry.path} stays where the program has it")


def _make(home: str, entry: Kept) -> None:
    """What the link is to lead to: a folder, or a file with what it begins with. The program makes other files."""
    if os.path.lexists(home):
        return
    if entry.folder:
        os.makedirs(home)
        return
    os.makedirs(os.path.dirname(home), exist_ok=True)
    if entry.seed:
        write_beside(home, entry.seed)


def _note(path: str, place: Place) -> None:
    """Write down that `path` is linked."""
    known = linked(place)
    if path not in known:
        os.makedirs(f"{place.program}/{OURS}", exist_ok=True)
        write_beside(f"{place.program}/{LINKED}", "".join(f"{one}\n" for one in (*known, path)))
        sync_folder(f"{place.program}/{OURS}")
