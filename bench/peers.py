"""What the portal's files are measured beside: Caddy that serves a folder, and Caddy before nginx, which takes PUT."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sandbox import tools
from sandbox.shell import SandboxError
from tests.portal.rig import free_port

CADDYFILE = """{{
	admin off
	auto_https off
}}
(site) {{
	bind 127.0.0.1
	handle /put/* {{
		reverse_proxy 127.0.0.1:{inner}
	}}
	handle {{
		root * {source}
		file_server
	}}
}}
http://:{plain} {{
	import site
}}
https://:{secure} {{
	tls {pair}.crt {pair}.key
	import site
}}
"""
NGINX = """daemon off;
user root;
worker_processes 2;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log;
events {{}}
http {{
	access_log off;
	client_max_body_size 0;
	client_body_temp_path {folder}/body;
	proxy_temp_path {folder}/proxy;
	fastcgi_temp_path {folder}/fastcgi;
	uwsgi_temp_path {folder}/uwsgi;
	scgi_temp_path {folder}/scgi;
	server {{
		listen 127.0.0.1:{inner};
		root {folder}/www;
		dav_methods PUT;
		create_full_put_path on;
	}}
}}
"""
WITHIN = 20
"""Seconds for a server to listen."""


@dataclass(frozen=True, kw_only=True)
class Peers:
    """Both; `put` is where what was put there lies."""

    plain: int
    secure: int
    put: Path

    def address(self, scheme: str, path: str) -> str:
        """Where `path` is found: of the folder that is served, or put/NAME."""
        return f"{scheme}://127.0.0.1:{self.secure if scheme == 'https' else self.plain}/{path}"


@contextlib.contextmanager
def _going(command: list[str], port: int, log: Path, environment: dict[str, str] | None = None) -> Iterator[None]:
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output, env=environment) as process:
        try:
            until = time.monotonic() + WITHIN
            while not _listens(port):
                if process.poll() is not None or time.monotonic() > until:
                    raise SandboxError(f"{command[0]} does not listen, see {log}")
                time.sleep(0.02)
            yield
        finally:
            process.terminate()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextlib.contextmanager
def peers(caddy: str, source: Path, folder: Path, pair: Path) -> Iterator[Peers]:
    """The program `caddy` on the folder `source`; all else is below `folder`. `pair`.crt, .key are its certificate."""
    (folder / "www").mkdir(parents=True, exist_ok=True)
    plain, secure, inner = free_port(), free_port(), free_port()
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder, inner=inner))
    text = CADDYFILE.format(inner=inner, source=source, plain=plain, secure=secure, pair=pair)
    (folder / "Caddyfile").write_text(text)
    nginx = [str(tools.nginx()), "-c", f"{folder}/nginx.conf", "-e", f"{folder}/nginx.log"]
    words = [caddy, "run", "--config", f"{folder}/Caddyfile", "--adapter", "caddyfile"]
    home = {"HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "XDG_DATA_HOME": str(folder)}
    with _going(nginx, inner, folder / "nginx.out"), _going(words, plain, folder / "caddy.out", home):
        yield Peers(plain=plain, secure=secure, put=folder / "www/put")
