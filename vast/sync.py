"""The folder that follows a person: `workspace/` beside the playbook, to a box and home again.

- To a box goes what a person brings and what the program kept (`in`, `state`); home comes all of the box's /workspace.
- Of two that differ one has the name: home's in `in` and of all that is brought; the box's elsewhere, but for one that
  is older. The other lies in `.replaced/TIME` of that side. Nothing is deleted on either side.
- What was carried has its name when it is on the disk and its sha256 is that of the other side. What has the same size
  and time on both sides was carried before.
"""

from __future__ import annotations

import functools
import secrets
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from visomaster_host import paths
from visomaster_host.text import brief

from vast import side
from vast.carrying import LineBroken, Reached, SyncError, Way, carry, require_rsync
from vast.sides import File, Here, Listing, OnBox, Placed, Side, digested, listed, place, written

__all__ = ["LineBroken", "Proven", "SyncError", "bring", "home", "sync"]

ROUNDS = 4
"""How often files that change while they are carried are carried again."""
PAUSES = (1, 2, 4, 8, 16)
"""Seconds before each new try over a line that broke. One that brings something begins with the first."""
SHOWN = 10
"""Names that a line is written for."""

IN, STATE = paths.INPUT.name, paths.KEPT.name

_T = TypeVar("_T")
Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Proven:
    """What is on the other side now, with the sha256 it has here: how many files were carried, their bytes, how many
    were there already, and a line for each thing that is not carried (links, hidden names).
    """

    carried: int
    size: int
    same: int
    left: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Carriage:
    """Files of `source` to `target`; `wins` says of a path, with the source's file and the target's, whether the
    source's gets the name.
    """

    source: Side
    target: Side
    way: Way
    wins: Callable[[str, File, File], bool]
    say: Say
    sleep: Callable[[float], None]
    parts: frozenset[str] | None = None

    def wanted(self) -> tuple[Listing, Listing]:
        """What the source has of the parts, and the target of all."""
        found = listed(self.source)
        if self.parts is not None:
            files = {path: file for path, file in found.files.items() if path.split("/")[0] in self.parts}
            found = Listing(files=files, left=found.left, free=found.free)
        return found, listed(self.target)


def bring(
    machine: Reached,
    folder: Path,
    say: Say,
    *,
    parts: Sequence[str] = (IN, STATE),
    at: Path = paths.WORKSPACE,
    sleep: Callable[[float], None] = time.sleep,
) -> Proven:
    """Bring `parts` of `folder` to the box; what is there by the same name gives way. Raises `SyncError`."""
    here, box = _sides(machine, folder, at, say, sleep)
    way = Way(ssh=box.ssh, user=box.user, source=f"{folder}/", target=f"{box.host}:{at}/{side.INCOMING}/")
    carriage = Carriage(
        source=here, target=box, way=way, wins=lambda *_: True, say=say, sleep=sleep, parts=frozenset(parts)
    )
    proven = _all_of(carriage)
    if proven.carried and STATE in parts:
        box.begin_anew()
    return proven


def home(
    machine: Reached,
    folder: Path,
    say: Say,
    *,
    at: Path = paths.WORKSPACE,
    sleep: Callable[[float], None] = time.sleep,
) -> Proven:
    """Bring all of the box's /workspace to `folder`; what returns says that all of it is there. Raises `SyncError`,
    also where something is still being written, after the rest has been brought.
    """
    here, box = _sides(machine, folder, at, say, sleep)
    way = Way(ssh=box.ssh, user=box.user, source=f"{box.host}:{at}/", target=f"{folder / side.INCOMING}/")
    carriage = Carriage(source=box, target=here, way=way, wins=_the_boxs, say=say, sleep=sleep)
    proven = _all_of(carriage)
    if busy := _again(carriage, lambda: written(box)):
        names = ", ".join(brief(name, 100) for name in busy[:SHOWN])
        raise SyncError(f"on the box {names} is still being written: end the recording or upload first")
    return proven


def sync(machine: Reached, folder: Path, say: Say, **options: object) -> tuple[Proven, Proven]:
    """Home first, then what a person brings (`in`) to the box: what is home, and what is there. Raises `SyncError`."""
    came = home(machine, folder, say, **options)  # type: ignore[arg-type]
    return came, bring(machine, folder, say, parts=(IN,), **options)  # type: ignore[arg-type]


def _the_boxs(path: str, theirs: File, ours: File) -> bool:
    """Whether a box's file gets the name at home."""
    return path.split("/")[0] != IN and theirs.modified >= ours.modified


def _sides(machine: Reached, folder: Path, at: Path, say: Say, sleep: Callable[[float], None]) -> tuple[Here, OnBox]:
    """Both sides. Raises `SyncError`."""
    require_rsync()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SyncError(f"{error.filename}: {error.strerror}") from None
    return Here(folder), _over_a_line(lambda: OnBox(machine, at), say, sleep)


def _all_of(carriage: Carriage) -> Proven:
    """Carry what differs until nothing does. Raises `SyncError`."""
    carried: dict[str, File] = {}
    refused: Mapping[str, str] = {}
    for number in range(ROUNDS):
        source, target = _again(carriage, carriage.wanted)
        differing = _again(carriage, functools.partial(_differing, carriage, source.files, target.files))
        if not differing:
            _again(carriage, functools.partial(carriage.target.ask, "clear"))
            return _proven(carriage, source, carried)
        if number < ROUNDS - 1:
            done = _round(carriage, differing, target)
            carried |= {path: differing[path] for path in done.done}
            refused = done.refused
    # What arrived may be in the way itself: a folder where there is a file now.
    _again(carriage, functools.partial(carriage.target.ask, "clear"))
    raise _unproven(carriage, differing, refused)


def _proven(carriage: Carriage, source: Listing, carried: Mapping[str, File]) -> Proven:
    """All is there: say so, and what was not carried."""
    for line in source.left[:SHOWN]:
        carriage.say(f"left {carriage.source.called}: {line}")
    if len(source.left) > SHOWN:
        carriage.say(f"left {carriage.source.called}: and {len(source.left) - SHOWN} more")
    same = len(source.files.keys() - carried.keys())
    carriage.say(f"{carriage.target.called} now: {_files(carried)}, and {same} that were there")
    size = sum(file.size for file in carried.values())
    return Proven(carried=len(carried), size=size, same=same, left=source.left)


def _files(files: Mapping[str, File]) -> str:
    """How many, and their size."""
    size = sum(file.size for file in files.values())
    return f"{len(files)} file{'' if len(files) == 1 else 's'} ({size / 1e6:.1f} MB)"


def _unproven(carriage: Carriage, differing: Iterable[str], refused: Mapping[str, str]) -> SyncError:
    """Why some are not on the other side after all tries."""
    for path, why in refused.items():
        more = f"; {len(refused) - 1} more are not there either" if len(refused) > 1 else ""
        return SyncError(f"{carriage.target.called} {brief(path, 200)}: {why}{more}")
    names = ", ".join(brief(name, 100) for name in sorted(differing)[:SHOWN])
    return SyncError(f"{carriage.source.called} {names} cannot be read, or is being written: end that, and try again")


def _differing(carriage: Carriage, source: Mapping[str, File], target: Mapping[str, File]) -> dict[str, File]:
    """What of the source is not at the target, by that name or among what was replaced there. Raises `SyncError`."""
    unlike = {path: file for path, file in source.items() if target.get(path) != file}
    alike = {path: file for path, file in unlike.items() if path in target and target[path].size == file.size}
    losing = {
        path: file for path, file in unlike.items() if path in target and not carriage.wins(path, file, target[path])
    }
    theirs = digested(carriage.source, {**alike, **losing})
    ours = digested(carriage.target, {path: target[path] for path in alike})
    same = {path for path in alike if _sha256(theirs[path]) == _sha256(ours[path]) is not None}
    sought = {path: sha256 for path in losing.keys() - same if (sha256 := _sha256(theirs[path]))}
    if sought:
        size = sum(losing[path].size for path in sought)
        same.update(str(path) for path in carriage.target.ask("kept", sought, size=size))
    return {path: file for path, file in unlike.items() if path not in same}


def _sha256(digest: str | tuple[str, File]) -> str | None:
    return None if isinstance(digest, str) else digest[0]


def _round(carriage: Carriage, differing: Mapping[str, File], target: Listing) -> Placed:
    """Carry these files, compare them, and have them get their names. Raises `SyncError`."""
    size = sum(file.size for file in differing.values())
    carriage.say(f"not {carriage.target.called} yet: {_files(differing)}")
    _require_room(carriage, size, target)
    _carry(carriage, differing)
    theirs = _again(carriage, functools.partial(digested, carriage.source, differing))
    found = {path: digest for path, digest in theirs.items() if not isinstance(digest, str)}
    wins = {
        path: path not in target.files or carriage.wins(path, differing[path], target.files[path]) for path in found
    }
    new = [(path, sha256, file.modified, not wins[path]) for path, (sha256, file) in sorted(found.items())]
    stamp = f"{time.strftime('%Y-%m-%dT%H-%M-%SZ', time.gmtime())}-{secrets.token_hex(2)}"
    done = _again(carriage, functools.partial(place, carriage.target, new, size, stamp))
    for path in done.aside[:SHOWN]:
        carriage.say(
            f"{brief(path, 200)} differed: the other one is {carriage.target.called} in {side.REPLACED}/{stamp}"
        )
    unread = {path: f"{why} {carriage.source.called}" for path, why in theirs.items() if isinstance(why, str)}
    return replace(done, refused={**unread, **done.refused})


def _require_room(carriage: Carriage, size: int, target: Listing) -> None:
    """Raise `SyncError` where `size` bytes do not fit, with what has arrived of them."""
    free = target.free + _arrived(carriage)
    if size > free:
        room = f"{size / 1e9:.2f} GB are needed and {free / 1e9:.2f} GB are free"
        raise SyncError(f"{carriage.target.called} {room}: make room, and try again")


def _carry(carriage: Carriage, differing: Mapping[str, File]) -> None:
    """Have rsync carry these; a line that breaks is taken up again while it brings something. Raises `SyncError`."""
    largest = max(file.size for file in differing.values())
    tries, before = 0, _arrived(carriage)
    while True:
        try:
            return carry(carriage.way, sorted(differing), largest, carriage.say)
        except LineBroken as error:
            now = _arrived(carriage)
            tries, before = (1 if now > before else tries + 1), now
            if tries > len(PAUSES):
                raise SyncError(f"{error}; what arrived is kept, and the next try goes on there") from None
            carriage.say(f"{error}; again in {PAUSES[tries - 1]} s")
            carriage.sleep(PAUSES[tries - 1])


def _arrived(carriage: Carriage) -> int:
    """The bytes that have arrived and have no name yet. Raises `SyncError`."""
    return int(_again(carriage, functools.partial(carriage.target.ask, "arrived")))


def _again(carriage: Carriage, ask: Callable[[], _T]) -> _T:
    """What `ask` returns, over a line that may break. Raises `SyncError`."""
    return _over_a_line(ask, carriage.say, carriage.sleep)


def _over_a_line(ask: Callable[[], _T], say: Say, sleep: Callable[[float], None]) -> _T:
    for pause in PAUSES:
        try:
            return ask()
        except LineBroken as error:
            say(f"{error}; again in {pause} s")
            sleep(pause)
    return ask()
