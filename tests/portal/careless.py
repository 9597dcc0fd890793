"""A local service that keeps connections and reads no bodies: the worst a portal can have behind it."""

from __future__ import annotations

import re
import socket
import threading
from dataclasses import dataclass

END = re.compile(rb"\r?\n\r?\n")


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One request as the service understood it: the number of its connection, its place on it, its head."""

    connection: int
    place: int
    head: bytes


class Careless:
    """Takes whatever follows a request's head for the next request, as a server does that never reads a body.

    Each answer is the head it answers. A connection ends when the request says so, or its sender does.
    """

    def __init__(self, port: int = 0) -> None:
        self.seen: list[Seen] = []
        self._listener = socket.create_server(("127.0.0.1", port), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Take no more connections."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        number = 0
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            number += 1
            threading.Thread(target=self._serve, args=(connection, number), daemon=True).start()

    def _serve(self, connection: socket.socket, number: int) -> None:
        waiting, place = b"", 0
        with connection:
            connection.settimeout(20)
            try:
                while True:
                    while (end := END.search(waiting)) is None:
                        if not (more := connection.recv(65536)):
                            return
                        waiting += more
                    head, waiting, place = waiting[: end.start()], waiting[end.end() :], place + 1
                    self.seen.append(Seen(connection=number, place=place, head=head))
                    if self._answer(connection, head):
                        return
            except (TimeoutError, ConnectionError):
                return

    def _answer(self, connection: socket.socket, head: bytes) -> bool:
        last = re.search(rb"(?im)^connection: *close", head) is not None
        kind = b"Content-Type: text/plain\r\nConnection: %s\r\n" % (b"close" if last else b"keep-alive")
        body = b"" if head.startswith(b"HEAD") else head
        connection.sendall(b"HTTP/1.1 200 OK\r\n%sContent-Length: %d\r\n\r\n" % (kind, len(head)) + body)
        return last
