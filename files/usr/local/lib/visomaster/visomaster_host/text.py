"""Text that others wrote (a box, a server, a file's name, a log) as it may be shown to a person.

A terminal obeys what it is shown: a line may rename its window, fill the clipboard, ask it questions that it answers as
if typed, overwrite what stood before, or stand in another order than it is read. Here such characters become what they
are called in Python (`\\x1b`, `\\u202e`), which every terminal and every log shows as it is.
"""

from __future__ import annotations

import re

LONGEST = 2000
"""Characters of a reason, which is one line on a screen among others."""

_KEPT = "\t\u00a0\u202f\u3000"  # Python calls these unprintable; they are spaces that people write
_SEEN_AS_NOTHING = frozenset(
    (
        *(0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x180B, 0x180C, 0x180D, 0x180F, 0x2800, 0x3164, 0xFFA0),
        *range(0xFE00, 0xFE0E),
        *range(0xE0100, 0xE01F0),
    )
)
"""Letters and marks without a picture of their own: a name with one looks like a name without. U+FE0E and U+FE0F, which
choose between two pictures of a sign, are not among them: programs write them in good faith."""


class _Escapes(dict[int, str]):
    """What a character is shown as, for `str.translate`; each is worked out when it is met first."""

    def __missing__(self, code: int) -> str:
        letter = chr(code)
        good = letter in _KEPT or (letter.isprintable() and code not in _SEEN_AS_NOTHING)
        self[code] = letter if good else letter.encode("unicode_escape").decode("ascii")
        return self[code]


_ONE_LINE = _Escapes()
_LINES = _Escapes({ord("\n"): "\n"})


def printable(text: str) -> str:
    """`text` as one line without a character that a terminal or a browser would act on instead of showing it.

    Such are control characters (C0 but the tab, DEL, C1), line and paragraph separators, marks of direction, other
    characters of no width, halves of pairs, and what Unicode has not assigned. What is printable already comes back
    as it is.
    """
    return text if text.isascii() and text.isprintable() else text.translate(_ONE_LINE)


def lines(text: str) -> str:
    """As `printable`, for a program's output that is passed on: line ends stay, also those of DOS."""
    return text.replace("\r\n", "\n").removesuffix("\r").translate(_LINES)


def brief(text: object, most: int = LONGEST) -> str:
    """A reason: `text` as one line of at most `most` characters, "..." at the end of one that was longer."""
    shown = printable(str(text)[: most + 1])
    return shown if len(shown) <= most else f"{shown[: most - 3]}..."


_LOGIN = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*:/*)?.*@", re.DOTALL)


def without_login(address: str) -> str:
    """`address`, which may be no good one, without what may be a user and a password: all before its last `@`."""
    return _LOGIN.sub(r"\1…@", address)


class Told(Exception):
    """An error that a person is told: its text is one line, whatever was put into it."""

    def __init__(self, text: object) -> None:
        super().__init__(brief(text))
