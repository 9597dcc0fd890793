"""What pyinfra shows on the operator's terminal: of a box it is text, and nothing that the terminal would act on.

pyinfra 3.10 prints what a box sends as it is: the lines of a streamed command, all of a command that failed, those of
facts with -v, what a server says while it is connected to, and what is in an exception. All of it goes through click's
`echo`, and what pyinfra itself adds to it comes from click's `style`.
"""

from __future__ import annotations

import re
import secrets
from typing import Any

import click
from pyinfra.api import output
from visomaster_host.text import lines

_SECRET = f"\x1b[{secrets.randbits(64)};"
"""How a code of pyinfra's own begins until it is shown: a number that no box can know, where terminals and pyinfra's
tables take a number."""

_OURS = re.compile(rf"({re.escape(_SECRET)}[0-9;]*m)")
_ANSWERED = re.compile(r"\x1b\[1A *\x1b\[1A")  # pyinfra's command line wipes a question that was answered
_echo, _style = click.echo, click.style


def guard() -> None:
    """Have all that pyinfra's command line shows go through `shown`; does nothing where pyinfra is a library."""
    if output.is_output_active():
        click.echo, click.style = echo, style
        output.set_echo(echo)
        output.set_formatter(style)


def style(text: Any, *arguments: Any, **options: Any) -> str:
    """As click's, for a text that may be anybody's."""
    return _marked(_style("\0", *arguments, **options)).replace("\0", _cleaned(str(text)))


def echo(message: Any = None, *arguments: Any, **options: Any) -> None:
    """As click's, of what `shown` leaves."""
    _echo(shown(message) if isinstance(message, str) else message, *arguments, **options)


def shown(message: str) -> str:
    """`message` without a control character but line ends, tabs, and the codes that `style` has put there."""
    return message if _ANSWERED.fullmatch(message) else _cleaned(message).replace(_SECRET, "\x1b[")


def _marked(styled: str) -> str:
    return styled.replace("\x1b[", _SECRET)


def _cleaned(text: str) -> str:
    """`text` as it may be shown, with codes of ours still marked."""
    return "".join(part if _OURS.fullmatch(part) else lines(part) for part in _OURS.split(text))
