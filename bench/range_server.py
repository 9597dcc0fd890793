"""A file server for measurements: HTTP/1.1, keep-alive, byte ranges, sendfile; optional throttle and latency.

Runs as a process of its own: `python3 bench/range_server.py FOLDER [--rate BYTES_PER_SECOND] [--latency SECONDS]`
prints its port. The rate holds for each connection; the latency is waited once for a connection and once for a request.
"""

from __future__ import annotations

import argparse
import os
import re
import socketserver
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path

SLICE = 0.02  # seconds between two writes of a throttled connection


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 8192  # status line and headers in one packet
    disable_nagle_algorithm = True  # as real servers do: the end of a body waits for no acknowledgement
    folder: Path
    rate: float
    latency: float

    def setup(self) -> None:
        time.sleep(self.latency)
        super().setup()

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        time.sleep(self.latency)
        try:
            descriptor = os.open(self.folder / self.path.lstrip("/"), os.O_RDONLY)
        except FileNotFoundError:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        try:
            size = os.fstat(descriptor).st_size
            start, end = self._range(size)
            partial = (start, end) != (0, size) or "Range" in self.headers
            self.send_response(HTTPStatus.PARTIAL_CONTENT if partial else HTTPStatus.OK)
            self.send_header("Content-Length", str(end - start))
            self.send_header("Accept-Ranges", "bytes")
            if partial:
                self.send_header("Content-Range", f"bytes {start}-{end - 1}/{size}")
            self.end_headers()
            self.wfile.flush()
            if body:
                self._send(descriptor, start, end)
        finally:
            os.close(descriptor)

    def _range(self, size: int) -> tuple[int, int]:
        found = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if not found:
            return 0, size
        return int(found[1]), min(size, int(found[2]) + 1) if found[2] else size

    def _send(self, descriptor: int, start: int, end: int) -> None:
        most = int(self.rate * SLICE) if self.rate else 1 << 20
        began, first = time.monotonic(), start
        while start < end:
            start += os.sendfile(self.connection.fileno(), descriptor, start, min(most, end - start))
            if self.rate:
                time.sleep(max(0.0, began + (start - first) / self.rate - time.monotonic()))

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 512

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that leaves early is no news."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rate", type=float, default=0.0)
    parser.add_argument("--latency", type=float, default=0.0)
    args = parser.parse_args()
    Handler.folder, Handler.rate, Handler.latency = args.folder, args.rate, args.latency
    with Server(("127.0.0.1", 0), Handler) as server:
        print(server.server_address[1], flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
