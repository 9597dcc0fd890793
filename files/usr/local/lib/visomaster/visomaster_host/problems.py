"""What a person is told when something is wrong: one line, and an exit status that is not 0."""

import os
import sys
from collections.abc import Callable

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
        print(printable(f"{program}: {problem}"), file=sys.stderr)
    except OSError as error:
        told = f"{program}: {error.filename}: {error.strerror}" if error.filename else f"{program}: {error}"
        print(printable(told), file=sys.stderr)
    return 1
