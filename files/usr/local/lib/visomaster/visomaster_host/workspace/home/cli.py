"""The command `visomaster-state`: take home what the program keeps, and bring it back.

  visomaster-state save [--out] [--engines] FILE    a zip of /workspace/state; `-` is the standard output
  visomaster-state restore [--yes] FILE             of such a zip, after showing what it would replace

It works as the desktop's user, whoever calls it. What `restore` replaces is kept in /workspace/state/.replaced and
/workspace/out/.replaced. Exit status: 0 all is done; 1 it is not, or FILE was saved and lacks what is named on standard
error; 2 the command is not usable.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import NoReturn

from visomaster_host import beneath, paths, users
from visomaster_host.beneath import Folder
from visomaster_host.host import read_host
from visomaster_host.identity import give_up_root
from visomaster_host.kept.workspaces import end_program
from visomaster_host.problems import Problem, complain, reporting, say
from visomaster_host.text import Told
from visomaster_host.workspace.home.restoring import REPLACED, Plan, Restore
from visomaster_host.workspace.home.saving import Wanted, take
from visomaster_host.workspace.tree import Tree

PROGRAM = "visomaster-state"
INCOMPLETE = 3
"""Status of the process that writes a zip which lacks something."""
SHOWN = 20
"""Names of one kind that are shown before the question."""


def main(argv: list[str] | None = None) -> int:
    """Run visomaster-state; returns its exit status."""
    parser = argparse.ArgumentParser(
        prog=PROGRAM, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="save|restore")
    saved = verbs.add_parser("save", help="write a zip of what the program keeps")
    saved.add_argument("--out", action="store_true", help=f"the results in {paths.OUTPUT}, too")
    saved.add_argument("--engines", action="store_true", help="TensorRT's engines, too: large, and of one kind of card")
    saved.add_argument("file", metavar="FILE", help="a new file; - is the standard output")
    restored = verbs.add_parser("restore", help="bring back what is in such a zip")
    restored.add_argument("--yes", action="store_true", help="do not ask")
    restored.add_argument("file", metavar="FILE")
    arguments = parser.parse_args(argv)

    def run() -> int:
        with _ended_in_order():
            try:
                if arguments.verb == "restore":
                    return restore(arguments.file, yes=arguments.yes)
                return save(arguments.file, engines=arguments.engines, out=arguments.out)
            except (Problem, OSError):
                raise
            except Told as told:
                raise Problem(f"{arguments.file}: {told}") from None

    return reporting(PROGRAM, run)


@contextlib.contextmanager
def _ended_in_order() -> Iterator[None]:
    """SIGINT, SIGTERM and SIGHUP end the program by way of what is left in order."""

    def end(number: int, frame: FrameType | None) -> NoReturn:
        raise SystemExit(128 + number)

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, end) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


# -- save


def save(file: str, *, engines: bool, out: bool) -> int:
    """Write the zip `file`; returns the exit status. Raises `Told`, OSError."""
    host = read_host()
    wanted = Wanted.of(host, engines=engines, out=out)
    if file == "-":
        if os.isatty(sys.stdout.fileno()):
            raise Problem("-: the standard output is a terminal: expected a file or a pipe")
        return _status(_as_user(lambda: _write(wanted, sys.stdout.fileno(), again=False)))
    with _new(Path(os.path.abspath(file))) as (descriptor, keep):
        status = _as_user(lambda: _write(wanted, descriptor, again=True))
        if status in (0, INCOMPLETE):
            keep()
            say(f"{file}: saved{', but for what is named above' if status else ''}")
        return _status(status)


def _status(status: int) -> int:
    return 1 if status == INCOMPLETE else status


def _write(wanted: Wanted, descriptor: int, *, again: bool) -> int:
    """Write what is `wanted` to `descriptor`, as the desktop's user; returns 0, or `INCOMPLETE`. Raises `Told`, also
    where a file changes meanwhile and it cannot be begun `again`, and OSError.
    """
    tree = Tree(paths.WORKSPACE)

    def begin_anew() -> None:
        if not again:
            raise Problem("a file has changed meanwhile: save once more, or into a file, which is begun anew by itself")
        os.ftruncate(descriptor, 0)
        os.lseek(descriptor, 0, os.SEEK_SET)

    def write(content: bytes | memoryview) -> None:
        left = memoryview(content)
        while left:
            left = left[os.write(descriptor, left) :]

    found = take(tree, wanted, write, begin_anew)
    for line in found.left:
        complain(f"{PROGRAM}: left out: {line}")
    if not found.files:
        complain(f"{PROGRAM}: {tree.root}: there is nothing yet that could be taken home")
    return INCOMPLETE if found.left else 0


def _as_user(work: Callable[[], int]) -> int:
    """The status that `work` returns as the desktop's user: of root's, a process of its own does it."""
    if os.geteuid() != 0:
        return work()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            status = reporting(PROGRAM, lambda: _given_up(work))
        finally:
            os._exit(status)  # what stands above is the parent's to do
    try:
        _, ended = os.waitpid(child, 0)
    except BaseException:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        raise
    return os.waitstatus_to_exitcode(ended) if os.WIFEXITED(ended) else 1


def _given_up(work: Callable[[], int]) -> int:
    give_up_root(users.DESKTOP)
    try:
        return work()
    except (Problem, OSError):
        raise
    except Told as told:
        raise Problem(told) from None


@contextlib.contextmanager
def _new(path: Path) -> Iterator[tuple[int, Callable[[], None]]]:
    """A descriptor of a file without a name yet at `path`, and what gives it that name, durably. Raises `Problem` where
    there is something, OSError.
    """
    with Folder.open(path.parent) as folder:
        if folder.status(path.name) is not None:
            raise Problem(f"{path}: is there already: expected the name of a new file")
        hidden = f".{path.name[:100].lstrip('.')}.{os.urandom(8).hex()}.part"
        descriptor = folder.open_file(hidden, os.O_RDWR | os.O_CREAT | os.O_EXCL)
        try:
            yield descriptor, lambda: _keep(folder, descriptor, hidden, path)
        finally:
            os.close(descriptor)
            with contextlib.suppress(OSError):
                folder.remove(hidden)


def _keep(folder: Folder, descriptor: int, hidden: str, path: Path) -> None:
    if os.geteuid() == 0:  # whose folder it is, theirs is the file
        os.fchown(descriptor, folder.owner.st_uid, folder.owner.st_gid)
    os.fsync(descriptor)
    try:
        os.link(hidden, path.name, src_dir_fd=folder.descriptor, dst_dir_fd=folder.descriptor)
    except FileExistsError:
        raise Problem(f"{path}: is there already: somebody made it meanwhile") from None
    except PermissionError:  # a file system without links
        folder.rename(hidden, path.name)
    folder.sync()


# -- restore


def restore(file: str, *, yes: bool) -> int:
    """Bring back what the zip `file` holds; returns the exit status. Raises `Told`, OSError."""
    application = read_host().application
    descriptor = beneath.open_file(Path(os.path.abspath(file)))
    if os.geteuid() == 0:
        give_up_root(users.DESKTOP)
    wanted = Restore(Tree(paths.WORKSPACE), descriptor, application)
    plan = wanted.plan()
    _show(wanted, plan)
    if not plan.work:
        say("all of it is there already")
    elif not yes and not _agreed():
        return 1
    done = wanted.restore()
    if done.work:
        kept = f"; what was replaced is in {REPLACED} of its folder" if done.replaced else ""
        say(f"{_files(len(done.work))} brought back{kept}")
    if wanted.is_the_programs(done):
        end_program()
        say("the program, if it runs, is started anew with it")
    return 0


def _show(wanted: Restore, plan: Plan) -> None:
    about = wanted.manifest
    say(f"what {about.application} kept, saved {about.saved or 'once'}: {_files(len(about.files))}")
    for line in about.left_out:
        say(f"  missing since it was saved: {line}")
    for word, names in (("new", plan.new), ("replaced", plan.replaced)):
        for name in names[:SHOWN]:
            say(f"  {word}: {name}")
        if len(names) > SHOWN:
            say(f"  {word}: and {len(names) - SHOWN} more")
    say(f"  {len(plan.new)} new, {plan.same} the same, {len(plan.replaced)} replaced")


def _files(count: int) -> str:
    return f"{count} file{'' if count == 1 else 's'}"


def _agreed() -> bool:
    """Whether the person at the terminal says yes."""
    if not sys.stdin.isatty():
        complain(f"{PROGRAM}: nothing was changed: there is no terminal to ask at: --yes does it without asking")
        return False
    try:
        agreed = input("Bring it back, and start the program anew? [y/N] ").strip().lower() in ("y", "yes")
    except (EOFError, UnicodeDecodeError):
        agreed = False
    if not agreed:
        complain(f"{PROGRAM}: nothing was changed")
    return agreed
