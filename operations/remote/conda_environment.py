"""Solve, lock and install a Conda environment with rattler; nothing but the environment stays on the host.

The top level needs the standard library alone (Python 3.10): the controller imports the pure functions, and
the target has no rattler until ``run`` has put it into a work directory beside the prefix, which is removed
at the end. The work directory's name is fixed and its parent is root's, so what a killed run left is found
and removed; beside the prefix it is on the prefix's filesystem, so packages are hard-linked, not copied.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import unquote, urlsplit

from operations.remote.pip_environment import pip_environment

if TYPE_CHECKING:
    from rattler import Gateway, PrefixRecord, RepoDataRecord

INPUTS = "# inputs: sha256:"
PENDING = "visomaster-pending"  # in conda-meta: the journal of a run that has not ended
WORK = ".visomaster-environment"
PROGRESS_SECONDS = 2.0
REMOVE_SECONDS = 10.0
NO_SPACE = "no space left on device: free some and run again, the rest is installed then"
PLATFORMS = {"x86_64": "linux-64", "aarch64": "linux-aarch64"}
# What a lock for every host may count on: the oldest distribution supported (Ubuntu 22.04: glibc 2.35, Linux
# 5.15), not the machine that happens to solve. A solve for one host counts on that host's own glibc.
VIRTUAL_PACKAGES = {"__unix": ("0", "0"), "__linux": ("5.15", "0"), "__glibc": ("2.35", "0")}
SPARE_NONE: list[None] = []
# References to None for rattler to lose, never given back: before Python 3.12, 0.28 gives back one too many with calls
# from Rust (20 for a solve, one a progress event), and an interpreter whose last one goes aborts. None has some 9000.
ARCHSPEC = {"linux-64": "x86_64", "linux-aarch64": "aarch64"}


class InstallationError(Exception):
    """What went wrong, in one line for the person who runs it."""


# Pure: locks and URLs (used on the controller too)


def inputs_digest(specs: Sequence[str], channels: Sequence[str]) -> str:
    """The digest (64 hex) of what a lock is solved for. The order of channels counts, that of specs not."""
    inputs = {"specs": sorted(specs), "channels": [channel.rstrip("/") for channel in channels]}
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()


def lock_inputs(lock: str) -> str | None:
    """The digest of the inputs the lock (its text) says it was solved for; None when it says nothing."""
    found = re.match(re.escape(INPUTS) + r"([0-9a-f]{64})$", lock.partition("\n")[0])
    return found[1] if found else None


def lock_platforms(lock: str) -> tuple[str, ...]:
    """The platforms the lock (its text) has packages for.

    Read by lines, as rattler writes them (rattler-lock versions 6 and 7), because neither side has a YAML
    parser.
    """
    return tuple(re.findall(r"^      ([a-z0-9-]+):$", lock.partition("\npackages:\n")[0], re.MULTILINE))


def locked_packages(lock: str) -> dict[str, str]:
    """Archive name -> sha256 of every Conda package in the lock (its text, for one platform).

    Raises ``ValueError`` when a package has no sha256: it could be neither compared nor trusted.
    """
    packages = {}
    for entry in re.split(r"^- conda: ", lock.partition("\npackages:\n")[2], flags=re.MULTILINE)[1:]:
        url = entry.split(None, 1)[0]
        digest = re.search(r"^  sha256: ([0-9a-f]{64})$", entry, re.MULTILINE)
        if digest is None:
            raise ValueError(f"lock: {url} has no sha256")
        packages[url.rpartition("/")[2]] = digest[1]
    return packages


def swap_prefix(url: str, prefixes: Mapping[str, str]) -> str:
    """The URL with the longest of ``prefixes`` (FROM -> TO) replaced; whole path segments only."""
    for prefix in sorted(prefixes, key=len, reverse=True):
        rest = url[len(prefix.rstrip("/")) :]
        if url.startswith(prefix.rstrip("/")) and (not rest or rest[0] in "/?#"):
            return prefixes[prefix].rstrip("/") + rest
    return url


# The request


@dataclass(frozen=True, kw_only=True)
class Request:
    """What to install where. URLs are canonical; ``mirrors`` (FROM -> TO) say where to reach them."""

    prefix: Path | None  # None: only solve
    lock_path: Path  # where the lock is kept
    specs: tuple[str, ...]
    channels: tuple[str, ...]
    mirrors: Mapping[str, str]
    lock: str | None  # the text of a committed lock; None: solve
    platform: str
    requirements: str | None  # the set that brings rattler; None: it is here already
    index: str  # of the set: a URL, or `default`

    @classmethod
    def of(cls, request: Mapping[str, Any]) -> Request:
        """From JSON values; raises ``InstallationError`` for an unknown or missing key."""
        values: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in request.items()}
        for key in ("prefix", "lock_path"):
            values[key] = Path(values[key]) if values.get(key) else None
        try:
            return cls(**values)
        except TypeError as error:
            raise InstallationError(f"bad request: {error}") from error

    @property
    def parent(self) -> Path:
        """The directory that holds the work directory, on the prefix's filesystem."""
        return self.prefix.parent if self.prefix else Path(tempfile.gettempdir())


def run(request: Mapping[str, Any]) -> int:
    """Do what the request says. 0, or 1 after one line on stderr."""
    os.umask(0o022)  # sudo may bring 077, and the unprivileged user runs what is installed here
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, _stop)
    try:
        wanted = Request.of(request)
        with work_directory(wanted) as work:
            provide_rattler(wanted, work)
            SPARE_NONE.extend([None] * 1_000_000)
            asyncio.run(bring_about(wanted, work))
    except InstallationError as error:
        return _failed(str(error))
    except BrokenPipeError:
        raise  # the controller is gone: nobody is left to tell
    except OSError as error:
        return _failed(one_line(error))
    return 0


def leave(status: int) -> NoReturn:
    """End the process without the interpreter's own end, in which rattler's threads can still call Python and abort it
    ("Fatal Python error … <no Python frame>", seen in one of fifteen runs that met a full disk)."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _failed(reason: str) -> int:
    sys.stdout.flush()
    reason = re.sub(r"(?<=://)[^/@\s]+@", "", reason)  # a mirror's password
    print(f"environment: {reason}", file=sys.stderr, flush=True)
    return 1


def _stop(number: int, _frame: object) -> None:
    raise SystemExit(128 + number)


def say(message: str) -> None:
    """One line of progress."""
    print(f"environment: {message}", flush=True)


def one_line(error: BaseException) -> str:
    """The error as one line: what failed and the innermost cause."""
    text = str(error)
    if "os error 28" in text or getattr(error, "errno", None) == 28:
        return NO_SPACE
    if type(error).__name__ == "SolverError":  # a tree of who wants what
        return re.sub(r"[\s│├└─]+", " ", text.removeprefix("Cannot solve the request because of: ")).strip()
    lines = [line.strip().removeprefix("Caused by: ") for line in text.splitlines() if line.strip()]
    if "hash mismatch" in text:
        return f"{lines[0]}: its sha256 is not the one in the lock"
    return ": ".join(dict.fromkeys([*lines[:1], *lines[-1:]])) or type(error).__name__


# The work directory and what it holds


@contextlib.contextmanager
def work_directory(request: Request) -> Iterator[Path]:
    """An empty directory beside the prefix, for one run at a time, gone afterwards."""
    if request.prefix is None:
        with tempfile.TemporaryDirectory(prefix="visomaster-lock.") as temporary:
            yield Path(temporary)
        return
    request.parent.mkdir(parents=True, exist_ok=True)
    work = request.parent / WORK
    holder = os.open(request.parent, os.O_RDONLY)
    try:
        try:
            fcntl.flock(holder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InstallationError(f"another installation into {request.prefix} is running") from None
        remove_directory(work)
        work.mkdir(mode=0o700)
        try:
            yield work
        finally:
            remove_directory(work)
    finally:
        os.close(holder)


def remove_directory(directory: Path) -> None:
    """Remove a directory and all in it; after a failure rattler's threads may still be unpacking there."""
    deadline = time.monotonic() + REMOVE_SECONDS
    while directory.exists():
        try:
            shutil.rmtree(directory)
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def provide_rattler(request: Request, work: Path) -> None:
    """Make ``rattler`` importable, from a virtual environment in the work directory."""
    if request.requirements is None:
        return
    say("fetching the installer")
    listed, venv = work / "rattler.txt", work / "venv"
    listed.write_text(request.requirements, encoding="utf-8")
    _call([sys.executable, "-m", "venv", "--without-pip", str(venv)], "cannot make a venv")
    python = str(venv / "bin" / "python")
    # venv itself would run this too, but keep to itself why it failed.
    _call([python, "-I", "-m", "ensurepip", "--default-pip"], "cannot make a venv (is python3-venv there?)")
    pip = [python, "-I", "-m", "pip", "--disable-pip-version-check", "--no-input", "--quiet"]
    options = ["--require-hashes", "--only-binary", ":all:", "--no-deps", "--no-cache-dir"]
    install = [*pip, "install", *options, "-r", str(listed)]
    _call(install, "cannot fetch the installer", pip_environment(python, request.index))
    sys.path.insert(0, str(next(venv.glob("lib/python3*/site-packages"))))


def _call(command: Sequence[str], failure: str, environment: Mapping[str, str] | None = None) -> None:
    """Run a program silently; raises ``InstallationError`` with its last line."""
    done = subprocess.run(command, env=environment, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode:
        lines = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        if any("No space left on device" in line for line in lines):
            raise InstallationError(NO_SPACE)
        raise InstallationError(f"{failure}: {lines[-1] if lines else f'status {done.returncode}'}")


# Solve


async def bring_about(request: Request, work: Path) -> None:
    """Solve unless a lock is given; install it; then keep the lock, the proof that all of it is installed.

    The lock is written last: one that cannot be installed must not replace a good one, nor stop the next run
    from solving again.
    """
    text = request.lock
    if text is None:
        say(f"solving {len(request.specs)} specs for {request.platform}")
        text = await solve(request, work)
    if request.prefix is not None:
        await install(request, request.prefix, records_of(text, request.platform, work), work)
    write_atomically(request.lock_path, text)


async def solve(request: Request, work: Path) -> str:
    """The text of a lock for the request's specs, channels and platform, with canonical URLs."""
    from rattler import Channel, ChannelPriority, Gateway, solve

    canonical = [Channel(channel).base_url for channel in request.channels]
    reached = [swap_prefix(url, request.mirrors) for url in canonical]
    gateway = Gateway(cache_dir=work / "repodata", client=_client())
    offered = await names_offered(gateway, canonical, reached, request.platform)
    with translated("cannot solve"):
        records = await solve(
            reached,
            request.specs,
            gateway=gateway,
            platforms=[_subdir(request.platform), _subdir("noarch")],
            virtual_packages=_virtual_packages(request),
            channel_priority=ChannelPriority.Strict,
            channel_relations="disabled",
        )
    from_first_channel(((record.name.normalized, record.url) for record in records), offered)
    return lock_text(records, dict(zip(reached, canonical, strict=True)), request)


async def names_offered(
    gateway: Gateway, canonical: Sequence[str], reached: Sequence[str], platform: str
) -> dict[str, set[str]]:
    """URL -> names of packages of each channel, the strongest first.

    Raises ``InstallationError`` naming the channel that cannot be read: the solver's does not.
    """
    from rattler.exceptions import GatewayError

    offered = {}
    for name, url in zip(canonical, reached, strict=True):
        try:
            found = await gateway.names([url], [_subdir(platform), _subdir("noarch")])
            offered[url] = {package.normalized for package in found}
        except GatewayError as error:
            where = name if name == url else f"{name} (through its mirror)"
            raise InstallationError(f"cannot read the channel {where}: {_cause(error)}") from error
    return offered


def from_first_channel(packages: Iterable[tuple[str, str]], offered: Mapping[str, Collection[str]]) -> None:
    """Raises ``InstallationError`` for a package (name, URL) whose name a stronger channel has as well.

    The solver's strict priority looks at versions that a spec allows: where a stronger channel has none of them, it
    takes a weaker one's, and whoever may publish there could answer for any name.
    """
    for name, url in packages:
        for channel, names in offered.items():
            if url.startswith(f"{channel.rstrip('/')}/"):
                break
            if name in names:
                raise InstallationError(f"cannot solve: {name} is not taken from {url}: a channel before has the name")


def lock_text(records: Sequence[RepoDataRecord], canonical: Mapping[str, str], request: Request) -> str:
    """The records as a lock whose first line says what it was solved for; ``canonical``: reached -> canonical
    URL."""
    from rattler import LockChannel, LockFile, LockPlatform

    platform = LockPlatform(request.platform)
    lock = LockFile([platform])
    lock.set_channels("default", [LockChannel(url) for url in canonical.values()])
    for record in records:
        record.url = swap_prefix(record.url, canonical)
        record.channel = swap_prefix(record.channel, canonical)
        lock.add_conda_package("default", platform, record)
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "lock"
        lock.to_path(path)
        return f"{INPUTS}{inputs_digest(request.specs, request.channels)}\n{path.read_text(encoding='utf-8')}"


def records_of(lock: str, platform: str, work: Path) -> list[RepoDataRecord]:
    """The lock's packages for the platform; ``InstallationError`` when it has none or cannot be read."""
    from rattler import LockFile

    path = work / "wanted.lock"
    path.write_text(lock, encoding="utf-8")
    with translated("cannot read the lock"):
        environment = LockFile.from_path(path).default_environment()
    records = environment.conda_repodata_records().get(platform) if environment else None
    if not records:
        raise InstallationError(f"the lock has no packages for {platform}")
    return records


def _virtual_packages(request: Request) -> list[Any]:
    from rattler import GenericVirtualPackage, PackageName, Version
    from rattler.package import BuildString

    assumed = {**VIRTUAL_PACKAGES, "__archspec": ("1", ARCHSPEC[request.platform])}
    if request.prefix is not None:
        assumed["__glibc"] = (platform.libc_ver()[1] or assumed["__glibc"][0], "0")
    return [
        GenericVirtualPackage(PackageName(name), Version(version), BuildString(build))
        for name, (version, build) in assumed.items()
    ]


def _client() -> Any:
    from rattler.networking import Client

    return Client.default_client(max_retries=3, timeout=60)


@contextlib.contextmanager
def translated(doing: str) -> Iterator[None]:
    """Turn what rattler raises into an ``InstallationError`` of one line.

    Its errors share no base class, and a Rust panic is a ``BaseException``.
    """
    try:
        yield
    except (InstallationError, BrokenPipeError, SystemExit, KeyboardInterrupt, asyncio.CancelledError):
        raise
    except BaseException as error:
        reason = one_line(error)
        raise InstallationError(reason if reason.startswith("no space") else f"{doing}: {reason}") from error


def _cause(error: BaseException) -> str:
    return one_line(error).rpartition(": ")[2]


# Install


async def install(request: Request, prefix: Path, wanted: Sequence[RepoDataRecord], work: Path) -> None:
    """Make the prefix hold exactly ``wanted``, and redo what an earlier run left half done."""
    from rattler import install as rattler_install

    meta = prefix / "conda-meta"
    installed = readable_records(meta)
    journal = Journal(meta / PENDING)
    interrupted = set(journal.packages)
    journal.begin({**files_changing(installed, wanted), **journal.packages})
    remove_orphans(prefix, installed, journal)
    canonical = {record.sha256.hex(): (record.url, record.channel) for record in wanted if record.sha256}
    for record in wanted:
        record.url = swap_prefix(record.url, request.mirrors)
    verify_local_archives(wanted)
    with translated("cannot install"):
        await rattler_install(
            list(wanted),
            prefix,
            cache_dir=work / "packages",
            installed_packages=installed,
            reinstall_packages=interrupted,
            platform=_subdir(request.platform),
            execute_link_scripts=False,
            client=_client(),
            reporter=Reporter(journal, work / "packages", wanted),
        )
    remove_old_interpreters(prefix, wanted)
    find_by_name(prefix, wanted)
    tidy_records(meta, canonical)
    journal.end()
    say(f"{len(wanted)} packages in {prefix}")


def verify_local_archives(wanted: Sequence[RepoDataRecord]) -> None:
    """Raises ``InstallationError`` for an archive that is not the locked one.

    rattler 0.28 checks the sha256 of what it downloads, but not that of ``file://`` archives.
    """
    for record in wanted:
        if not record.url.startswith("file://") or record.sha256 is None:
            continue
        digest = hashlib.sha256()
        with Path(unquote(urlsplit(record.url).path)).open("rb") as archive:
            for block in iter(partial(archive.read, 1 << 20), b""):
                digest.update(block)
        if digest.digest() != record.sha256:
            raise InstallationError(f"{record.file_name}: its sha256 is not the one in the lock")


def readable_records(meta: Path) -> list[PrefixRecord]:
    """What conda-meta says is installed. A damaged record is removed: its package is linked again."""
    from rattler import PrefixRecord

    for unfinished in meta.glob("prefix_record_*"):  # rattler renames a record into place when it is whole
        unfinished.unlink()
    records = []
    for path in sorted(meta.glob("*.json")):
        try:
            json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            say(f"{path.name} is damaged: installing its package again")
            path.unlink()
            continue
        with translated(f"cannot read {path}"):
            records.append(PrefixRecord.from_path(path))
    return records


class Journal:
    """What a run is changing, kept in conda-meta until the run ends: packages and all files they may have.

    A killed run leaves files of packages without a record, and records of packages without their files; only
    this says which. One JSON line per package, the name and the files' paths in the prefix.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.packages: dict[str, list[str]] = {}
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        for line in lines:
            with contextlib.suppress(ValueError):  # the last line, cut off: its package was not begun
                name, paths = json.loads(line)
                self.packages.setdefault(name, []).extend(paths)

    def begin(self, packages: Mapping[str, Sequence[str]]) -> None:
        """Write down what is about to be changed."""
        lines = [json.dumps([name, list(paths)]) for name, paths in packages.items()]
        write_atomically(self.path, "".join(f"{line}\n" for line in lines))

    def add(self, name: str, paths: Sequence[str]) -> None:
        """Write down the files a package is about to bring."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(f"{json.dumps([name, list(paths)])}\n")
            file.flush()
            os.fsync(file.fileno())

    def end(self) -> None:
        """The run ended: all packages are what their records say."""
        self.path.unlink()


def files_changing(installed: Sequence[PrefixRecord], wanted: Sequence[RepoDataRecord]) -> dict[str, list[str]]:
    """The names of packages that are not, or not the same, in both lists, with the files they have here."""
    before = {(record.name.normalized, record.sha256) for record in installed}
    after = {(record.name.normalized, record.sha256) for record in wanted}
    files = {record.name.normalized: [str(path) for path in record.files] for record in installed}
    return {name: files.get(name, []) for name, _ in before ^ after}


def remove_orphans(prefix: Path, installed: Sequence[PrefixRecord], journal: Journal) -> None:
    """Remove what an interrupted run linked of packages that have no record, and directories left empty."""
    owned = {str(path) for record in installed for path in record.files}
    for relative in {path for paths in journal.packages.values() for path in paths} - owned:
        path = prefix / relative
        path.unlink(missing_ok=True)
        if path.suffix == ".py":
            for compiled in path.parent.glob(f"__pycache__/{path.stem}.*.pyc"):
                compiled.unlink()
        for directory in (path.parent / "__pycache__", *path.parents):
            if directory == prefix or not directory.is_dir() or any(directory.iterdir()):
                continue
            directory.rmdir()


def remove_old_interpreters(prefix: Path, wanted: Sequence[RepoDataRecord]) -> None:
    """Remove ``lib/pythonX.Y`` of interpreters that are gone: what pip put there, nobody can import."""
    versions = [str(record.version).split(".") for record in wanted if record.name.normalized == "python"]
    current = {f"python{version[0]}.{version[1]}" for version in versions}
    if not current:
        return
    for directory in (prefix / "lib").glob("python[23].*"):
        if directory.is_dir() and not directory.is_symlink() and directory.name not in current:
            say(f"removing {directory}")
            shutil.rmtree(directory)


def find_by_name(prefix: Path, wanted: Sequence[RepoDataRecord]) -> None:
    """Let ``conda activate NAME`` work where conda is in the environment: it looks in PREFIX/envs only."""
    if any(record.name.normalized == "conda" for record in wanted):
        write_atomically(prefix / ".condarc", f"envs_dirs:\n  - {prefix.parent}\n")


def tidy_records(meta: Path, canonical: Mapping[str, tuple[str, str]]) -> None:
    """Name the canonical channel (not this run's mirror or cache) in every record, and let everybody read it.

    rattler makes records 0600; conda, run by the unprivileged user, reads them.
    """
    for path in meta.glob("*.json"):
        record = json.loads(path.read_text(encoding="utf-8"))
        url, channel = canonical[record["sha256"]]
        record.update(url=url, channel=channel, extracted_package_dir=None)
        if record.get("link"):
            record["link"]["source"] = ""
        text = json.dumps(record, indent=2)
        if text != path.read_text(encoding="utf-8") or path.stat().st_mode & 0o777 != 0o644:
            write_atomically(path, text)


def _subdir(platform: str) -> Any:
    from rattler import Subdir

    return Subdir(platform)


class Reporter:
    """Hears of rattler's steps: keeps the journal, and prints a line every two seconds."""

    def __init__(self, journal: Journal, cache: Path, wanted: Sequence[RepoDataRecord]) -> None:
        self.journal = journal
        self.unpacked = {r.name.normalized: cache / re.sub(r"\.(conda|tar\.bz2)$", "", r.file_name) for r in wanted}
        versions = [str(r.version).split(".") for r in wanted if r.name.normalized == "python"]
        self.site = f"lib/python{'.'.join(versions[0][:2])}/site-packages/" if versions else "site-packages/"
        self.total = self.done = 0
        self.bytes: dict[int, int] = {}
        self.said = time.monotonic()

    def on_transaction_start(self, total_operations: int) -> None:
        self.total = total_operations

    def on_link_start(self, operation: int, package_name: str) -> int:
        self.journal.add(package_name, [*self._files(self.unpacked[package_name] / "info")])
        return operation

    def _files(self, info: Path) -> Iterator[str]:
        """The paths in the prefix of an unpacked package's files; Python's noarch packages go where it is."""
        for entry in json.loads((info / "paths.json").read_text(encoding="utf-8"))["paths"]:
            path = re.sub("^python-scripts/", "bin/", entry["_path"])
            yield re.sub("^site-packages/", self.site, path)

    def on_download_start(self, cache_entry: int) -> int:
        return cache_entry

    def on_download_progress(self, download_idx: int, progress: int, total: int | None) -> None:
        self.bytes[download_idx] = progress
        self._say_now_and_then()

    def on_transaction_operation_complete(self, operation: int) -> None:
        self.done += 1
        self._say_now_and_then(at_once=self.done == self.total)

    def _say_now_and_then(self, *, at_once: bool = False) -> None:
        if at_once or time.monotonic() - self.said >= PROGRESS_SECONDS:
            self.said = time.monotonic()
            say(f"{self.done} of {self.total} packages, {sum(self.bytes.values()) / 1e6:.0f} MB")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("on_"):  # the events nobody needs to hear of
            return lambda *_: 0
        raise AttributeError(name)


def write_atomically(path: Path, text: str) -> None:
    """Write a file of mode 0644 so that a crash leaves the old one or the new one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    with part.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part.chmod(0o644)
    part.replace(path)


if __name__ == "__main__":
    leave(run(json.load(sys.stdin)))
