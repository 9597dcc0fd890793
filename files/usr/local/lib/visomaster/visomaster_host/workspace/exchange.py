"""One request to the service `files`, and its answer, apart from how HTTP spells them."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Protocol

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
