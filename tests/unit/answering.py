"""The service `files` on a socket of its own, asked as Caddy asks it."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from visomaster_host.workspace.routes import routes
from visomaster_host.workspace.server import Route, Server

SECONDS = 10


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came back; `whole` where it was as long as it said."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    whole: bool

    @property
    def json(self) -> Any:
        """The body, read as JSON."""
        return json.loads(self.body)


@dataclass(frozen=True, kw_only=True)
class Files:
    """The service, and the tree that it answers for."""

    tree: Path
    socket: Path

    def connected(self) -> socket.socket:
        """A connection, which waits for some seconds."""
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(SECONDS)
        connection.connect(str(self.socket))
        return connection

    def ask(
        self, target: str, body: bytes = b"", headers: Mapping[str, str] | None = None, method: str = "GET"
    ) -> Answer:
        """One request."""
        said = {"Host": "x", "Content-Length": str(len(body)), **(headers or {})}
        lines = "".join(f"{name}: {value}\r\n" for name, value in said.items())
        with self.connected() as connection:
            connection.sendall(f"{method} {target} HTTP/1.1\r\n{lines}\r\n".encode() + body)
            return read(connection, head=method == "HEAD")

    def post(self, verb: str, **fields: object) -> Answer:
        """One request that changes something."""
        return self.ask(f"/{verb}", json.dumps(fields).encode(), method="POST")


def read(connection: socket.socket, *, head: bool = False) -> Answer:
    """The answer on a connection, to its end."""
    received = b""
    with contextlib.suppress(ConnectionResetError):  # it was closed before all was read that was sent
        while more := connection.recv(1 << 20):
            received += more
    begun, _, body = received.partition(b"\r\n\r\n")
    status, *lines = begun.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    whole = head or len(body) == int(headers.get("content-length", "0"))
    return Answer(status=int(status.split()[1]), headers=headers, body=body, whole=whole)


@contextmanager
def answering(folder: Path, more: Mapping[str, Route] | None = None) -> Iterator[Files]:
    """The service for the tree `folder`/workspace, which is made with its three folders; `more` routes besides."""
    tree = folder / "workspace"
    for name in ("in", "out", "state"):
        (tree / name).mkdir(parents=True)
    place = Path(f"/tmp/files-{os.getpid()}-{os.urandom(4).hex()}.sock")  # short: it may have a hundred letters
    with Server({**routes(tree), **(more or {})}, place) as server:
        serving = threading.Thread(target=server.serve_forever, args=(0.01,))
        serving.start()
        try:
            yield Files(tree=tree, socket=place)
        finally:
            server.shutdown()
            serving.join()
            place.unlink(missing_ok=True)
