"""Bring a zip of the state back: all of it is unpacked beside and proven before the first file has its name.

What it replaces is kept in the hidden folder `.replaced` of the same folder of /workspace. Ended in the middle, the
same zip brought back once more does the rest: what is in place already is the same.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from itertools import groupby

from visomaster_host.beneath import Folder
from visomaster_host.refusals import refusal
from visomaster_host.workspace.exchange import Refused
from visomaster_host.workspace.home import manifest
from visomaster_host.workspace.home.manifest import OUT, STATE, Kept, Manifest, refused
from visomaster_host.workspace.home.reader import Zip
from visomaster_host.workspace.space import space
from visomaster_host.workspace.tree import Elements, Tree

REPLACED = ".replaced"
"""Below it, in a folder by time, stands what was replaced."""
BESIDE = ".restoring"
"""Where a zip is unpacked."""

_PIECE = 1024 * 1024


@dataclass
class Plan:
    """What bringing a zip back does: paths that are `new`, that are the `same` (how many), that are `replaced`. The
    files of these are the `work` that has to be done.
    """

    new: list[str] = field(default_factory=list)
    same: int = 0
    replaced: list[str] = field(default_factory=list)
    work: list[str] = field(default_factory=list)


class Restore:
    """A zip of the state, open at the descriptor `file`, on a host that runs `application`. Raises `Refused`."""

    def __init__(self, tree: Tree, file: int, application: str) -> None:
        self._tree, self._zip, self._application = tree, Zip(file), application
        self.manifest = self._document()
        self._require_files()
        self._require_application()

    def _document(self) -> Manifest:
        entry = self._zip.entries.get(manifest.NAME)
        if entry is None or entry.folder:
            raise refused(f"has no {manifest.NAME}: expected a zip that was taken home from such a host")
        if entry.size > manifest.MOST_BYTES:
            raise refused(f"{manifest.NAME}: expected at most {manifest.MOST_BYTES} bytes, got {entry.size}")
        return manifest.decode(b"".join(self._zip.chunks(entry)))

    def _require_files(self) -> None:
        """The zip holds just what its document names, with those sizes."""
        entries = {path: entry for path, entry in self._zip.entries.items() if not entry.folder}
        del entries[manifest.NAME]
        for path, entry in entries.items():
            kept = self.manifest.files.get(path)
            if kept is None:
                raise refused(f"{path!r} in the zip: is not in {manifest.NAME}")
            if kept.size != entry.size:
                raise refused(f"{path!r} in the zip: expected {kept.size} bytes, got {entry.size}")
        for path in self.manifest.files:
            if path not in entries:
                raise refused(f"{path!r} is missing from the zip")

    def _require_application(self) -> None:
        here = self._application
        applications = {path.split("/")[1] for path in self._zip.entries if path.startswith(f"{STATE}/")}
        if self.manifest.application != here and here not in applications and applications:
            told = f"is of the application {self.manifest.application!r}, and this host runs {here!r}"
            raise refused(f"{told}: nothing in it would be used here")

    # -- looking

    def plan(self) -> Plan:
        """What would be done. Raises `Refused`, OSError."""
        plan = Plan()
        for above, paths in groupby(sorted(self.manifest.files), key=lambda path: path.rpartition("/")[0]):
            self._tell(plan, above, list(paths))
        plan.work = sorted((*plan.new, *plan.replaced))
        plan.replaced += [path for path in self._folders() if self._in_the_way(path, folder=True)]
        return plan

    def _tell(self, plan: Plan, above: str, paths: list[str]) -> None:
        """Add what becomes of `paths`, which are in the folder `above`."""
        folder = self._enter(tuple(above.split("/")))
        if folder is None:
            in_the_way = self._in_the_way(above, folder=True)
            (plan.new if in_the_way is None else plan.replaced).extend(paths)
            return
        with folder:
            for path in paths:
                name = path.rpartition("/")[2]
                if folder.status(name) is None:
                    plan.new.append(path)
                elif _is(folder, name, self.manifest.files[path]):
                    plan.same += 1
                else:
                    plan.replaced.append(path)

    def _folders(self) -> list[str]:
        return [path for path, entry in self._zip.entries.items() if entry.folder]

    def _enter(self, elements: Elements) -> Folder | None:
        try:
            return self._tree.folder(elements)
        except Refused:
            return None

    def _in_the_way(self, path: str, *, folder: bool = False) -> Elements | None:
        """What stands at `path`, or is no folder on the way there; None when nothing does. A `folder` there is in
        nobody's way who wants one.
        """
        elements = tuple(path.split("/"))
        here = self._tree.folder(())
        try:
            for depth, name in enumerate(elements, start=1):
                status = here.status(name)
                if status is None:
                    return None
                is_folder = stat.S_ISDIR(status.st_mode)
                if not is_folder or (depth == len(elements) and not folder):
                    return elements[:depth]
                inner = here.enter(name)
                here.close()
                here = inner
        finally:
            here.close()
        return None

    # -- doing

    def restore(self) -> Plan:
        """Do it; returns what was done. Raises `Refused`, OSError: with nothing changed, but where
        the line says that it stopped in the middle.
        """
        with self._alone():
            plan = self.plan()
            self._require_space(plan)
            try:
                staged = self._unpack(plan)
                self._take_over(staged)
            finally:
                for top in (STATE, OUT):
                    with contextlib.suppress(OSError):  # the next one does it
                        self._clear(top)
            return plan

    def is_the_programs(self, done: Plan) -> bool:
        """Whether something of what was `done` is of the program that this host runs."""
        return any(path.startswith(f"{STATE}/{self._application}/") for path in done.work)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        with self._tree.folder((STATE,), make=True) as folder, folder.reopened() as descriptor:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Refused(HTTPStatus.CONFLICT, "another zip is being brought back: wait for it to end") from None
            for top in (STATE, OUT):
                self._clear(top)  # of one that was killed
            yield

    def _clear(self, top: str) -> None:
        folder = self._enter((top,))
        if folder is None:
            return
        with folder:
            status = folder.status(BESIDE)
            if status is None:
                return
            if not stat.S_ISDIR(status.st_mode):
                folder.remove(BESIDE)
                return
            with folder.enter(BESIDE) as beside:
                _empty(beside)
            os.rmdir(BESIDE, dir_fd=folder.descriptor)

    def _require_space(self, plan: Plan) -> None:
        needed: dict[int, int] = {}
        for top in (STATE, OUT):
            sizes = [self.manifest.files[path].size for path in plan.work if path.startswith(f"{top}/")]
            if not sizes:
                continue
            with self._tree.folder((top,), make=True) as folder:
                room, device = space(folder), folder.owner.st_dev
            needed[device] = needed.get(device, room.reserve) + sum(sizes)
            if needed[device] > room.free:
                told = f"{self._tree.path((top,))}: needs {needed[device]} bytes, {room.free} are free: make room first"
                raise Refused(HTTPStatus.INSUFFICIENT_STORAGE, told, more={"needed": needed[device], "free": room.free})

    def _unpack(self, plan: Plan) -> dict[str, str]:
        """Unpack all there is to do beside, and prove it; the names that the files have there. Raises `Refused`."""
        staged = {path: str(number) for number, path in enumerate(plan.work)}
        for path, name in staged.items():
            with self._tree.folder((path.split("/")[0],), make=True) as top, top.enter(BESIDE, make=0o700) as beside:
                self._unpack_one(beside, name, path)
        return staged

    def _unpack_one(self, beside: Folder, name: str, path: str) -> None:
        kept, digest = self.manifest.files[path], hashlib.sha256()
        with os.fdopen(beside.open_file(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644), "wb", buffering=0) as file:
            for chunk in self._zip.chunks(self._zip.entries[path]):
                digest.update(chunk)
                _write(file.fileno(), chunk)
            os.utime(file.fileno(), ns=(kept.modified * 1_000_000,) * 2)
            os.fsync(file.fileno())
        if digest.hexdigest() != kept.sha256:
            raise refused(f"{path!r} in the zip: is not what {manifest.NAME} says of it: its sha256 differs")

    def _take_over(self, staged: dict[str, str]) -> None:
        aside = _Aside(self._tree)
        done = 0
        try:
            for path in self._folders():
                self._make_room(aside, path, folder=True)
                self._tree.folder(tuple(path.split("/")), make=True).close()
            for path, name in staged.items():
                self._place(aside, path, name)
                done += 1
            for above in {path.rpartition("/")[0] for path in staged}:
                with self._tree.folder(tuple(above.split("/"))) as folder:
                    folder.sync()
        except (Refused, OSError) as error:
            why = refusal(error) if isinstance(error, OSError) else str(error)
            told = f"stopped in the middle: {why}; {done} of {len(staged)} files are in place: do it once more"
            raise Refused(HTTPStatus.INTERNAL_SERVER_ERROR, told) from None

    def _place(self, aside: _Aside, path: str, staged: str) -> None:
        """Give the unpacked file its name; what stood there is kept aside."""
        elements = tuple(path.split("/"))
        self._make_room(aside, path)
        with (
            self._tree.folder((elements[0], BESIDE)) as beside,
            self._tree.folder(elements[:-1], make=True) as folder,
        ):
            os.rename(staged, elements[-1], src_dir_fd=beside.descriptor, dst_dir_fd=folder.descriptor)

    def _make_room(self, aside: _Aside, path: str, *, folder: bool = False) -> None:
        """Keep aside what is in the way there."""
        found = self._in_the_way(path, folder=folder)
        if found is not None:
            with self._tree.folder(found[:-1]) as above:
                aside.keep(above, found, until_replaced=not folder and found == tuple(path.split("/")))


class _Aside:
    """Where what is replaced is kept: a folder by time, below each folder of /workspace that it is in."""

    def __init__(self, tree: Tree) -> None:
        self._tree, self._names = tree, dict[str, str]()

    def keep(self, folder: Folder, elements: Elements, *, until_replaced: bool) -> None:
        """Have what stands at `elements`, in `folder`, stand aside. A file stays there, too, `until_replaced`: at no
        moment there is none.
        """
        if len(elements) < 2:
            raise refused(f"{self._tree.path(elements)}: a folder is needed there: move away what is in its place")
        top, *between, name = elements
        with contextlib.ExitStack() as stack:
            place = stack.enter_context(self._tree.folder((top,)))
            for each in (REPLACED, self._name(place, top), *between):
                place = stack.enter_context(place.enter(each, make=0o755))
            status = folder.status(name)
            if until_replaced and status is not None and stat.S_ISREG(status.st_mode):
                with contextlib.suppress(PermissionError):  # a file system without links
                    os.link(name, name, src_dir_fd=folder.descriptor, dst_dir_fd=place.descriptor)
                    place.sync()
                    return
            os.rename(name, name, src_dir_fd=folder.descriptor, dst_dir_fd=place.descriptor)
            place.sync()

    def _name(self, top: Folder, which: str) -> str:
        """This restore's folder, a new one."""
        if which not in self._names:
            when = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
            with top.enter(REPLACED, make=0o755) as replaced:
                number = 1
                while replaced.status(name := when if number == 1 else f"{when}-{number}") is not None:
                    number += 1
            self._names[which] = name
        return self._names[which]


def _is(folder: Folder, name: str, kept: Kept) -> bool:
    """Whether the file `name` is what was kept."""
    status = folder.status(name)
    if status is None or not stat.S_ISREG(status.st_mode) or status.st_size != kept.size:
        return False
    digest = hashlib.sha256()
    with os.fdopen(folder.open_file(name), "rb", buffering=0) as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest() == kept.sha256


def _empty(folder: Folder) -> None:
    for name in folder.names():
        folder.remove(name)


def _write(descriptor: int, content: bytes) -> None:
    left = memoryview(content)
    while left:
        left = left[os.write(descriptor, left) :]
