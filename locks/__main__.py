"""Write locks: `python -m locks [APPLICATION] [--sets NAME,…] [--mirrors FROM=TO,…]`.

Without an application: the pip requirement sets of every profile. With one: its sets, and its Conda lock. What cannot
be made here is said, and the rest is made.

The Conda lock comes from the installer's own solver, fetched here into a temporary folder, so that a committed
lock and one a host makes for itself come from the same code.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from visomaster_host.text import brief

from locks import requirement_sets
from locks.shown import passed_on
from operations.conda import rattler_requirements
from operations.remote import conda_environment
from operations.remote.conda_lock import PLATFORMS
from spec import fields
from spec.application import PROFILES, Application, known_applications
from spec.environment import CondaEnvironment
from spec.settings import read_settings


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
            "requirements": rattler_requirements(),
            "index": "default",
        }
    )


def lock_conda(application: Application, mirrors: Mapping[str, str], platform: str) -> int:
    """Write the Conda lock of `application` beside the profiles; 0, or 1 after two lines on stderr: why, and what."""
    out = PROFILES / "locks" / f"{application.name}-{platform}.lock"
    out.parent.mkdir(exist_ok=True)
    status = lock_environment(application.environment, out, mirrors=mirrors, platform=platform)
    if status:
        print(f"lock: {out.name} is not made: run this where the channels can be reached", file=sys.stderr)
    elif application.environment.lock is None:
        print(f'to use it, write in [environment] of {application.name}.toml: lock = "locks/{out.name}"')
    return status


def lock_sets(application: Application, mirrors: Mapping[str, str], names: Collection[str]) -> int:
    """Write the locks of the sets of `application`, or of those called `names`; 1 when one could not be made."""
    status = 0
    for one in requirement_sets.sets_of(application):
        if names and one.out.stem not in names:
            continue
        try:
            requirement_sets.lock(one, mirrors)
        except (requirement_sets.LockError, OSError, ValueError) as error:
            print(f"lock: {brief(error)}", file=sys.stderr)
            status = 1
        else:
            print(brief(f"locked {one.out.name}"), flush=True)
    return status


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 0, or 1 after one line on stderr for each lock that could not be made."""
    parser = argparse.ArgumentParser(prog="python -m locks", description="Write locks of applications.")
    parser.add_argument("application", nargs="?", help="a profile's name or the path of a .toml file")
    parser.add_argument("--sets", default="", metavar="NAME,…", help="only these requirement sets, and no Conda lock")
    parser.add_argument("--mirrors", default="", metavar="FROM=TO,…", help="where channels and indexes are reached")
    parser.add_argument("--platform", default="linux-64", choices=sorted(PLATFORMS.values()))
    given = parser.parse_args(arguments)
    try:
        return _lock(given)
    except (requirement_sets.LockError, OSError, ValueError) as error:
        print(f"lock: {brief(error)}", file=sys.stderr)
        return 1


def _lock(given: argparse.Namespace) -> int:
    mirrors = {"mirrors": given.mirrors} if given.mirrors else {}
    references = [given.application] if given.application else known_applications()
    # What a profile needs to be installed may be what is made here.
    every = [read_settings({"application": one, **mirrors, "layers": "system"}) for one in references]
    names = {name.removesuffix(".txt") for name in given.sets.replace(",", " ").split()}
    known = {set_.file.stem for s in every for kind in s.application.accelerators for set_ in kind.requirements}
    if unknown := names - known:
        raise ValueError(f"sets: {sorted(unknown)[0]!r} is unknown, expected {fields.one_of(sorted(known))}")
    statuses = [lock_sets(one.application, one.mirrors, names) for one in every]
    if given.application and not names:
        statuses.append(lock_conda(every[0].application, every[0].mirrors, given.platform))
    return max(statuses)


if __name__ == "__main__":
    sys.exit(main())
