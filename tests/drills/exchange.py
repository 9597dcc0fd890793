"""A hostile user: exchanges what root works on for links, again and again, until its standard input ends.

Runs on a host as the program's user, with the standard library alone. The first line of the input is JSON: `links`
(path → where the link laid there leads), `weights` (path → how often it is chosen, beside others), `folders` (path →
folder in which a thing of the same name is what a link in the place of any entry leads to) and `emptied` (folders whose
links are removed all the time). Prints how often what was exchanged: {"laid": …, "missed": …}.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import os
import random
import select
import shutil
import sys
import time
from pathlib import Path

EXCHANGE, HERE = 2, -100
TWIN = ".twin"
HOLDS = (0.0, 0.0, 0.0005, 0.002, 0.02)
"""Seconds for which a link lies: a system call, the steps of a program, a program."""
BURSTS = (0.0, 0.01, 0.03, 0.1)
"""Seconds for which a link is laid and taken away as fast as can be, so that one look of root's sees the thing and the
next one the link; 0 is once."""

LIBC = ctypes.CDLL(None, use_errno=True)


def exchanged(one: Path, other: Path) -> None:
    """Give each the other's name, at once. Raises OSError."""
    if LIBC.renameat2(HERE, os.fsencode(one), HERE, os.fsencode(other), EXCHANGE):
        if ctypes.get_errno() == errno.EXDEV:
            make_own(one)
        raise OSError(ctypes.get_errno(), f"cannot exchange {one}")


def make_own(folder: Path) -> None:
    """Put a copy in the place of a folder that came with the image: overlayfs renames no such folder."""
    copy = folder.with_name(f"{TWIN}-copy")
    remove(copy)
    shutil.copytree(folder, copy, symlinks=True)
    shutil.rmtree(folder)
    copy.rename(folder)


def attack(path: Path, target: str) -> None:
    """Lay a link at `path` for a moment; what was there comes back. Raises OSError when somebody else was quicker."""
    if not os.path.lexists(path):
        path.symlink_to(target)
        time.sleep(random.choice(HOLDS))
        if leads(path, target):
            path.unlink()
        return
    twin = path.with_name(f"{TWIN}{os.getpid()}")
    twin.symlink_to(target)
    try:
        back_and_forth(path, twin, target)
    finally:
        remove(twin)


def back_and_forth(path: Path, twin: Path, target: str) -> None:
    """Exchange the two once for a while, or many times as fast as can be. Raises OSError."""
    burst = random.choice(BURSTS)
    ends = time.monotonic() + burst
    while burst and time.monotonic() < ends:
        exchanged(path, twin)
        exchanged(path, twin)
    if not burst:
        exchanged(path, twin)
        time.sleep(random.choice(HOLDS))
        if leads(path, target):  # else somebody put something in the link's place: that stays
            exchanged(path, twin)


def leads(path: Path, target: str) -> bool:
    """Whether the link is still there."""
    return path.is_symlink() and path.readlink() == Path(target)


def remove(path: Path) -> None:
    """Remove a link, a file, or a folder with all that is in it. Raises OSError."""
    if not path.is_symlink() and path.is_dir():
        shutil.rmtree(path)
    elif os.path.lexists(path):
        path.unlink()


def empty(folder: Path) -> None:
    """Remove the links in a folder, so that root has to lay them anew. Raises OSError."""
    for path in folder.iterdir():
        if path.is_symlink() and not path.name.startswith(TWIN):
            path.unlink()


def choose(links: dict[str, str], weights: dict[str, int], folders: dict[str, str]) -> tuple[Path, str]:
    """A place, and where its link leads. Raises OSError when the chosen folder cannot be read."""
    if links and (not folders or random.random() < 0.8):
        [path] = random.choices(list(links), [weights.get(path, 1) for path in links])
        return Path(path), links[path]
    folder = random.choice(list(folders))
    names = [path.name for path in Path(folder).iterdir() if not path.name.startswith(TWIN)]
    name = random.choice(names or ["new"])
    return Path(folder) / name, f"{folders[folder]}/{name}"


def main() -> None:
    """Attack until the input ends."""
    plan = json.loads(sys.stdin.readline())
    laid = missed = 0
    while not select.select([sys.stdin], [], [], 0)[0]:
        try:
            for folder in plan["emptied"]:
                empty(Path(folder))
            attack(*choose(plan["links"], plan["weights"], plan["folders"]))
            laid += 1
        except OSError:
            missed += 1  # root, or the program, changed something in between
    for folder in plan["folders"]:
        with contextlib.suppress(FileNotFoundError):
            for left in Path(folder).glob(f"{TWIN}*"):
                remove(left)
    print(json.dumps({"laid": laid, "missed": missed}))


if __name__ == "__main__":
    main()
