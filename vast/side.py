"""One side of the folder that goes along: what lies in it, its digests, and names for what has arrived.

It is imported here, and sent as text to the box, where the distribution's `python3 -I` runs it as the program's user:
it needs the standard library alone. No link is followed, on either side: what is no file of its own is left out and
told. What has arrived lies in `INCOMING` until it is proven, what gives way to it goes to `REPLACED`. Nothing else is
ever deleted.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
import stat
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

INCOMING = ".incoming"
REPLACED = ".replaced"
"""Hidden, so that neither side carries them; below the second a folder for each time."""

DEEPEST = 40
MOST_FILES = 200_000
_UNSEEN = frozenset(("Cc", "Cs", "Zl", "Zp"))
"""Kinds of characters that a name cannot have here: controls, halves of pairs (no UTF-8), separators of lines."""
_PIECE = 1024 * 1024  # bytes


def refused(path: str) -> str | None:
    """Why `path`, relative and `/` between its names, is not carried; None where it is."""
    names = path.split("/")
    if len(names) > DEEPEST:
        return "lies too deep"
    for name in names:
        if name in ("", ".", ".."):
            return "is no path in a folder"
        if name.startswith("."):
            return "is hidden"
        if any(unicodedata.category(letter) in _UNSEEN for letter in name):
            return "has control characters, or is no UTF-8"
        if len(os.fsencode(name)) > 255:
            return "has too long a name"
    return None


def listing(root: str, without: Iterable[str] = ()) -> dict[str, Any]:
    """The `files` below `root` ([path, bytes, ns since 1970]), what is `left` out ([path, why]) and the bytes that are
    `free`; folders that are called as one of `without` are not entered. Raises OSError where there is no `root`.
    """
    files: list[tuple[str, int, int]] = []
    left: list[tuple[str, str]] = []
    skipped = frozenset(without)

    def look(folder: str, below: str) -> None:
        with os.scandir(folder) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
        for entry in found:
            if not below and entry.name == INCOMING:
                continue
            path, status = below + entry.name, entry.stat(follow_symlinks=False)
            if why := refused(path) or _odd(status):
                left.append((path, why))
            elif stat.S_ISREG(status.st_mode):
                files.append((path, status.st_size, status.st_mtime_ns))
            elif entry.name in skipped:
                left.append((path, "stays where it was made"))
            else:
                try:
                    look(entry.path, f"{path}/")
                except OSError as error:
                    left.append((path, f"cannot be read: {error.strerror}"))
            if len(files) + len(left) > MOST_FILES:
                raise OSError(errno.E2BIG, f"more than {MOST_FILES} files", root)

    look(root, "")
    return {"files": files, "left": left, "free": shutil.disk_usage(root).free}


def arrived(root: str) -> int:
    """The bytes on the disk of what has arrived and has no name yet."""
    files = (os.path.join(folder, name) for folder, _, names in os.walk(os.path.join(root, INCOMING)) for name in names)
    return sum(os.lstat(path).st_blocks * 512 for path in files)


def kept(root: str, sought: dict[str, str]) -> list[str]:
    """Those of the paths `sought`, each with a sha256, of which there is such a file among what was replaced."""
    found = []
    for path, sha256 in sought.items():
        for folder in Path(root).joinpath(REPLACED).glob("*"):
            with contextlib.suppress(OSError):
                if digest(str(folder / path))[0] == sha256:
                    found.append(path)
                    break
    return found


def _odd(status: os.stat_result) -> str | None:
    """Why something is neither a file nor a folder."""
    if stat.S_ISLNK(status.st_mode):
        return "is a link"
    return None if stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode) else "is no file"


def written(root: str) -> list[str]:
    """The files below `root` that a process of the same user has open to write to: a recording, an upload."""
    found: set[str] = set()
    for folder in Path("/proc").glob("[0-9]*/fd"):
        if folder.parent.name != str(os.getpid()):
            found.update(_written_by(folder, f"{os.path.realpath(root)}/"))
    return sorted(found)


def _written_by(folder: Path, above: str) -> Iterator[str]:
    """The files below `above` that a process, whose open files are in `folder`, writes to; it may end meanwhile."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        for entry in os.scandir(folder):
            with contextlib.suppress(OSError):
                target = os.readlink(entry.path)
                if target.startswith(above) and stat.S_ISREG(os.stat(entry.path).st_mode):
                    said = (folder.parent / "fdinfo" / entry.name).read_text(encoding="ascii")
                    if int(said.split("flags:")[1].split()[0], 8) & os.O_ACCMODE != os.O_RDONLY:
                        yield target.removeprefix(above)


def digests(root: str, paths: Iterable[str]) -> dict[str, Any]:
    """Of each of `paths`: [sha256, bytes, ns since 1970], or in one line why there is none."""
    found: dict[str, Any] = {}
    for path in paths:
        try:
            found[path] = digest(os.path.join(root, path))
        except OSError as error:
            found[path] = str(error.strerror)
    return found


def digest(path: str) -> tuple[str, int, int]:
    """The sha256, bytes and time of the file at `path`. Raises OSError, also for one that changes meanwhile."""
    # Not waiting: a FIFO that was put there meanwhile has no writer.
    with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb", buffering=0) as file:
        before = os.fstat(file.fileno())
        if not stat.S_ISREG(before.st_mode):
            raise OSError(errno.EINVAL, "is no file", path)
        found = hashlib.sha256()
        while piece := file.read(_PIECE):
            found.update(piece)
        after = os.fstat(file.fileno())
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise OSError(errno.EBUSY, "is being written to", path)
    return found.hexdigest(), after.st_size, after.st_mtime_ns


def place(root: str, new: Iterable[tuple[str, str, int, bool]], stamp: str) -> dict[str, Any]:
    """Give what has arrived its name: [path, the sha256 that it must have, its time in ns, whether it is kept aside]. A
    file that has the name goes aside. Returns those `placed`, those that went `aside`, and the `refused` ([path, why]).
    """
    done: dict[str, Any] = {"placed": [], "aside": [], "refused": []}
    for path, sha256, modified, aside in new:
        try:
            if _place(Path(root), path, sha256, modified, Path(REPLACED) / stamp, aside=aside):
                done["aside"].append(path)
            done["placed"].append(path)
        except OSError as error:
            done["refused"].append((path, str(error.strerror)))
    return done


def _place(root: Path, path: str, sha256: str, modified: int, beside: Path, *, aside: bool) -> bool:
    """Give one its name; whether it, or what had the name, is aside now. Raises OSError."""
    new, target, kept = root / INCOMING / path, root / path, root / beside / path
    found, _, _ = digest(str(new))
    if found != sha256:
        new.unlink()
        raise OSError(errno.EIO, "did not arrive as it was", path)
    os.utime(new, ns=(modified, modified), follow_symlinks=False)
    new.chmod(0o644)
    with new.open("rb") as file:
        os.fsync(file.fileno())
    gives_way = not aside and os.path.lexists(target)
    for each in [target] if not aside and not gives_way else [kept, target] if gives_way else [kept]:
        _folders(root, each.parent)
    if gives_way:
        if not stat.S_ISREG(target.lstat().st_mode):
            raise OSError(errno.EEXIST, "there is something else of that name", path)
        _give(target, kept)
    _give(new, kept if aside else target)
    return aside or gives_way


def _folders(root: Path, folder: Path) -> None:
    """Make the folders between `root` and `folder`. Raises OSError where one is a link or a file."""
    at = root
    for name in folder.relative_to(root).parts:
        at /= name
        with contextlib.suppress(FileExistsError):
            at.mkdir(0o755)
        if not stat.S_ISDIR(at.lstat().st_mode):
            raise OSError(errno.ENOTDIR, f"{at.relative_to(root)} is no folder", str(at))


def _give(old: Path, new: Path) -> None:
    """Rename, over nothing. Raises OSError, FileExistsError where the name is taken."""
    try:
        os.link(old, new, follow_symlinks=False)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.EMLINK) or os.path.lexists(new):
            raise
        old.rename(new)  # a file system without hard links: looking before is the best that there is
        return
    old.unlink()


def clear(root: str) -> dict[str, Any]:
    """Remove what was carried here and needs no name any more."""
    shutil.rmtree(Path(root) / INCOMING, ignore_errors=True)
    return {}


def main() -> None:
    """Answer what the standard input asks, as one line behind the mark: a login may have printed others before."""
    asked = json.load(sys.stdin)
    calls: tuple[Callable[..., Any], ...] = (listing, arrived, kept, written, digests, place, clear)
    call = {function.__name__: function for function in calls}[asked["call"]]
    try:
        answer = {"answer": call(asked["root"], *asked["arguments"])}
    except OSError as error:
        answer = {"error": f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror)}
    print(f"\n{asked['mark']}{json.dumps(answer)}", flush=True)


if __name__ == "__main__":
    main()
