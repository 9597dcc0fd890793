"""Files on their way up, as tus 1.0 has it: an upload is made, bytes are added where the last ones ended, and the file
has its name when all are there.

What an answer says has arrived is on disk. What arrives before a line breaks counts, with or without a checksum that
was to be compared at the end: the line has checked it, and it is compared with what is on disk before it is a file.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import NoReturn
from urllib.parse import quote

from visomaster_host.beneath import Folder
from visomaster_host.refusals import FULL
from visomaster_host.workspace import parts, tus
from visomaster_host.workspace.exchange import Answer, Body, Refused, Request, as_json, refused_by_system
from visomaster_host.workspace.parts import Damaged, Part, Progress
from visomaster_host.workspace.placing import ensure_folder, is_placed, place
from visomaster_host.workspace.space import space
from visomaster_host.workspace.store import NAME, Done, Store
from visomaster_host.workspace.tree import Tree
from visomaster_host.workspace.turns import Turn, Turns
from visomaster_host.workspace.tus import Wish

AT_ONE_GO = 8 * 1024 * 1024
"""Bytes of a file that comes with its creation, up to which nobody is told of it before it is done: a line that breaks
costs no more than that.
"""
BEING_WRITTEN = 60 * 60
"""Seconds after which an upload that nobody writes to has no claim to room any more."""
LOOKED = 1.0
"""Seconds that one who only asks how far an upload is waits for its writer to come to an end."""
_KNOWN = 256  # uploads whose running hash is kept
_SAID = {"Tus-Resumable": tus.VERSION}


@dataclass
class _Known:
    """What is remembered of an upload of `size` bytes between two requests."""

    size: int
    progress: Progress


class Uploads:
    """The uploads into a tree."""

    def __init__(self, tree: Tree, turns: Turns | None = None) -> None:
        self._tree, self._store, self._turns = tree, Store(tree), turns or Turns()
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._changing, self._completing = threading.Lock(), threading.Lock()
        self._tidied = 0.0

    def answer(self, request: Request) -> Answer:
        """What is answered below `uploads/`. Raises `Refused`, and ConnectionError where the line breaks."""
        try:
            try:
                tus.require_version(request)
                answer = self._answer(request)
            except (ConnectionError, TimeoutError):
                raise
            except OSError as error:
                raise refused_by_system(error) from None
        except Refused as refused:
            refused.headers = {**_SAID, **refused.headers}
            raise
        return Answer(status=answer.status, headers={**_SAID, **answer.headers}, body=answer.body)

    def _answer(self, request: Request) -> Answer:
        _, *names = request.path
        if not names:
            return self._asked(request, {"OPTIONS": _options, "GET": self._list, "POST": self._create})
        name = names[0]
        if len(names) > 1 or not NAME.fullmatch(name):
            raise Refused(HTTPStatus.NOT_FOUND, "there is no upload of this name")
        one: dict[str, Callable[[Request], Answer]] = {
            "OPTIONS": _options,
            "HEAD": lambda request: self._head(name),
            "PATCH": lambda request: self._patch(name, request),
            "DELETE": lambda request: self._delete(name),
        }
        return self._asked(request, one)

    @staticmethod
    def _asked(request: Request, known: Mapping[str, Callable[[Request], Answer]]) -> Answer:
        method = tus.method(request)
        if method not in known:
            allowed = {"Allow": ", ".join(known)}
            raise Refused(HTTPStatus.METHOD_NOT_ALLOWED, f"expected one of {', '.join(known)}, got {method}", allowed)
        return known[method](request)

    # -- all of them

    def _list(self, request: Request) -> Answer:
        return as_json({"uploads": self.unfinished()})

    def unfinished(self) -> list[dict[str, object]]:
        """The uploads that are not done, as docs/files.md has them, the newest first. One that has all its bytes, and
        is no file since we were killed in between, becomes one meanwhile. Raises OSError.
        """
        found, left = [], []
        with self._store.entered() as folder:
            for name in self._store.names(folder):
                wish = self._store.wish(folder, name)
                state = self._store.state(folder, name, wish.size) if wish is not None else None
                if wish is not None and state is not None:
                    found.append((state[1], _described(name, wish, *state)))
                    left += [name] if state[0] == wish.size else []
        if left:
            threading.Thread(target=self.complete, args=(left,), daemon=True).start()
        return [said for _, said in sorted(found, key=lambda each: each[0], reverse=True)]

    def complete(self, names: Iterable[str]) -> None:
        """Make files of the uploads `names`, as far as that can be; what hinders it is told to who asks for one."""
        if not self._completing.acquire(blocking=False):
            return  # another thread is at it
        try:
            for name in names:
                with contextlib.suppress(Refused, OSError):
                    self._head(name)
        finally:
            self._completing.release()

    def _create(self, request: Request) -> Answer:
        wish, checksum = tus.wish(request), tus.checksum(request)
        piece = request.body.left if tus.is_piece(request) else 0
        if piece > wish.size:
            raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"expected {wish.size} bytes at most, got {piece}")
        with self._store.entered() as folder:
            self._tidy(folder)
            name = os.urandom(16).hex()
            self._claim(folder, name, wish.size)
            try:
                with ensure_folder(self._tree, wish.target) as target:
                    if target.owner.st_dev != folder.owner.st_dev:
                        _require_room(wish.size, space(target).room)  # it is copied there when it is complete
                self._store.create(folder, name, wish)
            except (Refused, OSError):
                self._known.pop(name, None)
                raise
            if piece < wish.size or piece > AT_ONE_GO:
                self._store.keep(folder, name)
            answer = self._first(folder, name, wish, request, checksum) if piece or not wish.size else _at(0)
        return Answer(
            status=HTTPStatus.CREATED, headers={**answer.headers, "Location": f"{request.base}/uploads/{name}"}
        )

    def _first(self, folder: Folder, name: str, wish: Wish, request: Request, checksum: tus.Checksum | None) -> Answer:
        """Take in what comes with the creation. Where the disk is full before its end, it goes on from there."""
        try:
            with self._turns.take(name, request.body) as turn, self._part(folder, name, wish) as part:
                return self._take_in(folder, name, wish, part, request.body, turn, checksum)
        except Refused as refused:
            if refused.status == HTTPStatus.INSUFFICIENT_STORAGE:
                self._store.keep(folder, name)
                return Answer(headers=refused.headers)
            self._forget(folder, name)
            raise

    def _claim(self, folder: Folder, name: str, size: int) -> None:
        """Claim the room for the upload `name`. Raises `Refused` where it does not fit beside what others bring."""
        now = time.monotonic()
        with self._changing:
            known = [each for each in self._known.values() if now - each.progress.touched < BEING_WRITTEN]
            room = max(0, space(folder).room - sum(each.size - each.progress.offset for each in known))
            if size <= room:
                self._known[name] = _Known(size=size, progress=Progress())
        _require_room(size, room)

    def _tidy(self, folder: Folder) -> None:
        now = time.monotonic()
        if now - self._tidied > BEING_WRITTEN or not self._tidied:
            self._tidied = now
            with contextlib.suppress(OSError):  # some other time
                self._store.tidy(folder, time.time())

    # -- one of them

    def _wish(self, folder: Folder, name: str) -> Wish:
        wish = self._store.wish(folder, name)
        if wish is None:
            raise Refused(HTTPStatus.NOT_FOUND, "there is no upload of this name")
        return wish

    def _head(self, name: str) -> Answer:
        with self._store.entered() as folder:
            try:
                with self._turns.take(name, patience=LOOKED):
                    done = self._done(folder, name)
                    if done is None:
                        wish = self._wish(folder, name)
                        with self._part(folder, name, wish) as part:
                            if not part.complete:
                                return _at(part.offset, wish.size)
                            done = self._complete(folder, name, wish, part)  # we were killed before it was
                return _is_done(done, HTTPStatus.OK)
            except Refused as refused:
                known = self._known.get(name)
                if refused.status != HTTPStatus.LOCKED or known is None or known.progress.offset >= known.size:
                    raise
                return _at(known.progress.offset, known.size)

    def _patch(self, name: str, request: Request) -> Answer:
        if not tus.is_piece(request):
            raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"Content-Type: expected {tus.PIECE}")
        offset, checksum = tus.number(request, "Upload-Offset"), tus.checksum(request)
        with self._store.entered() as folder, self._turns.take(name, request.body) as turn:
            if (done := self._done(folder, name)) is not None:
                _require_at(offset, done.size, request.body, done.size)
                return _is_done(done, HTTPStatus.NO_CONTENT)
            wish = self._wish(folder, name)
            with self._part(folder, name, wish) as part:
                _require_at(offset, part.offset, request.body, wish.size)
                return self._take_in(folder, name, wish, part, request.body, turn, checksum)

    def _done(self, folder: Folder, name: str) -> Done | None:
        """What became of the upload `name`, if it is done; nothing else is left of it then. Raises OSError."""
        done = self._store.done(folder, name)
        if done is not None:
            self._forget(folder, name)  # we were killed when it had just been noted
        return done

    def _delete(self, name: str) -> Answer:
        with self._store.entered() as folder, self._turns.take(name, at_once=True):
            if self._store.done(folder, name) is None:
                self._wish(folder, name)
            self._store.forget(folder, name)
            self._forget(folder, name)
        return Answer(status=HTTPStatus.NO_CONTENT)

    def _forget(self, folder: Folder, name: str) -> None:
        with self._changing:
            self._known.pop(name, None)
        self._store.discard(folder, name)

    @contextlib.contextmanager
    def _part(self, folder: Folder, name: str, wish: Wish) -> Iterator[Part]:
        """The part of the upload `name`, with what is known of it from last time. Raises `Refused` and OSError."""
        known = self._known.get(name)
        try:
            part = Part(folder, name, wish.size, known.progress if known is not None else None)
        except FileNotFoundError:
            raise Refused(HTTPStatus.NOT_FOUND, "there is no upload of this name") from None
        with part:
            with self._changing:
                part.progress.touched = time.monotonic()
                self._known[name] = _Known(size=wish.size, progress=part.progress)
                self._known.move_to_end(name)
                while len(self._known) > _KNOWN:
                    self._known.popitem(last=False)
            if part.has_another_name and not part.complete:
                self._leave(folder, name, wish, part)
            yield part

    def _leave(self, folder: Folder, name: str, wish: Wish, part: Part) -> NoReturn:
        """Raises `Refused`: `part`, which is not what arrived any more, has a second name, and is left as it is."""
        if not is_placed(self._tree, wish, part):
            raise Refused(HTTPStatus.CONFLICT, f"{wish.name}: its part has a second name: begin anew")
        self._forget(folder, name)  # we were killed when it had just become a file
        raise Refused(HTTPStatus.GONE, f"{wish.name}: is a file already, and has been changed since")

    def _take_in(
        self,
        folder: Folder,
        name: str,
        wish: Wish,
        part: Part,
        body: Body,
        turn: Turn,
        checksum: tus.Checksum | None,
    ) -> Answer:
        """Add `body` to `part`. Raises `Refused`, and OSError where the line breaks; what has arrived stays."""
        before = part.progress.snapshot()
        with _telling_full(folder, part):
            _receive(part, body, turn, checksum)
        turn.keep()
        if checksum is not None:
            try:
                checksum.require(_at(before.offset).headers)
            except Refused:
                part.go_back(before)
                raise
        if not part.complete:
            return _at(part.offset)
        return _is_done(self._complete(folder, name, wish, part), HTTPStatus.NO_CONTENT)

    def _complete(self, folder: Folder, name: str, wish: Wish, part: Part) -> Done:
        """Make the complete `part` a file. Raises `Refused` and OSError."""
        try:
            with _telling_full(folder, part):
                done = place(self._tree, folder, name, wish, part)
        except Damaged as damaged:
            if part.has_another_name:
                self._leave(folder, name, wish, part)
            part.go_back(Progress(damaged.offset, damaged.lines, damaged.offset))
            told = f"{wish.name}: what is on disk is not what arrived: it is needed again from byte {damaged.offset} on"
            raise Refused(HTTPStatus.INTERNAL_SERVER_ERROR, told, _at(damaged.offset).headers) from None
        with self._changing:
            self._known.pop(name, None)
        self._store.note(folder, name, done)
        return done


def _receive(part: Part, body: Body, turn: Turn, checksum: tus.Checksum | None) -> None:
    """Read all of `body` into `part`. Raises OSError; what has arrived is on disk then, too."""
    buffer = memoryview(bytearray(min(parts.BUFFER, max(body.left, 1))))
    try:
        while body.left:
            data = buffer[: body.read_into(buffer)]
            turn.heard = time.monotonic()
            if checksum is not None:
                checksum.update(data)
            part.append(data)
    finally:
        part.settle()


def _require_room(size: int, room: int) -> None:
    """Raises `Refused` where `size` bytes do not fit."""
    if size > room:
        told = f"does not fit: {_gb(size)} are needed, {_gb(room)} are free: delete something first"
        raise Refused(HTTPStatus.INSUFFICIENT_STORAGE, told, more={"needed": size, "free": room})


def _require_at(offset: int, true: int, body: Body, size: int) -> None:
    """Raises `Refused` where `body` does not belong at `true` bytes of `size`."""
    if offset != true:
        raise Refused(HTTPStatus.CONFLICT, f"Upload-Offset: expected {true}, got {offset}", _at(true).headers)
    if body.left > size - offset:
        told = f"expected {size - offset} bytes at most, got {body.left}"
        raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, told, _at(true).headers)


def _options(request: Request) -> Answer:
    headers = {
        "Tus-Version": tus.VERSION,
        "Tus-Extension": tus.EXTENSIONS,
        "Tus-Checksum-Algorithm": ",".join(tus.ALGORITHMS),
    }
    return Answer(status=HTTPStatus.NO_CONTENT, headers=headers)


def _at(offset: int, size: int | None = None) -> Answer:
    """So many bytes are there; of `size`, where that is asked for."""
    headers = {"Upload-Offset": str(offset)}
    if size is None:
        return Answer(status=HTTPStatus.NO_CONTENT, headers=headers)
    return Answer(headers={**headers, "Upload-Length": str(size)})


def _is_done(done: Done, status: HTTPStatus) -> Answer:
    headers = {"X-File": quote(done.path), "X-Sha256": done.sha256}
    return Answer(status=status, headers={**_at(done.size, done.size).headers, **headers})


@contextlib.contextmanager
def _telling_full(folder: Folder, part: Part) -> Iterator[None]:
    """A full disk is told with what is on it of `part`, which goes on from there. Raises `Refused`."""
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        found, needed = space(folder), part.size - part.offset
        told = (
            f"the disk is full: {_gb(needed)} are needed, {_gb(found.room)} are free: delete something, and it goes on"
        )
        more = {"needed": needed, "free": found.room}
        raise Refused(HTTPStatus.INSUFFICIENT_STORAGE, told, _at(part.offset).headers, more) from None


def _gb(size: int) -> str:
    return f"{size / 1e9:.1f} GB"


def _described(name: str, wish: Wish, offset: int, touched: float) -> dict[str, object]:
    said = {"id": name, "name": wish.name, "folder": wish.folder, "relative_path": wish.relative_path}
    times = {"last_modified": wish.last_modified, "touched": int(touched * 1000)}
    return {**said, "size": wish.size, "offset": offset, **times}
