"""The operating system's no, as one line: the path, the reason, and what a person does about it."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from visomaster_host import paths

FULL = (errno.ENOSPC, errno.EDQUOT)
"""There is no room: what is there can still be read, and changed where that needs no more room."""

CAPABILITIES = {"CHOWN": 0, "DAC_OVERRIDE": 1, "FOWNER": 3, "KILL": 5, "SETGID": 6, "SETUID": 7}
"""What root uses here of its rights, by number as in linux/capability.h."""

REQUIRED = frozenset(CAPABILITIES) - {"FOWNER"}
"""Without which there is no host: owners are given, users become others, services are stopped."""

_NOBODY = (errno.ECONNREFUSED, errno.ENOENT, errno.ENXIO)  # the last one is a socket's whose server is gone

_BY_FILES = ("DAC_OVERRIDE",)  # without it the kernel says EACCES, without the others EPERM

_ADVICE = {
    errno.ENOSPC: "free some space there, or give the container a larger disk",
    errno.EDQUOT: "free some space there, or have the quota raised",
    errno.EROFS: "start the container without --read-only, or with {mount}",
    errno.ENOTDIR: "a folder is needed there: move away what is in its place",
    errno.EISDIR: "a file is needed there: move away what is in its place",
    errno.ELOOP: "a file or folder is needed there: move the link away",
    errno.EBUSY: "it is mounted by itself, and cannot be replaced: mount the folder it is in, or nothing",
    errno.EMFILE: "raise the limit of open files: start the container with --ulimit=nofile=65536",
    errno.ENFILE: "the machine has too many open files: end what opens them",
    errno.EAGAIN: "raise the limit of processes: start the container with a higher --pids-limit",
    errno.ENOMEM: "give the container more memory",
    errno.EIO: "the disk or its mount fails: `dmesg` on the machine below says more",
    errno.EACCES: "see whose it is, and who may use it: ls -ld {path}",
    errno.EPERM: "see whose it is, and what forbids it: a mount, an attribute (lsattr), a security profile",
}


def refusal(error: OSError) -> str:
    """What `error` says: `PATH: REASON; ADVICE`, as far as each is known."""
    path = "" if error.filename is None or isinstance(error.filename, int) else os.fsdecode(error.filename)
    reason = error.strerror or str(error) or type(error).__name__
    advice = _advice(error.errno or 0, path)
    return f"{f'{path}: ' if path else ''}{reason}{f'; {advice}' if advice else ''}"


def in_words(error: OSError | EOFError) -> str:
    """What a connection's `error` says to a person, without its number."""
    if getattr(error, "errno", None) in _NOBODY:
        return "nobody listens there"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _advice(number: int, path: str) -> str:
    if number in (errno.EACCES, errno.EPERM) and (lacking := _cause(number)):
        return lacks(lacking)
    template = _ADVICE.get(number, "")
    if "{" in template and not path:
        return ""
    return template.format(path=path, mount=_mount(path))


def _cause(number: int) -> tuple[str, ...]:
    """The missing capabilities that can be why the kernel says `number`."""
    return tuple(name for name in missing_capabilities() if (name in _BY_FILES) == (number == errno.EACCES))


def _mount(path: str) -> str:
    """What makes `path` writable. Nothing that comes with an image is below the folders of state: they may be empty."""
    for folder in (paths.RUN.parent, paths.X11_LOCKS, paths.SUPERVISOR_LOGS.parent, paths.STATE):
        if Path(path).is_relative_to(folder):
            return f"--tmpfs={folder}"
    return "a writable volume there"


def lacks(names: tuple[str, ...]) -> str:
    """That the container lacks the capabilities `names`, and what to do."""
    word = "capability" if len(names) == 1 else "capabilities"
    options = " ".join(f"--cap-add={name}" for name in names)
    return f"the container lacks the {word} {', '.join(names)}: start it without --cap-drop, or with {options}"


def missing_capabilities() -> tuple[str, ...]:
    """Those of `CAPABILITIES` that root lacks here. None for another user, who has none, or where nothing tells."""
    if os.geteuid() != 0:
        return ()
    try:
        lines = paths.OWN_STATUS.read_text(encoding="ascii", errors="replace").splitlines()
        held = int(next(line for line in lines if line.startswith("CapEff:")).split()[1], 16)
    except (OSError, StopIteration, IndexError, ValueError):
        return ()
    return tuple(name for name, number in CAPABILITIES.items() if not held >> number & 1)
