"""What a person is told when something is wrong: one line, and an exit status that is not 0."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator

from visomaster_host.refusals import refusal
from visomaster_host.text import Told, printable


class Problem(Told):
    """Something the reader can correct; its text is one line that names the field or file and what was
    expected.
    """


class NotReady(Told):
    """A part of the host does not work (yet); its text is one line that says what was missing."""


class Warned(Told):
    """A part of the host works, but with something that a person should know; its text is one line."""


def reporting(program: str, action: Callable[[], int]) -> int:
    """Run `action` and return its exit status; a `Problem` or an OSError becomes one line on stderr and status 1.

    The umask is ours, whatever the login's is: others read what programs of the host write.
    """
    os.umask(0o022)
    try:
        return action()
    except Problem as problem:
        complain(f"{program}: {problem}")
    except OSError as error:
        complain(f"{program}: {refusal(error)}")
    return 1


@contextlib.contextmanager
def going_on(program: str, without: str) -> Iterator[None]:
    """What is done inside can be gone without: an OSError becomes one line, which ends with what is so `without` it."""
    try:
        yield
    except OSError as error:
        say(f"{program}: {refusal(error)}; going on: {without}")


def say(line: str) -> None:
    """Print one line. One that cannot be written is no reason to end: the output may be a file on a full disk."""
    try:
        print(printable(line), flush=True)
    except OSError:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - what it holds fails at the end once more


def complain(line: str) -> None:
    """As `say`, on stderr."""
    try:
        print(printable(line), file=sys.stderr, flush=True)
    except OSError:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - as above
