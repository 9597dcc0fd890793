"""Vast.ai's API on loopback, from its documented shapes, for tests."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

KEY = "0123456789abcdef-key"


def instance(number: int, **changes: Any) -> dict[str, Any]:
    """A running instance with a direct port, as the list describes it, changed."""
    return {
        "id": number,
        "label": None,
        "actual_status": "running",
        "cur_state": "running",
        "image_uuid": "nvidia/cuda:12.4.1-runtime-ubuntu22.04",
        "image_runtype": "ssh ssh_direc ssh_proxy",
        "template_name": None,
        "public_ipaddr": "192.0.2.45",
        "ssh_host": "ssh123.vast.ai",
        "ssh_port": 10600,
        "ports": {"22/tcp": [{"HostIp": "0.0.0.0", "HostPort": "20022"}]},
        "gpu_name": "RTX 4090",
        "num_gpus": 1,
        "dph_total": 0.4,
        **changes,
    }


@dataclass(frozen=True, kw_only=True)
class Canned:
    """An answer to give in place of the right one; `length` may promise more than the body has."""

    status: int = 200
    body: str = ""
    length: int | None = None


@dataclass
class FakeVast:
    """An account: its instances, the answers that come before the right one, and the requests it has had."""

    instances: list[dict[str, Any]] = field(default_factory=list)
    canned: list[Canned] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    url: str = ""

    def answer(self, path: str, authorization: str | None) -> Canned:
        """What the API says to one request."""
        self.requests.append(path)
        if self.canned:
            return self.canned.pop(0)
        if authorization != f"Bearer {KEY}":
            return Canned(status=401, body='{"error": "auth_error", "msg": "Invalid user key"}')
        where = urlsplit(path)
        if where.path == "/api/v0/instances/":
            return Canned(status=410, body='{"error": "gone"}')
        if where.path != "/api/v1/instances/":
            return Canned(status=404, body='{"error": "not_found"}')
        query = parse_qs(where.query)
        first, limit = int(query.get("after_token", ["0"])[0]), min(25, int(query.get("limit", ["25"])[0]))
        page, rest = self.instances[first : first + limit], self.instances[first + limit :]
        token = str(first + limit) if rest else None
        body = {
            "success": True,
            "total_instances": len(self.instances),
            "next_token": token,
            "instances": page,
        }
        return Canned(body=json.dumps(body))

    @contextmanager
    def serving(self) -> Iterator[FakeVast]:
        """Serve on a free loopback port, which `url` has."""
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                canned = fake.answer(self.path, self.headers.get("Authorization"))
                body = canned.body.encode()
                self.send_response(canned.status)
                self.send_header("Content-Length", str(canned.length or len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments: object) -> None:
                """Keep the test's output clean."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        self.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()
