"""A static file server with byte ranges, entity tags and a speed limit; runs in the asset container.

python3 server.py ROOT [--port PORT] [--rate BYTES_PER_SECOND]
"""

from __future__ import annotations

import argparse
import html
import http
import http.server
import sys
import time
import urllib.parse
from pathlib import Path
from typing import BinaryIO

CHUNK = 64 * 1024


class RangeNotSatisfiableError(ValueError):
    """The asked range begins after the end of the file (RFC 9110, 14.4)."""


def parse_range(header: str, size: int) -> tuple[int, int] | None:
    """Return the first and last byte that a Range header asks of a file of `size` bytes (RFC 9110, 14.1.2).

    None when the header is not one range of bytes: the whole file is then sent, as the standard allows.
    Raises RangeNotSatisfiableError when the file has no such bytes.
    """
    unit, _, ranges = header.partition("=")
    first, dash, last = (part.strip() for part in ranges.partition("-"))
    digits = [part for part in (first, last) if part]
    if unit.strip().lower() != "bytes" or not dash or not digits or not all(map(_is_number, digits)):
        return None
    if not first:
        start, end = max(size - int(last), 0), size - 1
    else:
        start, end = int(first), min(int(last), size - 1) if last else size - 1
        if last and int(last) < start:
            return None
    if start >= size:
        raise RangeNotSatisfiableError(header)
    return start, end


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers GET and HEAD for files below `root`, at `rate` bytes per second each (0: no limit)."""

    protocol_version = "HTTP/1.1"
    root = Path()
    rate = 0

    def do_HEAD(self) -> None:
        """Send a file's headers."""
        self._answer(body=False)

    def do_GET(self) -> None:
        """Send a file, a part of it, or the list of a folder."""
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        path = self._path()
        if path is None:
            self._send_text(http.HTTPStatus.NOT_FOUND, "not found\n", "text/plain", body=body)
        elif path.is_dir():
            self._send_text(http.HTTPStatus.OK, _listing(path), "text/html", body=body)
        else:
            with path.open("rb") as file:
                self._send_file(file, path, body=body)

    def _path(self) -> Path | None:
        """Return the file or folder asked for, None when it is missing or not below the root."""
        asked = urllib.parse.unquote(urllib.parse.urlsplit(self.path).path)
        if "\0" in asked:
            return None
        path = (self.root / asked.lstrip("/")).resolve()
        return path if path.is_relative_to(self.root) and (path.is_dir() or path.is_file()) else None

    def _send_file(self, file: BinaryIO, path: Path, *, body: bool) -> None:
        state = path.stat()
        tag = f'"{state.st_size:x}-{state.st_mtime_ns:x}"'
        if self.headers.get("If-None-Match") == tag:
            self._send_headers(http.HTTPStatus.NOT_MODIFIED, {"ETag": tag})
            return
        header = self.headers.get("Range", "")
        wanted = None
        if header and self.headers.get("If-Range", tag) == tag:
            try:
                wanted = parse_range(header, state.st_size)
            except RangeNotSatisfiableError:
                headers = {"Content-Range": f"bytes */{state.st_size}", "Content-Length": "0"}
                self._send_headers(http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, headers)
                return
        start, end = wanted or (0, state.st_size - 1)
        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Length": str(end - start + 1),
            "Accept-Ranges": "bytes",
            "ETag": tag,
            "Last-Modified": self.date_time_string(int(state.st_mtime)),
        }
        if wanted:
            headers["Content-Range"] = f"bytes {start}-{end}/{state.st_size}"
        self._send_headers(http.HTTPStatus.PARTIAL_CONTENT if wanted else http.HTTPStatus.OK, headers)
        if body:
            file.seek(start)
            self._send_body(file, end - start + 1)

    def _send_body(self, file: BinaryIO, length: int) -> None:
        chunk = max(1, min(CHUNK, self.rate // 10)) if self.rate else CHUNK
        started, sent = time.monotonic(), 0
        while sent < length:
            content = file.read(min(chunk, length - sent))
            if not content:
                # The file shrank: only the connection's end tells the client.
                self.close_connection = True
                return
            self.wfile.write(content)
            sent += len(content)
            if self.rate:
                time.sleep(max(0.0, sent / self.rate - (time.monotonic() - started)))

    def _send_text(self, status: http.HTTPStatus, text: str, kind: str, *, body: bool) -> None:
        content = text.encode()
        self._send_headers(status, {"Content-Type": f"{kind}; charset=utf-8", "Content-Length": str(len(content))})
        if body:
            self.wfile.write(content)

    def _send_headers(self, status: http.HTTPStatus, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()


class Server(http.server.ThreadingHTTPServer):
    """A server that says nothing when a client goes away in the middle of a file."""

    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: object, client_address: object) -> None:
        """Report everything but a closed connection, which resuming clients cause on purpose."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


def serve(root: Path, port: int, rate: int = 0, host: str = "") -> Server:
    """Return a server of `root` on `port` (0: any free one), ready for serve_forever()."""
    settings = {"root": root.resolve(), "rate": rate}
    return Server((host, port), type("RootHandler", (Handler,), settings))


def _listing(folder: Path) -> str:
    names = sorted(f"{path.name}/" if path.is_dir() else path.name for path in folder.iterdir())
    links = "".join(f'<li><a href="{urllib.parse.quote(name)}">{html.escape(name)}</a>\n' for name in names)
    return f"<!doctype html><title>sandbox assets</title><ul>\n{links}</ul>\n"


def main() -> int:
    """Serve until ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path)
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--rate", type=int, default=0)
    options = parser.parse_args()
    serve(options.root, options.port, options.rate).serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
