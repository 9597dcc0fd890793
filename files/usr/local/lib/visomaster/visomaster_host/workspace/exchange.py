"""One request to the service `files`, and its answer, apart from how HTTP spells them."""

from __future__ import annotations

import errno
import json
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Protocol

from visomaster_host.refusals import FULL, refusal
from visomaster_host.text import Told


class Refused(Told):
    """A request that is not granted, with its status; its text is one line for the person who asked. `headers` are the
    answer's besides, `more` what its JSON says besides `error`.
    """

    def __init__(
        self,
        status: int,
        told: str,
        headers: Mapping[str, str] | None = None,
        more: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(told)
        self.status, self.headers, self.more = status, dict(headers or {}), dict(more or {})


_STATUS = {
    errno.ENOENT: HTTPStatus.NOT_FOUND,
    errno.ENOTDIR: HTTPStatus.NOT_FOUND,
    errno.EEXIST: HTTPStatus.CONFLICT,
    errno.ENOTEMPTY: HTTPStatus.CONFLICT,
    errno.EISDIR: HTTPStatus.CONFLICT,
    errno.EBUSY: HTTPStatus.CONFLICT,
    errno.ENAMETOOLONG: HTTPStatus.BAD_REQUEST,
    errno.EMFILE: HTTPStatus.SERVICE_UNAVAILABLE,
    errno.ENFILE: HTTPStatus.SERVICE_UNAVAILABLE,
    **dict.fromkeys(
        (errno.EACCES, errno.EPERM, errno.EROFS, errno.ELOOP, errno.EINVAL, errno.ENXIO), HTTPStatus.FORBIDDEN
    ),
    **dict.fromkeys(FULL, HTTPStatus.INSUFFICIENT_STORAGE),
}
"""What the operating system's no is in HTTP; anything else is a fault of the machine's, 500."""


def refused_by_system(error: OSError) -> Refused:
    """The operating system's no, as it is told who asked."""
    return Refused(_STATUS.get(error.errno or 0, HTTPStatus.INTERNAL_SERVER_ERROR), refusal(error))


class Body(Protocol):
    """What a request brings; `left` is how many bytes of it have not been read."""

    left: int

    def read_into(self, buffer: memoryview, /) -> int:
        """Fill the beginning of `buffer` with what has arrived; 0 at the end. Raises OSError where the line breaks."""

    def stop(self) -> None:
        """Break the line, from any thread: whoever waits in `read_into` gets what has arrived, then the error."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """A request. `path` are the elements below the interface's own path, as sent but for %-escapes; `base` is that
    path as the visitor has it, without a slash at its end, for the places that answers name. Names of `headers` are in
    lower case.
    """

    method: str
    path: tuple[str, ...]
    query: Mapping[str, tuple[str, ...]]
    headers: Mapping[str, str]
    body: Body
    base: str

    def one(self, name: str, default: str = "") -> str:
        """The last value of `name` in the query."""
        return self.query.get(name, (default,))[-1]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """An answer: its `body`, or `send`, which writes `length` bytes to the connection by itself."""

    status: int = HTTPStatus.OK
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    send: Callable[[socket.socket], None] | None = None
    length: int | None = None


def as_json(document: Mapping[str, object], status: int = HTTPStatus.OK) -> Answer:
    """`document` as JSON."""
    return Answer(status=status, headers={"Content-Type": "application/json"}, body=json.dumps(document).encode())


def only(request: Request, *methods: str) -> None:
    """Raise `Refused` where `request` has none of `methods`."""
    if request.method not in methods:
        allowed = ", ".join(methods)
        raise Refused(HTTPStatus.METHOD_NOT_ALLOWED, f"expected {allowed}, got {request.method}", {"Allow": allowed})
