"""What the tests look with: a browser, an X server and clients, and the programs the portal is made of."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from sandbox.shell import CACHE, apt_install, as_root, lock, run, step

PROGRAMS = {
    "Xtigervnc": "tigervnc-standalone-server",
    "Xvfb": "xvfb",
    "chromium": "chromium",
    "openssl": "openssl",
    "ssh-keygen": "openssh-client",
    "strace": "strace",
    "x11vnc": "x11vnc",
    "xauth": "xauth",
    "xclip": "xclip",
    "xdpyinfo": "x11-utils",
    "xterm": "xterm",
    "xwd": "x11-apps",
}
"""Each program and the package that brings it."""

REQUESTS = Path("/usr/lib/python3/dist-packages/requests")
"""What the fetcher needs of the distribution's Python, with which tests run it as somebody else than root."""

UNPACKED = CACHE / "tools"
UNPACKED_PACKAGES = ("caddy", "haproxy", "novnc", "python3-websockify")
"""Unpacked, not installed: the first two packages start a server, the others bring nodejs and numpy."""

HAPROXY_LIBRARIES = ("liblua5.3-0", "libopentracing-c-wrapper0", "libopentracing1")


def provide() -> None:
    """Install and unpack what is missing; quick when nothing is."""
    with lock("tools"):
        missing = {package for program, package in PROGRAMS.items() if shutil.which(program) is None}
        if not REQUESTS.is_dir():
            missing.add("python3-requests")
        if not all((UNPACKED / program).is_file() for program in ("usr/bin/caddy", "usr/sbin/haproxy")):
            missing.update(HAPROXY_LIBRARIES)
            _unpack()
        if missing:
            apt_install(sorted(missing))


def _unpack() -> None:
    with tempfile.TemporaryDirectory(dir=CACHE, prefix="tools-") as folder, step("unpacking Caddy, HAProxy and noVNC"):
        run(as_root(["apt-get", "-qq", "update"]), timeout=600, log=CACHE / "apt.log")
        root = Path(folder) / "root"
        run(["sh", "-c", f"cd {folder} && apt-get -qq download {' '.join(UNPACKED_PACKAGES)}"], timeout=300)
        for archive in sorted(Path(folder).glob("*.deb")):
            run(["dpkg-deb", "-x", archive, root], timeout=60)
        shutil.rmtree(UNPACKED, ignore_errors=True)
        root.rename(UNPACKED)
