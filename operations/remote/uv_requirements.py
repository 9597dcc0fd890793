"""Run uv on the target for requirement sets: calm lines while it works, one line when it fails.

uv and its cache are in a work folder beside the environment. It is there from before the first change until all is
done: a run that was cut off leaves it, so the next one knows that what is installed may be half, and downloads nothing
twice. On the environment's own file system its files are linked into the environment, whole or not at all.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from operations.remote.pinned_wheel import NotFetched
from operations.remote.uv_environment import address, trusted_hosts, uv_environment, without_login
from operations.remote.uv_program import bring_uv
from operations.remote.uv_said import follow, reason
from operations.remote.uv_settings import configured
from operations.remote.uv_state import damaged, of_conda, recorded

WORK = ".visomaster-packages"
_PLACE = "import json, sys, sysconfig; print(json.dumps([sys.prefix, sysconfig.get_path('purelib')]))"
_BOOT = Path("/proc/sys/kernel/random/boot_id")
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Failed(Exception):
    """Why there is no installation, in one line."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """An environment: its Python, its folder, and the one its packages are in."""

    python: str
    prefix: Path
    site: Path

    @property
    def work(self) -> Path:
        """The work folder."""
        return self.prefix.parent / WORK


def run(request: Mapping[str, Any]) -> int:
    """Install what the request lists; 0, or 1 after one line on stderr.

    Keys: python, batches (each: lines, missing, locked, index, constraints, build, as `spec.requirements.Batch` has
    them; none: only a run that was cut off is to be put in order), uv (its locked requirement set), index (where uv
    comes from: a URL, or `default`).
    """
    os.umask(0o022)
    try:
        place = _place(request["python"])
        with alone(place) as lock:
            resumed = begin(place)
            install(request, place, lock)
            if resumed:
                compile_all(place)
            end(place)
    except BrokenPipeError:
        raise  # the controller is gone: nobody is left to tell
    except (Failed, NotFetched, ValueError, OSError) as error:
        print(f"packages: {reason([without_login(str(error))])}", file=sys.stderr, flush=True)
        return 1
    return 0


def _place(python: str) -> Place:
    asked = subprocess.run([python, "-I", "-c", _PLACE], capture_output=True, text=True, errors="replace", check=False)
    if asked.returncode:
        said = [line for line in asked.stderr.splitlines() if line.strip()]
        raise Failed(f"{python} does not run: {said[-1] if said else f'status {asked.returncode}'}")
    prefix, site = map(Path, json.loads(asked.stdout))
    return Place(python=python, prefix=prefix, site=site)


@contextlib.contextmanager
def alone(place: Place) -> Iterator[int]:
    """One installation into an environment at a time, Conda's included: a lock, as an open file."""
    holder = os.open(place.prefix.parent, os.O_RDONLY)
    try:
        fcntl.flock(holder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield holder
    except BlockingIOError:
        raise Failed(f"another installation into {place.prefix} is running") from None
    finally:
        os.close(holder)


def begin(place: Place) -> bool:
    """Put in order what an earlier run left, and make the work folder; whether there was such a run. A cache of before
    the machine's last start is not trusted: what was written may not have reached the disk."""
    remove_remains(place.site)
    boot, noted = _BOOT.read_text(encoding="ascii") if _BOOT.exists() else "", place.work / "boot"
    resumed = place.work.exists()
    if resumed:
        repair(place)
        if not boot or not noted.exists() or noted.read_text(encoding="ascii") != boot:
            shutil.rmtree(place.work)
    place.work.mkdir(mode=0o700, exist_ok=True)
    noted.write_text(boot, encoding="ascii")
    return resumed


def end(place: Place) -> None:
    """Remove the work folder. What vouches for its cache goes first, or half of one might be used."""
    (place.work / "boot").unlink()
    shutil.rmtree(place.work)


def remove_remains(site: Path) -> None:
    """Remove what a killed pip of earlier releases left: `~…` are packages it had moved aside (gigabytes of CUDA
    libraries, perhaps); a `.dist-info` with neither INSTALLER nor RECORD is a package it had not finished."""
    for path in site.glob("~*"):
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    for info in site.glob("*.dist-info"):
        if not (info / "RECORD").exists() and not (info / "INSTALLER").exists():
            shutil.rmtree(info)


def repair(place: Place) -> None:
    """Remove what a run that was cut off has left half installed, short of files that are others' as well."""
    broken = damaged(place.prefix, place.site)
    whole = [info for info in place.site.glob("*.dist-info") if info not in broken]
    kept = {os.path.normpath(place.site / path) for info in whole for path, _ in recorded(info)}
    kept |= {os.path.normpath(place.prefix / path) for path in of_conda(place.prefix)}
    for info in broken:
        for path, _ in recorded(info):
            file = os.path.normpath(place.site / path)
            if file not in kept and file.startswith(f"{place.prefix}/"):
                with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                    os.unlink(file)
        shutil.rmtree(info)
    for half in place.site.rglob("__pycache__/*.pyc.*"):  # bytecode is written under such a name, then renamed
        half.unlink()


def install(request: Mapping[str, Any], place: Place, lock: int) -> None:
    """Bring uv, and have it install one batch after the other. Raises `Failed`."""
    if not request["batches"]:
        return  # nothing is missing: the run before was cut off after that, perhaps among the bytecode
    said = configured(place.prefix)
    for batch in request["batches"]:
        refuse_unproven(batch, said)
    print(f"packages: {sum(batch['missing'] for batch in request['batches'])} to install", flush=True)
    uv = bring_uv(request["uv"], request["index"], said, place.work)
    for batch in request["batches"]:
        status, output = follow(
            uv_command(batch, uv, place), uv_environment(batch["index"], said, place.work), keep=(lock,)
        )
        if status:
            raise Failed(reason(output))


def compile_all(place: Place) -> None:
    """Compile what a run that was cut off had linked: uv compiles the packages of its own run alone, after the last."""
    command = [place.python, "-I", "-m", "compileall", "-q", "-j", "0", str(place.site)]
    subprocess.run(command, capture_output=True, check=False)


def refuse_unproven(batch: Mapping[str, Any], said: Mapping[str, str]) -> None:
    """Refuse packages without hashes over a line that anybody can speak on, unless the box trusts that server."""
    url = urlsplit(address(batch["index"], said))
    if batch["locked"] or url.scheme != "http" or url.hostname in _LOOPBACK:
        return
    if not {url.hostname, f"{url.hostname}:{url.port}"} & set(trusted_hosts(batch["index"], said)):
        raise Failed(f"{without_login(url.geturl())}: expected https, or hashes in the requirement set")


def uv_command(batch: Mapping[str, Any], uv: Path, place: Place) -> list[str]:
    """The call of uv, its files written to the work folder.

    A wheel is unpacked; the source of a package is a program that runs as root, so only those named in `build` are
    built, with what is installed instead of what an index has. A locked set is installed as it is, without a look at
    dependencies.
    """
    listed, constraints = place.work / "requirements.txt", place.work / "constraints.txt"
    listed.write_text("\n".join(batch["lines"]) + "\n", encoding="utf-8")
    constraints.write_text("\n".join(batch["constraints"]) + "\n", encoding="utf-8")
    command = [str(uv), "pip", "install", "--python", place.python, "--compile-bytecode", "--only-binary", ":all:"]
    if batch["build"]:
        command.append("--no-build-isolation")
    for name in batch["build"]:
        command += ["--no-binary", name]
    command += ["--require-hashes", "--no-deps"] if batch["locked"] else ["--constraints", str(constraints)]
    return [*command, "--requirements", str(listed)]
