"""What the tests look with: a browser, an X server and clients, and the programs the portal is made of."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import shutil
import sys
import tarfile
import tempfile
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from sandbox.shell import CACHE, REPOSITORY, SandboxError, apt_install, as_root, fingerprint, lock, run, step

PROGRAMS = {
    "Xtigervnc": "tigervnc-standalone-server",
    "Xvfb": "xvfb",
    "chromium": "chromium",
    "ip": "iproute2",
    "openssl": "openssl",
    "rsync": "rsync",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "strace": "strace",
    "tigervncpasswd": "tigervnc-tools",
    "x11vnc": "x11vnc",
    "xauth": "xauth",
    "xclip": "xclip",
    "xdpyinfo": "x11-utils",
    "xkbcomp": "x11-xkb-utils",
    "xterm": "xterm",
    "xtigervncviewer": "tigervnc-viewer",
    "xwd": "x11-apps",
}
"""Each program and the package that brings it."""

MODULES = {"requests": "python3-requests", "Xlib": "python3-xlib"}
"""What programs of a host need of the distribution's Python, with which tests run them, and the packages."""
DISTRIBUTION = Path("/usr/lib/python3/dist-packages")

UNPACKED = CACHE / "tools"
NGINX = CACHE / "nginx"
ENGINES = CACHE / "engines"
ENGINES_LOCK = REPOSITORY / "sandbox/engines/engines.txt"
UNPACKED_PACKAGES = ("caddy", "haproxy", "novnc", "python3-websockify")
"""Unpacked, not installed: the first two packages start a server, the others bring nodejs and numpy."""

SSHD = Path("/usr/sbin/sshd")
"""Not on everybody's PATH. Tests run one of their own, on loopback."""
NO_DAEMON = Path("/etc/ssh/sshd_not_to_be_run")
"""Debian's own word to its scripts and unit that the package's daemon stays off: the machine is a person's."""

HAPROXY_LIBRARIES = ("liblua5.3-0", "libopentracing-c-wrapper0", "libopentracing1")

TUS_JS = CACHE / "tus-js-client-4.3.1.js"
"""tus-js-client as its makers build it for browsers, one file."""
AXE = CACHE / "axe-core-4.14.1.js"
"""axe-core, the same: what finds what keeps people out of a page."""


@dataclass(frozen=True, kw_only=True)
class Packed:
    """The file `member` of npm's `package`, whose archive has this `integrity`, as the registry has it."""

    package: str
    member: str
    integrity: str


FROM_NPM: Mapping[Path, Packed] = MappingProxyType(
    {
        TUS_JS: Packed(
            package="tus-js-client/-/tus-js-client-4.3.1.tgz",
            member="package/dist/tus.min.js",
            integrity="sha512-ZLeYmjrkaU1fUsKbIi8JML52uAocjEZtBx4DKjRrqzrZa0O4MYwT6db+oqePlspV+FxXJAyFBc/L5gwUi2OFsg==",
        ),
        AXE: Packed(
            package="axe-core/-/axe-core-4.14.1.tgz",
            member="package/axe.min.js",
            integrity="sha512-FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ==",
        ),
    }
)
REGISTRY = "https://registry.npmjs.org"
"""Where npm's own configuration names no other."""


def provide() -> None:
    """Install and unpack what is missing; quick when nothing is."""
    with lock("tools"):
        missing = {package for program, package in PROGRAMS.items() if shutil.which(program) is None}
        missing.update(package for module, package in MODULES.items() if not (DISTRIBUTION / module).is_dir())
        if not all((UNPACKED / program).is_file() for program in ("usr/bin/caddy", "usr/sbin/haproxy")):
            missing.update(HAPROXY_LIBRARIES)
            _unpack(UNPACKED_PACKAGES, UNPACKED)
        if not SSHD.is_file():
            run(as_root(["install", "-D", "-m", "0644", "/dev/null", str(NO_DAEMON)]), timeout=30)
            missing.add("openssh-server")
        if missing:
            apt_install(sorted(missing))
        for file, packed in FROM_NPM.items():
            if not file.is_file():
                _fetch(packed, file)


def registry() -> str:
    """The address of npm's registry: of its variable, else of its configuration where it is installed."""
    named = next((value for name, value in os.environ.items() if name.lower() == "npm_config_registry"), "")
    if not named and shutil.which("npm"):
        named = run(["npm", "config", "get", "registry"], timeout=30).strip()
    return (named or REGISTRY).rstrip("/")


def taken_out(archive: bytes, member: str, integrity: str) -> bytes:
    """The file `member` of a package's `archive`, which is the one of `integrity` (npm's form). Raises SandboxError."""
    found = f"sha512-{base64.b64encode(hashlib.sha512(archive).digest()).decode()}"
    if found != integrity:
        raise SandboxError(f"an archive of npm's registry: expected {integrity}, got {found}")
    with tarfile.open(fileobj=io.BytesIO(archive)) as package:
        file = package.extractfile(member)
        return file.read() if file else b""


def _fetch(packed: Packed, file: Path) -> None:
    name = packed.package.partition("/")[0]
    with step(f"fetching {name}"):
        try:
            with urllib.request.urlopen(f"{registry()}/{packed.package}", timeout=60) as answer:
                archive = answer.read()
        except urllib.error.URLError as error:
            raise SandboxError(f"npm's registry, {packed.package}: {error.reason}") from error
        new = file.with_suffix(".new")
        new.write_bytes(taken_out(archive, packed.member, packed.integrity))
        new.rename(file)


def engines() -> Path:
    """The Python that has the parsers of SkyPilot, dstack and Kubernetes, apart from the project's own packages."""
    made_of = ENGINES / fingerprint(ENGINES_LOCK, sys.version)
    with lock("engines"):
        if not made_of.exists():
            shutil.rmtree(ENGINES, ignore_errors=True)
            _install_engines()
            made_of.touch()
    return ENGINES / "bin/python"


def _install_engines() -> None:
    uv: list[str | Path] = [Path(sys.executable).with_name("uv"), "--no-config", "--quiet"]
    index = {"UV_DEFAULT_INDEX": os.environ["PIP_INDEX_URL"]} if os.environ.get("PIP_INDEX_URL") else {}
    with step("installing the parsers of SkyPilot, dstack and Kubernetes"):
        run([*uv, "venv", "--python", sys.executable, ENGINES], timeout=60)
        # Without what they need for other things: no dependency is looked for.
        only_these = ("--no-deps", "--require-hashes", "--only-binary", ":all:", "--requirement", ENGINES_LOCK)
        run(
            [*uv, "pip", "install", "--python", ENGINES / "bin/python", *only_these],
            timeout=600,
            environment=index,
            log=CACHE / "engines.log",
        )


def nginx() -> Path:
    """The distribution's nginx, unpacked for the bench: a server that takes what is put to it."""
    with lock("tools"):
        if not (NGINX / "usr/sbin/nginx").is_file():
            _unpack(("nginx",), NGINX)
    return NGINX / "usr/sbin/nginx"


def _unpack(packages: Sequence[str], place: Path) -> None:
    with tempfile.TemporaryDirectory(dir=CACHE, prefix="tools-") as folder, step(f"unpacking {', '.join(packages)}"):
        run(as_root(["apt-get", "-qq", "update"]), timeout=600, log=CACHE / "apt.log")
        root = Path(folder) / "root"
        run(["sh", "-c", f"cd {folder} && apt-get -qq download {' '.join(packages)}"], timeout=300)
        for archive in sorted(Path(folder).glob("*.deb")):
            run(["dpkg-deb", "-x", archive, root], timeout=60)
        shutil.rmtree(place, ignore_errors=True)
        root.rename(place)
