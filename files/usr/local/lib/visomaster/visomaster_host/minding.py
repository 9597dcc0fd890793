"""What `screen_minder` decides of keys, as plain functions of what it sees.

Xtigervnc gives each letter that the layout lacks a keycode of its own, and never takes one back: after so many letters
none arrives any more. And it lets go of a key when the viewer who pressed it leaves, or never: a line that goes dead
says nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set

KEEP_FREE, FREE_AT_ONCE = 40, 20
"""Keycodes: so many are kept for new letters, and so many more are freed at a time. The layout leaves 131, of which
the latest 70 letters stay: programs look up what a key means a moment after it was pressed."""

LEFT_AFTER = 10.0
"""Seconds without input after which a key that is down is held by nobody."""

Symbols = tuple[int, ...]
"""What a keycode means, one keysym a level; all of them 0 where it is free."""


class Spare:
    """The keycodes that the layout leaves free, and which letters have them, the oldest first."""

    def __init__(self, codes: Mapping[int, Symbols]) -> None:
        self._layout = frozenset(code for code, symbols in codes.items() if any(symbols))
        self._letters: dict[int, Symbols] = {}
        # A layout that leaves few of them, where ours could not be loaded, has them all the same turned over.
        self._keep = min(KEEP_FREE, (len(codes) - len(self._layout)) // 3)

    def to_free(self, codes: Mapping[int, Symbols], down: Set[int]) -> tuple[range, ...]:
        """The keycodes to be freed now that `codes` mean this, none of those that are `down`."""
        taken = {code: symbols for code, symbols in codes.items() if code not in self._layout and any(symbols)}
        kept = {code: symbols for code, symbols in self._letters.items() if taken.get(code) == symbols}
        self._letters = {**kept, **{code: symbols for code, symbols in taken.items() if code not in kept}}
        free = len(codes) - len(self._layout) - len(taken)
        if free >= self._keep:
            return ()
        oldest = [code for code in self._letters if code not in down]
        return runs(oldest[: self._keep - free + FREE_AT_ONCE])


def runs(codes: Iterable[int]) -> tuple[range, ...]:
    """`codes` as ranges without gaps: each change of the map has every program read all of it."""
    found: list[range] = []
    for code in sorted(codes):
        if found and found[-1].stop == code:
            found[-1] = range(found[-1].start, code + 1)
        else:
            found.append(range(code, code + 1))
    return tuple(found)


def left_behind(down: Set[int], modifiers: Set[int], *, keys_idle: float, idle: float) -> frozenset[int]:
    """Which of the keys that are `down` nobody holds: no key has come for `keys_idle` seconds, nothing at all for
    `idle`.

    A modifier may be held while the mouse is used. Any other key that somebody holds comes again and again; the
    server's own repeating, of a key that another X client has pressed, counts as input, but is no key that comes.
    """
    if keys_idle < LEFT_AFTER:
        return frozenset()
    return frozenset(down if idle >= LEFT_AFTER else down - modifiers)
