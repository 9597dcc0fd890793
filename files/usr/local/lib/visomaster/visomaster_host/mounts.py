"""What is mounted where, as the kernel tells it: proc_pid_mountinfo(5)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from visomaster_host import paths

_ESCAPED = re.compile(r"\\([0-7]{3})")
_ENGINES_OWN = re.compile(r".*/volumes/[^/]+/_data")


@dataclass(frozen=True, kw_only=True)
class Mount:
    """One mount: `root` is what of its file system is seen at `point`, `options` are those of the file system, and
    `read_only` says whether it is at this point."""

    root: str
    point: Path
    read_only: bool
    kind: str
    options: tuple[str, ...]

    @property
    def is_volume(self) -> bool:
        """Whether it is a volume that an engine has made, not a folder of somebody's."""
        return _ENGINES_OWN.fullmatch(self.root) is not None


def all_mounts() -> tuple[Mount, ...]:
    """Every mount that this process sees, the later ones above the earlier; none where the kernel does not say."""
    try:
        lines = paths.MOUNTS.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return ()
    return tuple(mount for line in lines if (mount := _mount(line)) is not None)


def mount_of(path: Path) -> Mount | None:
    """The mount that `path` is in."""
    inside = [mount for mount in all_mounts() if path.is_relative_to(mount.point)]
    deepest = max((len(mount.point.parts) for mount in inside), default=0)
    return next((mount for mount in reversed(inside) if len(mount.point.parts) == deepest), None)


def _mount(line: str) -> Mount | None:
    """What one line says; None for one that has another form."""
    before, separator, after = line.partition(" - ")
    fields, rest = before.split(" "), after.split(" ")
    if not separator or len(fields) < 6 or len(rest) < 3:
        return None
    root, point = (_ESCAPED.sub(lambda found: chr(int(found[1], 8)), field) for field in fields[3:5])
    read_only = "ro" in fields[5].split(",")
    options = tuple(rest[2].split(","))
    return Mount(root=root, point=Path(point), read_only=read_only, kind=rest[0], options=options)
