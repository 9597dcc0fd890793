"""A text file that a person gave: read whole, or refused in one line.

Editors of Windows put a mark before UTF-8 and CR before LF: neither is a fault.
"""

from __future__ import annotations

import codecs
import os
import stat
from pathlib import Path

from visomaster_host.text import Told

MOST = 16 * 1024 * 1024
"""Bytes. The longest file that people keep here, a lock of hashes, has under one million."""

_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class GivenError(Told, ValueError):
    """The file is not usable; the message is one line that says why, after the file's name or path."""


def is_there(path: Path) -> bool:
    """Whether something is at `path`; also where this user may not see it: `read` then says so."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (OSError, ValueError):
        return True
    return True


def read(path: Path, name: str | None = None) -> str:
    """The text of `path`, its lines ended by LF. Raises `GivenError`, which begins with `name` (the path if None), for
    what is no file, cannot be read, is no UTF-8 text, is empty or longer than `MOST`."""
    try:
        return _text(_bytes(path))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise GivenError(f"{path if name is None else name}: {reason}") from None


def _bytes(path: Path) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a FIFO would be waited for
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("is no file")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            found = file.read(MOST + 1)
    finally:
        os.close(descriptor)
    if len(found) > MOST:
        raise ValueError(f"is longer than {MOST // 1024 // 1024} MiB, which no file of this kind is")
    return found


def _text(found: bytes) -> str:
    if found.startswith(_UTF16):
        raise ValueError("is UTF-16 text, expected UTF-8: save it as UTF-8")
    try:
        text = found.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"line {_line(found, error.start)} is no UTF-8 text: save the file as UTF-8") from None
    if "\0" in text:
        raise ValueError(f"line {_line(found, found.index(0))} has a NUL character, expected text")
    if not text.strip():
        raise ValueError("is empty")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _line(found: bytes, place: int) -> int:
    return found.count(b"\n", 0, place) + 1
