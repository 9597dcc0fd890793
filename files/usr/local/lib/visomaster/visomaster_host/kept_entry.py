"""What a program keeps, as its profile names it: files and folders of its own that outlive it in /workspace/state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from visomaster_host.text import printable

GPU = "gpu"
"""A folder whose content is of one card and one TensorRT."""

_LONGEST = 200  # bytes of one name: what is put beside it is called longer
_DEEPEST = 8  # names in a path


@dataclass(frozen=True, kw_only=True)
class Kept:
    """One file, or `folder`, that the program keeps at `path` below its own folder. `by`: for each what there is a
    folder of its own, "gpu" or for nothing. A file that is nowhere begins with the text `seed`, if there is one.

    Raises `ValueError` naming what is wrong.
    """

    path: str
    folder: bool
    by: str = ""
    seed: str = ""

    def __post_init__(self) -> None:
        """Refuse what would lead elsewhere, or could not be kept."""
        names = self.path.split("/") if isinstance(self.path, str) else [""]
        if not all(_is_name(name) for name in names) or len(names) > _DEEPEST:
            raise ValueError(
                'expected a path below the program\'s folder, such as "presets/" or "settings.json", without names that'
                f" begin with a point, got {self.path!r}"
            )
        if not isinstance(self.folder, bool):
            raise ValueError(f"{self.path}: folder must be true or false, got {self.folder!r}")
        if self.by not in ("", GPU) or (self.by and not self.folder):
            raise ValueError(f'{self.path}: by must be "{GPU}", and of a folder, got {self.by!r}')
        if not isinstance(self.seed, str) or (self.seed and self.folder):
            raise ValueError(f"{self.path}: seed must be the text that a file begins with, got {self.seed!r}")


def require_apart(entries: Sequence[Kept]) -> None:
    """Raise `ValueError` where two of `entries` are the same, or one is within another."""
    for number, one in enumerate(entries):
        for other in entries[:number]:
            inner, outer = sorted((one.path, other.path), key=len, reverse=True)
            if f"{inner}/".startswith(f"{outer}/"):
                told = "stands there twice" if inner == outer else f"is within {outer}"
                raise ValueError(f"expected each path once and none within another: {inner} {told}")


def _is_name(name: str) -> bool:
    try:
        short = len(name.encode()) <= _LONGEST
    except UnicodeEncodeError:
        return False
    return name != "" and name == name.strip() and not name.startswith(".") and printable(name) == name and short
