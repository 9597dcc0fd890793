"""Write the Conda lock of an application: `python -m operations.lock APPLICATION [--mirror FROM=TO]`.

It runs the installer's own solver here, in a temporary virtual environment, so that a committed lock and one a host
makes for itself come from the same code.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from operations import remote
from operations.remote import conda_environment
from operations.shown import passed_on
from spec.application import PROFILES, CondaEnvironment
from spec.settings import read_settings
from spec.text import brief


@passed_on()  # what channels and indexes have said
def lock_environment(environment: CondaEnvironment, out: Path, *, mirrors: Mapping[str, str], platform: str) -> int:
    """Solve `environment` for `platform` and write the lock to `out`; `mirrors` say where channels are reached.

    0, or 1 after one line on stderr; an old lock is kept then.
    """
    return conda_environment.run(
        {
            "prefix": None,
            "lock_path": str(out),
            "specs": list(environment.all_specs),
            "channels": list(environment.channels),
            "mirrors": dict(mirrors),
            "lock": None,
            "platform": platform,
            "requirements": remote.rattler_requirements(),
            "indexes": [],
        }
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 0, or 1 after one line on stderr."""
    parser = argparse.ArgumentParser(prog="python -m operations.lock", description="Write an application's Conda lock.")
    parser.add_argument("application", help="a profile's name or the path of a .toml file")
    parser.add_argument("--mirrors", default="", metavar="FROM=TO,…", help="where channels are reached")
    parser.add_argument("--platform", default="linux-64", choices=sorted(conda_environment.ARCHSPEC))
    given = parser.parse_args(arguments)
    data = {"application": given.application, **({"mirrors": given.mirrors} if given.mirrors else {})}
    try:
        settings = read_settings(data)
    except ValueError as error:
        print(brief(error), file=sys.stderr)
        return 1
    application = settings.application
    out = PROFILES / "locks" / f"{application.name}-{given.platform}.lock"
    out.parent.mkdir(exist_ok=True)
    status = lock_environment(application.environment, out, mirrors=settings.mirrors, platform=given.platform)
    if status == 0 and application.environment.lock is None:
        print(f'to use it, write in [environment] of {application.name}.toml: lock = "locks/{out.name}"')
    return status


if __name__ == "__main__":
    sys.exit(main())
