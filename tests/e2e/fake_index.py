"""A pip index on this machine's loopback, with packages made on the spot, that remembers what it was asked."""

from __future__ import annotations

import base64
import hashlib
import io
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def wheel(name: str, version: str, says: str = "", needs: tuple[str, ...] = ()) -> tuple[str, bytes]:
    """A wheel's file name and bytes; its module `name` has `SAYS`, and it depends on `needs`."""
    info = f"{name}-{version}.dist-info"
    requires = "".join(f"Requires-Dist: {one}\n" for one in needs)
    files = {
        f"{name}.py": f"SAYS = {says!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{requires}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    digests = {
        path: base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        for path, text in files.items()
    }
    record = "".join(f"{path},sha256={digests[path]},{len(text)}\n" for path, text in files.items())
    files[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n"
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for path, text in files.items():
            archive.writestr(zipfile.ZipInfo(path), text)
    return f"{name}-{version}-py3-none-any.whl", packed.getvalue()


def source(name: str, version: str, **files: str | bytes) -> tuple[str, bytes]:
    """A source archive of `files`, whose names have `_` for a dot."""
    files = {"PKG_INFO": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", **files}
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for path, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            entry = tarfile.TarInfo(f"{name}-{version}/{path.replace('_', '.')}".replace("PKG.INFO", "PKG-INFO"))
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return f"{name}-{version}.tar.gz", packed.getvalue()


@dataclass(kw_only=True)
class Index:
    """A running index: its address, its packages, the paths it was asked for and with which logins, and the address of
    the server that its pages lead to ("": itself)."""

    url: str = ""
    packages: dict[str, dict[str, bytes]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    logins: list[str | None] = field(default_factory=list)
    files: str = ""

    def add(self, name: str, archive: tuple[str, bytes]) -> str:
        """Offer an archive of package `name`; its requirement's hash, `sha256:…`."""
        self.packages.setdefault(name, {})[archive[0]] = archive[1]
        return f"sha256:{hashlib.sha256(archive[1]).hexdigest()}"

    def answer(self, path: str) -> bytes | None:
        """The body for a path, or None: there is no such thing."""
        parts = path.strip("/").split("/")
        match parts:
            case ["simple", name] if name in self.packages:
                links = (
                    f'<a href="{self.files}/files/{name}/{file}#sha256={hashlib.sha256(data).hexdigest()}">{file}</a>'
                    for file, data in self.packages[name].items()
                )
                return f"<!DOCTYPE html><html><body>{''.join(links)}</body></html>".encode()
            case ["files", name, file]:
                return self.packages.get(name, {}).get(file)
        return None


@contextmanager
def index() -> Iterator[Index]:
    """An index that runs until the end of the block."""
    served = Index()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.asked.append(self.path)
            served.logins.append(self.headers["Authorization"])
            body = served.answer(self.path)
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Type", "text/html" if "/simple/" in self.path else "application/octet-stream")
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body or b"")

        do_HEAD = do_GET  # noqa: N815 - the name is the protocol's

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    served.url = f"http://127.0.0.1:{server.server_port}/simple"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
