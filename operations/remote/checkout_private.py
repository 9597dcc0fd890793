"""Name what git knows of a checkout and others cannot read, or let them. As a program, run by its user: FOLDER [heal].

The host need not have git: its index is read as it is, see gitformat-index(5). What the program keeps beside the
checkout is its user's own business. Nothing for a plain folder and for a link.
"""

from __future__ import annotations

import os
import stat
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

_HEADER, _FIXED, _EXTENDED = 12, 62, 0x4000
"""Bytes before the entries; of an entry before its path, with a SHA-1; the flag that two more follow."""


def tracked(index: bytes) -> Iterator[str]:
    """The paths in an index of version 2, 3 or 4. Raises ``ValueError``, ``IndexError`` or ``struct.error``."""
    signature, version, count = struct.unpack_from(">4sII", index)
    if signature != b"DIRC" or version not in (2, 3, 4):
        raise ValueError("no index of a known version")
    at, path = _HEADER, b""
    for _ in range(count):
        begin, (flags,) = at, struct.unpack_from(">H", index, at + _FIXED - 2)
        at += _FIXED + (2 if flags & _EXTENDED else 0)
        kept = 0
        if version == 4:  # as the one before, less so many bytes
            less, at = _number(index, at)
            kept = len(path) - less
        end = index.index(b"\0", at)
        path = path[:kept] + index[at:end]
        at = end + 1 if version == 4 else begin + (end - begin + 8) // 8 * 8
        yield os.fsdecode(path)


def _number(index: bytes, at: int) -> tuple[int, int]:
    """The number of variable width at `at`, and where it ends."""
    number = index[at] & 0x7F
    while index[at] & 0x80:
        at += 1
        number = ((number + 1) << 7) | (index[at] & 0x7F)
    return number, at + 1


def known(index: Path) -> set[str]:
    """What git knows: the checkout's folder and its own, its files, and the folders they are in."""
    try:
        files = list(tracked(index.read_bytes()))
    except (OSError, ValueError, IndexError, struct.error):
        files = []
    folders = {str(parent) for name in files for parent in Path(name).parents}
    return {".", ".git", *files, *folders}


def lacking(path: str) -> int:
    """The mode that the file or folder `path` should have, where others lack some of it; else 0."""
    try:
        mode = os.lstat(path).st_mode
    except OSError:  # it is gone
        return 0
    enter = stat.S_ISDIR(mode) or (stat.S_ISREG(mode) and mode & 0o111)
    wanted = mode | 0o044 | (0o011 if enter else 0)
    needed = 0o055 if stat.S_ISDIR(mode) else 0o044
    lacks = (stat.S_ISDIR(mode) or stat.S_ISREG(mode)) and mode & needed != needed
    return stat.S_IMODE(wanted) if lacks else 0


def main(folder: str, heal: bool) -> None:
    """Do as the docstring says in `folder`."""
    if not os.path.isdir(os.path.join(folder, ".git")):
        return
    os.chdir(folder)
    for path in sorted(known(Path(".git/index"))):
        if mode := lacking(path):
            if heal:
                os.chmod(path, mode)
            else:
                print(os.path.join(".", path))


if __name__ == "__main__":
    sys.stdout.reconfigure(errors="surrogateescape")  # type: ignore[union-attr]
    main(sys.argv[1], sys.argv[2:] == ["heal"])
