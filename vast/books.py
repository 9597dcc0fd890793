"""What rentals of this machine remember on disk, before anything is billed: a run that is killed is found again.

The truth is the label that each box has on the account; this says which of them a run of this machine was about to
hand over, by which key it is reached, and whether that run still lives. A folder each, with the box's host key.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO

from spec.here import ROOT

FOLDER = ROOT / ".state" / "rent"

_RECORD, _LOCK = "record.json", "lock"


@dataclass(kw_only=True)
class Attempt:
    """One creation: its `label`, what `hourly` dollars were agreed, the `machine` it is on, what to call its GPU; its
    `number` once Vast told one, and whether it was `handed` over. `begun` is seconds since 1970.
    """

    mark: str
    label: str
    variant: str
    gpu: str
    machine: int
    hourly: float
    begun: float
    key: str = ""
    number: int | None = None
    handed: bool = False
    folder: Path = field(default=FOLDER, repr=False)
    lock: IO[str] | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """What it is called."""
        return f"vast-{self.number}" if self.number else f"the box labelled {self.label!r}"

    def numbered(self, number: int) -> None:
        """Write down that Vast calls it `number`. Raises `OSError`."""
        self.number = number
        self.write()

    def hand_over(self) -> None:
        """Write down that it is a person's now. Raises `OSError`."""
        self.handed = True
        self.write()

    def write(self) -> None:
        """Write it down, whole or not at all. Raises `OSError`."""
        said = {name: value for name, value in asdict(_plain(self)).items() if name not in ("folder", "lock")}
        new = self.folder / f"{_RECORD}.new"
        with new.open("w", encoding="utf-8") as file:
            json.dump(said, file)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self.folder / _RECORD)

    def forget(self) -> None:
        """The box is gone, and with it all that was kept of it."""
        self.release()
        shutil.rmtree(self.folder, ignore_errors=True)

    def release(self) -> None:
        """This run does nothing more with it."""
        if self.lock is not None:
            self.lock.close()
            self.lock = None

    def is_somebodys(self) -> bool:
        """Whether a run that lives is at it."""
        try:
            with (self.folder / _LOCK).open("w") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False


def _plain(attempt: Attempt) -> Attempt:
    """`attempt` without what is no text or number."""
    return Attempt(**{**attempt.__dict__, "lock": None})


class Books:
    """The folder of all of them."""

    def __init__(self, folder: Path = FOLDER) -> None:
        """Keep them in `folder`."""
        self.folder = folder

    def begin(self, attempt: Attempt) -> Attempt:
        """Write `attempt` down and hold its lock, which the kernel lets go when this process dies. Raises `OSError`."""
        attempt.folder = self.folder / attempt.mark
        attempt.folder.mkdir(mode=0o700, parents=True)
        attempt.lock = (attempt.folder / _LOCK).open("w")
        fcntl.flock(attempt.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        attempt.write()
        return attempt

    def all(self) -> Iterator[Attempt]:
        """What is written down; what cannot be read is nobody's."""
        for record in sorted(self.folder.glob(f"*/{_RECORD}")):
            with contextlib.suppress(OSError, ValueError, TypeError, AttributeError):
                said = json.loads(record.read_text(encoding="utf-8"))
                yield Attempt(**{**said, "folder": record.parent})

    def of(self, number: int, mark: str | None) -> Attempt | None:
        """What is known here of box `number`, whose label may have `mark`; nothing when it is of another machine."""
        return next((one for one in self.all() if one.number == number or (mark and one.mark == mark)), None)

    def place(self, number: int) -> Path:
        """A folder for a box of which nothing is written down. Raises `OSError`."""
        folder = self.folder / f"vast-{number}"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder
