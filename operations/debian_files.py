"""A few files of the distribution's packages, without the packages and all they depend on.

noVNC and websockify are 1.3 MB of files; installed they bring nodejs and numpy, 163 MB, of which the portal
uses nothing: noVNC runs in the browser, and websockify needs numpy only for large messages of a client. Fluxbox
brings Ghostscript, which a picture in its background may need. The distribution's own files, taken by apt from
its signed index, keep its security fixes and its checksums. What it costs: `apt upgrade` does not know of
them, a new deploy (or image) with the folder removed brings the newer ones.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Generator

from pyinfra import host
from pyinfra.api import FunctionCommand, OperationValueError, operation

from operations import apt
from operations.facts.unpacked import UnpackedFiles
from operations.stream import streamed

_UNPACK = apt.script("apt_debs.sh", "apt_unpack.sh")
_PACKAGE = re.compile(r"[a-z0-9][a-z0-9.+-]+")
_PATH = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*(/[A-Za-z0-9_-][A-Za-z0-9_.-]*)*")


@operation()
def unpacked(packages: tuple[str, ...], paths: tuple[str, ...], dest: str) -> Generator[FunctionCommand]:
    """Put `paths`, relative to the root, of the distribution's `packages` below the folder `dest`, owned by
    root.

    `dest` is replaced as a whole, and only when other packages or paths are wanted than it was made from.
    """
    found = host.get_fact(UnpackedFiles, folder=dest)
    if set(found.versions) == set(packages) and found.paths == set(paths):
        versions = ", ".join(f"{name} {version}" for name, version in sorted(found.versions.items()))
        host.noop(f"{dest} has {versions}")
        return
    yield streamed(unpack_command(packages, paths, dest))


def unpack_command(packages: tuple[str, ...], paths: tuple[str, ...], dest: str) -> str:
    """The shell command that does it. Raises `OperationValueError` for a name or path that is none."""
    for kind, pattern, words in (("package", _PACKAGE, packages), ("path", _PATH, paths)):
        for word in words:
            if not pattern.fullmatch(word):
                raise OperationValueError(f"{kind}: expected a plain name, got {word!r}")
    return shlex.join(["sh", "-c", _UNPACK, "apt-unpack", dest, *packages, "--", *paths])
