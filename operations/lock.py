"""Write the lock of an environment: ``python -m operations.lock --spec … --channel … --out FILE``.

It runs the installer's own solver here, in a temporary virtual environment, so that a committed lock and one
a host makes for itself come from the same code.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from operations import remote
from operations.remote import conda_environment


def lock_environment(
    specs: Sequence[str],
    channels: Sequence[str],
    out: Path,
    *,
    mirrors: Mapping[str, str],
    platform: str = "linux-64",
    indexes: Sequence[str] = (),
) -> int:
    """Solve `specs` from `channels` for `platform` and write the lock to `out`.

    0, or 1 after one line on stderr; an old lock is kept then. Arguments as for
    ``operations.conda.environment``.
    """
    return conda_environment.run(
        {
            "prefix": None,
            "lock_path": str(out),
            "specs": list(specs),
            "channels": list(channels),
            "mirrors": dict(mirrors),
            "lock": None,
            "platform": platform,
            "requirements": remote.rattler_requirements(),
            "indexes": [conda_environment.swap_prefix(index, mirrors) for index in indexes],
        }
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m operations.lock", description=__doc__)
    parser.add_argument(
        "--spec", action="append", required=True, help="a Conda match spec; may be given again"
    )
    parser.add_argument(
        "--channel", action="append", required=True, help="name, URL or path; the strongest first"
    )
    parser.add_argument("--mirror", action="append", default=[], type=_mirror, metavar="FROM=TO")
    parser.add_argument("--index", action="append", default=[], help="pip index the solver itself comes from")
    parser.add_argument("--platform", default="linux-64", choices=sorted(conda_environment.ARCHSPEC))
    parser.add_argument("--out", required=True, type=Path)
    given = parser.parse_args(arguments)
    return lock_environment(
        given.spec,
        given.channel,
        given.out,
        mirrors=dict(given.mirror),
        platform=given.platform,
        indexes=given.index,
    )


def _mirror(text: str) -> tuple[str, str]:
    prefix, equals, replacement = text.partition("=")
    if not (prefix and equals and replacement):
        raise argparse.ArgumentTypeError(f"{text!r}: expected FROM=TO")
    return prefix, replacement


if __name__ == "__main__":
    sys.exit(main())
