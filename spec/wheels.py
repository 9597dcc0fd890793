"""Programs that come as Python packages of a locked set, each in a folder of its own on the host."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from visomaster_host import paths

from spec.here import local


@dataclass(frozen=True, kw_only=True)
class Wheels:
    """The lock `file`, and what is kept of its packages: all but what `without` names by pattern, and `borrowed`, the
    pattern of one file -> the distribution's own that stands in for it.
    """

    file: Path
    without: tuple[str, ...] = ()
    borrowed: Mapping[str, str] = field(default_factory=dict)


SELKIES = Wheels(
    file=local(paths.SELKIES_LOCK),
    without=(
        "bin",  # commands for the Python of an environment that is gone
        "pcmflux.libs/*",  # 99 MB: libpulse and all it is made of
        *("PIL/_avif.*", "pillow.libs/libavif-*"),  # 5 MB for one kind of picture
        "selkies/selkies_web/jsdb",  # 8 MB about gamepads, which are off
        "*/test",
        "*/tests",
        "**/*.pyi",
        "**/*.c",
        "**/*.h",
        "**/*.pyx",
    ),
    borrowed={"pcmflux.libs/libpulse-*.so.*": "/usr/lib/x86_64-linux-gnu/libpulse.so.0"},
)
"""120 MB less than its wheels hold; docs/decisions/0017 says what else."""
