"""One file on its way to a person: whole, or the part that a broken download still lacks (RFC 9110, 13 and 14).

It is always something to keep, never something to show: nobody knows who wrote it.
"""

from __future__ import annotations

import errno
import os
import re
import select
import socket
import time
from functools import partial
from http import HTTPStatus
from io import FileIO
from urllib.parse import quote

from visomaster_host.workspace.exchange import Answer, Request, only, refused_by_system
from visomaster_host.workspace.tree import Tree, checked

_AT_ONCE = 64 * 1024 * 1024
"""Bytes that the kernel is asked to send in one call."""

_WITHOUT = (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP)
"""How a file system says that the kernel cannot send from it: some of FUSE."""
_PIECE = 256 * 1024  # bytes
_YEAR_9999 = 253402300799
"""The last second that HTTP has a date for."""

_RANGE = re.compile(r"bytes=[ \t]*([0-9]{0,18})-([0-9]{0,18})[ \t]*", re.IGNORECASE)
_NOT_PLAIN = re.compile(r"[^A-Za-z0-9 !#$&'()+,;=@^_`{}~.\[\]-]")
_TURNING = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Marks of direction: behind one, `exe` reads as the beginning of another word."""


class Download:
    """`GET file/PATH`."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree

    def answer(self, request: Request) -> Answer:
        """The file, or a range of it. Raises `Refused`; anything but a regular file is."""
        only(request, "GET", "HEAD")
        elements = checked(request.path[1:])
        with self._tree.above(elements) as folder:
            try:
                file = FileIO(folder.open_file(elements[-1]))
            except OSError as error:
                raise refused_by_system(error) from None
        answer = _answer(request, file, elements[-1])
        if answer.send is None or request.method == "HEAD":
            file.close()
        return answer


def _answer(request: Request, file: FileIO, name: str) -> Answer:
    status = os.fstat(file.fileno())
    size, tag, date = status.st_size, f'"{status.st_ino:x}-{status.st_size:x}-{status.st_mtime_ns:x}"', _date(status)
    headers = {"ETag": tag, "Last-Modified": date, "Accept-Ranges": "bytes"}
    if _is_known(request, tag, date):
        return Answer(status=HTTPStatus.NOT_MODIFIED, headers=headers)
    headers |= {"Content-Type": "application/octet-stream", "Content-Disposition": attachment(name)}
    asked = request.headers.get("range") if request.method == "GET" else None
    if asked is None or request.headers.get("if-range", tag) not in (tag, date):
        part: range | None = range(size)
    else:
        part = part_of(asked, size)
    if part is None:
        headers = {"Content-Range": f"bytes */{size}", "Content-Type": "application/octet-stream"}
        return Answer(status=HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, headers=headers)
    code = HTTPStatus.OK
    if len(part) != size:
        code = HTTPStatus.PARTIAL_CONTENT
        headers["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{size}"
    return Answer(status=code, headers=headers, length=len(part), send=partial(_send, file, part))


def _is_known(request: Request, tag: str, date: str) -> bool:
    """Whether who asks has just this file already."""
    tags = request.headers.get("if-none-match")
    if tags is not None:
        return tags.strip() == "*" or tag in (each.strip().removeprefix("W/") for each in tags.split(","))
    return request.headers.get("if-modified-since") == date


def part_of(asked: str, size: int) -> range | None:
    """The part of a file of `size` bytes that the header Range means by `asked`; all of it for what is not understood,
    or several parts. None where there is nothing of it.
    """
    found = _RANGE.fullmatch(asked)
    if found is None or found[1] + found[2] == "":
        return range(size)
    if not found[1]:
        start, stop = max(size - int(found[2]), 0), size
    else:
        start, stop = int(found[1]), min(int(found[2]) + 1, size) if found[2] else size
        if found[2] and int(found[2]) < start:
            return range(size)
    return range(start, stop) if start < stop else None


def _date(status: os.stat_result) -> str:
    return time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(min(max(int(status.st_mtime), 0), _YEAR_9999)))


def attachment(name: str) -> str:
    """Content-Disposition for a file that is kept as `name` (RFC 6266, RFC 8187)."""
    shown = _TURNING.sub("_", name)
    return f"attachment; filename=\"{_NOT_PLAIN.sub('_', shown)}\"; filename*=UTF-8''{quote(shown, safe='')}"


def _send(file: FileIO, part: range, connection: socket.socket) -> None:
    """Send `part` of `file`. Raises ConnectionError where the file has become shorter: what was promised cannot
    be kept, and a connection that ends early tells so. Raises TimeoutError where the reader takes nothing.
    """
    at, send = part.start, _sent_by_kernel
    with file:
        while at < part.stop:
            try:
                sent = send(file, at, part.stop - at, connection)
            except OSError as error:
                if send is _sent or error.errno not in _WITHOUT:
                    raise
                send = _sent
                continue
            if sent == 0:
                raise ConnectionAbortedError("the file has become shorter")
            at += sent


def _sent_by_kernel(file: FileIO, at: int, most: int, connection: socket.socket) -> int:
    """How many bytes of `file` were sent, from `at` on: they never come to us. Raises OSError."""
    while True:
        try:
            return os.sendfile(connection.fileno(), file.fileno(), at, min(most, _AT_ONCE))
        except BlockingIOError:
            waiting = select.poll()
            waiting.register(connection, select.POLLOUT)
            if not waiting.poll((connection.gettimeout() or 0) * 1000):
                raise TimeoutError("the reader takes nothing") from None


def _sent(file: FileIO, at: int, most: int, connection: socket.socket) -> int:
    """As above, through our memory."""
    piece = os.pread(file.fileno(), min(most, _PIECE), at)
    connection.sendall(piece)
    return len(piece)
