"""The command `visomaster-fetch`: bring the model store to what the manifest says.

Exit status: 0 all selected files are verified and linked; 1 some are not (each named with its reason on standard
error; with --check: something is missing); 2 the command, the manifest or a mirror is not usable; 128 + N ended by
signal N, to be resumed by the next call.

Environment: MODELS_DIR (the store), VISOMASTER_MIRRORS (FROM=TO pairs, space separated, the place for mirrors that
need a password), HF_TOKEN (sent to https://huggingface.co only), the proxies and CA bundle requests knows. Without the
first two: what visomaster-start was given, so that a shell which has none of the container's variables is no trap.
"""

from __future__ import annotations

import argparse
import math
import os
import re
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from visomaster_host import beneath, paths
from visomaster_host.fetch.links import link_all, unlinked
from visomaster_host.fetch.manifest import (
    GROUPS,
    Manifest,
    ManifestError,
    ModelFile,
    load_manifest,
    parse_mirrors,
)
from visomaster_host.fetch.progress import Board, Entry, Reporter, human
from visomaster_host.fetch.store import (
    Layout,
    Stopped,
    StoreError,
    Verified,
    clean,
    is_good,
    locked,
    missing_space,
    record_path,
    set_marker,
    status_of,
)
from visomaster_host.problems import Problem, complain
from visomaster_host.refusals import refusal
from visomaster_host.settings import read_settings
from visomaster_host.text import printable
from visomaster_host.variables import plain

if TYPE_CHECKING:
    from visomaster_host.fetch.engine import Engine
    from visomaster_host.fetch.schedule import Policy

HUB = "https://huggingface.co:443"
TICK = 0.25  # seconds between two looks at files that are being hashed
SAVE_EVERY = 5.0  # seconds between two records of what is proven


@dataclass(frozen=True, kw_only=True)
class Options:
    """What one call is asked to do."""

    manifest: Manifest
    files: tuple[ModelFile, ...]
    layout: Layout
    mirrors: Mapping[str, str]
    credentials: Mapping[str, str]
    jobs: int
    verify: bool
    link: bool
    state: Path | None
    mode: str  # fetch, check or dry-run


def main(argv: list[str] | None = None, *, policy: Policy | None = None) -> int:
    """Run the command; returns its exit status (see the module's docstring)."""
    os.umask(0o022)  # whatever the login's is: the program's user reads what root fetches
    try:
        options = parse_options(sys.argv[1:] if argv is None else argv, {**of_last_start(), **os.environ})
    except (ManifestError, Problem) as error:
        complain(f"visomaster-fetch: {error}")
        return 2
    except OSError as error:
        complain(f"visomaster-fetch: {refusal(error)}")
        return 2
    signals = _Signals()
    try:
        return Fetch(options, signals, policy).run()
    except Stopped:
        complain("visomaster-fetch: stopped; the next call resumes")
        return 128 + (signals.caught or signal.SIGTERM)
    except StoreError as error:
        complain(f"visomaster-fetch: {error}")
    except OSError as error:
        complain(f"visomaster-fetch: {'' if error.filename else 'the store: '}{refusal(error)}")
    finally:
        signals.restore()
    return 1


def of_last_start() -> dict[str, str]:
    """The variables of the container's start that matter here; mirrors may hold a login and are root's to know.

    Raises Problem when the file that keeps them is damaged.
    """
    kept = {"MODELS_DIR": os.readlink(paths.MODEL_STORE)} if paths.MODEL_STORE.is_symlink() else {}
    return {**kept, "VISOMASTER_MIRRORS": read_settings().mirrors} if os.geteuid() == 0 else kept


def parse_options(argv: Sequence[str], environ: Mapping[str, str]) -> Options:
    """Arguments and environment, checked. Raises ManifestError; argparse ends the program itself (status 2)."""
    args = _parser(environ).parse_args(argv)
    manifest = load_manifest(args.manifest)
    if not 1 <= args.jobs <= 128:
        raise ManifestError(f"--jobs: expected 1 to 128, got {args.jobs}")
    mirrors = {**_named_mirrors("VISOMASTER_MIRRORS", environ), **parse_mirrors(args.mirror)}
    return Options(
        manifest=manifest,
        files=manifest.select(args.group, args.only),
        layout=Layout(store=args.store, tree=args.tree, dependencies=args.dependencies),
        mirrors=mirrors,
        credentials=_credentials(plain(environ.get("HF_TOKEN", ""))),
        jobs=args.jobs,
        verify=args.verify,
        link=args.link,
        state=args.state,
        mode="check" if args.check else "dry-run" if args.dry_run else "fetch",
    )


def _named_mirrors(variable: str, environ: Mapping[str, str]) -> dict[str, str]:
    try:
        return parse_mirrors(plain(environ.get(variable, "")).split())
    except ManifestError as error:
        raise ManifestError(f"{variable}: {error}") from None


def _credentials(token: str) -> dict[str, str]:
    if token and not re.fullmatch(r"[\x21-\x7e]+", token):
        raise ManifestError("HF_TOKEN: expected printable characters without spaces")
    return {HUB: token} if token else {}


def _parser(environ: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="visomaster-fetch", description=(__doc__ or "").partition("\n")[0])
    add = parser.add_argument
    store = Path(plain(environ.get("MODELS_DIR", "")) or paths.MODELS)
    add("--manifest", type=Path, default=paths.MANIFEST)
    add("--store", type=Path, default=store, help=f"where models live (default: $MODELS_DIR or {paths.MODELS})")
    add("--tree", type=Path, default=paths.PROGRAM, help="the program's tree, which is linked to the store")
    add("--dependencies", type=Path, default=paths.DEPENDENCIES)
    add("--group", nargs="+", action="extend", default=[], metavar="GROUP", help=f"{', '.join(GROUPS)} (required)")
    add("--only", nargs="+", action="extend", default=[], metavar="PATH", help="paths, names or globs of them")
    add("--verify", action="store_true", help="hash every file again instead of trusting size and mtime")
    add("--jobs", type=int, default=64, metavar="N", help="most connections at once (64)")
    add("--mirror", action="append", default=[], metavar="FROM=TO", help="URL prefix to replace, repeatable")
    add("--state", type=Path, default=None, metavar="FILE", help="write progress as JSON to FILE")
    add("--link", action=argparse.BooleanOptionalAction, default=True, help="link the tree to the store")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--dry-run", action="store_true", help="say what would be fetched, and how many bytes")
    mode.add_argument("--check", action="store_true", help="status 0 when nothing is to do; touches nothing")
    return parser


class _Signals:
    """Turns SIGINT and SIGTERM into a flag, so that unfinished files are left in order."""

    def __init__(self) -> None:
        self.caught = 0
        self._before = {number: signal.signal(number, self._catch) for number in (signal.SIGINT, signal.SIGTERM)}

    def _catch(self, number: int, frame: FrameType | None) -> None:
        self.caught = number

    def stop(self) -> bool:
        """Whether this program was asked to end."""
        return bool(self.caught)

    def restore(self) -> None:
        """Put the handlers back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)


class Fetch:
    """One call of the command."""

    def __init__(self, options: Options, signals: _Signals, policy: Policy | None = None) -> None:
        self.options, self.layout, self.stop, self.policy = options, options.layout, signals.stop, policy
        self.board = Board.of(options.files)
        self.reporter = Reporter(self.board, sys.stdout, options.state if options.mode == "fetch" else None)
        self.verified = Verified.load(record_path(self.layout.store))
        self._next_save = math.inf  # until the store is ours
        self._told_to_wait = False

    def run(self) -> int:
        """Do what the options say; the exit status. Raises Stopped, StoreError, OSError."""
        if self.options.mode != "fetch":
            return self._look()
        try:
            with ExitStack() as stack:
                if not self._nothing_to_write():
                    self._make_store()
                    stack.enter_context(locked(self.layout.store, stop=self.stop, waiting=self._waiting))
                    self._bring()
        except BaseException:
            with suppress(OSError):  # a full disk is what this may be about
                self.reporter.finish("failed")
            self._tell_failures()
            raise
        return self._finish()

    # -- looking

    def _look(self) -> int:
        """--check and --dry-run: change nothing."""
        self._check(self.board.entries)
        missing = [entry for entry in self.board.entries if entry.status != "done"]
        if self.options.mode == "check":
            lost = unlinked(self.layout, self.options.files) if self.options.link else []
            lacking = sorted({entry.file.path for entry in missing} | set(lost))
            if not self._required_good() or status_of(self.layout.marker) is None:
                lacking.append(str(self.layout.marker))
            for path in lacking:
                print(printable(path))
            return 1 if lacking else 0
        if missing:
            self._engine(missing).learn_sizes()
        for entry in missing:
            print(printable(f"{'unknown' if entry.size is None else human(entry.size):>8}  {entry.file.path}"))
        known = sum(max(0, entry.size - self._part(entry)) for entry in missing if entry.size is not None)
        more = sum(entry.size is None for entry in missing)
        unknown = f" and {more} of unknown size" if more else ""
        print(printable(f"{len(missing)} files to fetch, {known} bytes{unknown}"))
        return 0

    def _check(self, entries: Sequence[Entry]) -> None:
        """Mark the entries that are good. Hashing releases the interpreter's lock, so a few threads help."""

        def check(entry: Entry) -> None:
            if self.stop():
                return
            path = self.layout.target(entry.file)

            def read(amount: int) -> None:
                entry.status, entry.done = "verifying", entry.done + amount
                if self.stop():
                    raise Stopped

            good = is_good(entry.file, path, self.verified, rehash=self.options.verify, read=read)
            status = status_of(path) if good else None
            entry.status = "done" if status else "waiting"
            entry.done = status.st_size if status else 0
            entry.size = status.st_size if status else entry.file.size

        with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
            checks = [pool.submit(check, entry) for entry in entries]
            while wait(checks, timeout=TICK).not_done:
                if self.options.mode == "fetch":
                    self._tick()
        for done in checks:
            done.result()
        if self.stop():
            raise Stopped

    def _tick(self) -> None:
        """Show how far it is, and now and then write down what is proven: a killed run need not prove it again."""
        self.reporter.tick()
        if time.monotonic() >= self._next_save:
            self._next_save = time.monotonic() + SAVE_EVERY
            self._save()

    def _save(self) -> None:
        """Write down what is proven, if that can be: otherwise it is proven once more by the next call."""
        try:
            self.verified.save()
        except OSError as error:
            self.reporter.say_once(f"{refusal(error)}; going on: the next call proves the models again")

    def _required_good(self) -> bool:
        """Whether every required file is known to be good."""
        chosen = {entry.file.path: entry.status == "done" for entry in self.board.entries}
        return all(
            chosen[file.path] if file.path in chosen else self._known_good(file)
            for file in self.options.manifest.group("required")
        )

    def _known_good(self, file: ModelFile) -> bool:
        return is_good(file, self.layout.target(file), self.verified, rehash=False, read=lambda amount: None)

    # -- changing

    def _nothing_to_write(self) -> bool:
        """Whether the store is read-only and complete: then there is nothing to do but link."""
        store = self.layout.store
        with beneath.nearest(store) as folder:
            if os.access(".", os.W_OK, dir_fd=folder.descriptor):
                return False
        self._check(self.board.entries)
        if all(entry.status == "done" for entry in self.board.entries):
            return True
        raise StoreError(f"{store}: not writable, and files are missing")

    def _make_store(self) -> None:
        try:
            beneath.Folder.open(self.layout.store, make=0o755).close()
        except OSError as error:
            raise StoreError(f"the store must be a folder: {refusal(error)}") from error

    def _waiting(self) -> None:
        """Say so once, and show what the other fetch brings meanwhile."""
        if not self._told_to_wait:
            self._told_to_wait = True
            self.reporter.say(f"another fetch is using {self.layout.store}; waiting for it to end")
        for entry in self.board.entries:
            whole = status_of(self.layout.target(entry.file))
            entry.done = whole.st_size if whole else self._part(entry)
        self.reporter.tick()

    def _bring(self) -> None:
        """With the lock held: check, fetch what is missing, note what is good, set the marker."""
        self.verified = Verified.load(record_path(self.layout.store))
        self._next_save = time.monotonic() + SAVE_EVERY
        before = dict(self.verified.files)
        try:
            self._check(self.board.entries)
            missing = [entry for entry in self.board.entries if entry.status != "done"]
            clean(self.layout, [entry.file for entry in self.board.entries if entry.status == "done"])
            if not self._required_good():
                set_marker(self.layout, self.options.manifest, False)
            if missing:
                self._fetch(missing)
        finally:
            if self.verified.files != before:
                self._save()
        self._mark(self._required_good())

    def _mark(self, good: bool) -> None:
        """Set the marker. One that cannot be set is no reason to call good models bad. Raises OSError."""
        try:
            set_marker(self.layout, self.options.manifest, good)
        except OSError as error:
            if not good:
                raise
            self.reporter.say_once(f"{refusal(error)}; going on: only --check misses it")

    def _fetch(self, missing: list[Entry]) -> None:
        parts = {entry.file.path: self._part(entry) for entry in missing}
        for entry in missing:  # what a killed fetch has left counts from the first state on
            entry.done = parts[entry.file.path]
        engine = self._engine(missing)
        self.reporter.tick()
        try:
            engine.run()
        except StoreError:
            if not engine.measured:  # it does not fit: what has been written until that was known goes again
                clean(self.layout, [entry.file for entry in missing if not parts[entry.file.path]])
            raise

    def _check_space(self, missing: list[Entry]) -> None:
        """Raises StoreError when what is missing does not fit."""
        needs = []
        for entry in missing:
            if entry.status == "done":
                continue
            root = self.layout.root(entry.file)
            here = min(entry.size or 0, self._part(entry))
            needs.append((root, (entry.size or 0) - here))
        if lacking := missing_space(needs):
            raise StoreError(lacking)

    def _part(self, entry: Entry) -> int:
        """Bytes on disk (whole blocks) of what an unfinished fetch has brought of `entry`."""
        target = self.layout.target(entry.file)
        part = status_of(target.with_name(target.name + ".part"))
        return min(part.st_size, part.st_blocks * 512) if part else 0

    def _engine(self, missing: list[Entry]) -> Engine:
        # 59 ms, most of it for requests, that a call with nothing to fetch would wait for.
        from visomaster_host.fetch.engine import Engine
        from visomaster_host.fetch.schedule import Policy
        from visomaster_host.fetch.transfer import Client

        options = self.options
        policy = replace(self.policy or Policy(), connections=options.jobs)
        client = Client(
            connections=policy.connections,
            connect_timeout=policy.connect,
            stall_timeout=policy.stall,
            credentials=options.credentials,
        )
        return Engine(
            self.layout,
            missing,
            self.verified,
            client,
            policy,
            mirrors=options.mirrors,
            say=self.reporter.say,
            stop=self.stop,
            on_tick=self._tick,
            on_sizes=lambda: self._check_space(missing),
        )

    def _finish(self) -> int:
        failures: list[str] = []
        if self.options.link:
            kept, failures = link_all(self.layout, self.options.manifest.files)
            for path in kept:
                self.reporter.say(f"kept: {self.layout.tree / path} is a file of your own, not a link to the store")
        failed = bool(self.board.failures or failures)
        self.reporter.finish("failed" if failed else "done")
        self.reporter.say(self.board.summary().strip())
        self._tell_failures(*failures)
        return 1 if failed else 0

    def _tell_failures(self, *more: str) -> None:
        failures = (f"{entry.file.path}: {entry.error}" for entry in self.board.failures)
        for failure in dict.fromkeys((*failures, *more)):  # a folder that fails does so for each file
            complain(f"visomaster-fetch: {failure}")
