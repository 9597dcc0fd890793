"""Lock pip requirement sets: `X.txt`, which is installed, from `X.in` beside it, by the one index the set names.

A set is resolved for every host an image is made for (x86-64, the oldest glibc among them) and holds wheels alone,
short of what its profile names to be built. A package is in one set of an accelerator: what another set names, or has
locked already, is left out.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import canonicalize_name
from visomaster_host import given
from visomaster_host.text import Told

from operations.remote.mirrors import swap_prefix
from spec import requirements
from spec.application import Application
from spec.environment import DEFAULT_INDEX, Accelerator, RequirementSet

PLATFORM = "x86_64-manylinux_2_28"
"""Older than the glibc of every release supported (Ubuntu 22.04: 2.35)."""

_KEPT = ("UV_CACHE_DIR", "UV_HTTP_TIMEOUT", "UV_NATIVE_TLS", "UV_SYSTEM_CERTS")
_MAIN = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL")
_UNREACHABLE = ("error sending request", "dns error", "Connection refused", "timed out", "status code 5")


class LockError(Told):
    """Why a set has no new lock, in one line."""


@dataclass(frozen=True, kw_only=True)
class SetToLock:
    """A set, its application's Python version, and the names of packages that are another set's."""

    wanted: RequirementSet
    python: str
    elsewhere: frozenset[str]

    @property
    def out(self) -> Path:
        """The lock."""
        return self.wanted.file

    @property
    def source(self) -> Path:
        """What is locked."""
        return self.out.with_suffix(".in")


def sets_of(application: Application) -> Iterator[SetToLock]:
    """The sets of `application`, each once, in the order in which they are to be locked.

    Raises `LockError` for one without its `.in`, at the time it is asked for: a later set leaves out what an earlier
    one has locked.
    """
    seen = set()
    for accelerator in application.accelerators:
        for one in accelerator.requirements:
            if one.file not in seen:
                seen.add(one.file)
                yield SetToLock(
                    wanted=one, python=application.environment.python, elsewhere=frozenset(_elsewhere(accelerator, one))
                )


def _elsewhere(accelerator: Accelerator, one: RequirementSet) -> Iterator[str]:
    before = True
    for other in accelerator.requirements:
        if other == one:
            before = False
            continue
        yield from named(other.file.with_suffix(".in"))
        if before and other.file.is_file():
            yield from (
                wanted.name for wanted in requirements.parse(given.read(other.file, other.file.name), other.file.name)
            )


def named(source: Path, within: tuple[Path, ...] = ()) -> Iterator[str]:
    """The packages that an `.in` file and those it includes (`-r FILE`) name. Raises `LockError` without one, and
    `ValueError` for one that is no good; `within` are the files that include it."""
    if not given.is_there(source):
        raise LockError(f"{source.name}: expected it beside {source.stem}.txt: it says what is locked")
    if source in within:
        raise LockError(f"{source.name}: includes itself, by {within[-1].name}")
    lines = given.read(source, source.name).splitlines()
    included = [line.removeprefix("-r ").strip() for line in lines if line.startswith("-r ")]
    own = "\n".join(line for line in lines if not line.startswith("-r "))
    for name in included:
        yield from named(source.parent / name, (*within, source))
    yield from (wanted.name for wanted in requirements.parse(own, source.name))


def lock(one: SetToLock, mirrors: Mapping[str, str]) -> None:
    """Write the lock of `one`, keeping the versions of the old one where they still do.

    Raises `LockError`, and `ValueError` for a malformed set; the old lock is kept then.
    """
    here = set(named(one.source))
    with tempfile.TemporaryDirectory(dir=one.out.parent, prefix=".lock-") as folder:
        new, excluded = Path(folder, one.out.name), Path(folder, "elsewhere.txt")
        if one.out.is_file():
            new.write_bytes(one.out.read_bytes())
        excluded.write_text("".join(f"{name}\n" for name in sorted(one.elsewhere - here)), encoding="utf-8")
        done = subprocess.run(  # noqa: S603 - a list of words of ours
            _command(one, new, excluded),
            cwd=one.out.parent,
            env=index_environment(swap_prefix(one.wanted.index, mirrors)),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise LockError(f"{one.out.name}: {_reason(done.stderr, one.wanted.index)}; the old file is kept")
        _check(new, one.out.name)
        new.replace(one.out)


def _command(one: SetToLock, new: Path, excluded: Path) -> list[str]:
    command = [sys.executable, "-m", "uv", "pip", "compile", "--no-config", "--no-header", "--quiet"]
    command += ["--generate-hashes", "--only-binary", ":all:"]
    for name in one.wanted.build:
        command += ["--no-binary", str(canonicalize_name(name))]
    command += ["--python-version", one.python, "--python-platform", PLATFORM, "--excludes", str(excluded)]
    return [*command, "--output-file", str(new), one.source.name]


def index_environment(index: str) -> dict[str, str]:
    """The variables with which uv asks `index` alone: a URL, or `default` for the machine's own main one."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("UV_", "PIP_"))}
    environment |= {name: os.environ[name] for name in _KEPT if name in os.environ}
    own = next((os.environ[name] for name in _MAIN if os.environ.get(name)), None)
    main = own if index == DEFAULT_INDEX else index
    return environment | ({"UV_DEFAULT_INDEX": main} if main else {})


def _reason(said: str, index: str) -> str:
    """Why uv ended, in one line: the index cannot be reached, or what it said."""
    if any(sign in said for sign in _UNREACHABLE):
        return f"{'its index' if index == DEFAULT_INDEX else index} cannot be reached from here"
    lines = [line.strip().removeprefix("error: ").removeprefix("cause: ") for line in said.splitlines()]
    causes = [line.rstrip(".") for line in lines if line and not line.startswith("hint:")]
    return " ".join(causes[1:] or causes) or "uv failed without a message"


def _check(new: Path, name: str) -> None:
    for wanted in requirements.parse(new.read_text(encoding="utf-8"), name):
        if not wanted.is_locked:
            raise LockError(f"{name}: its index has no hash for {wanted.requirement}; the old file is kept")
