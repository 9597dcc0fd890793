"""What pyinfra shows on the operator's terminal: whatever a box sends, its own colours are all that is not text.

pyinfra 3.10 prints the lines of a box as they are: those of a streamed command, all of a command that failed, those of
facts with -v, and what a server says while it is connected to.
"""

from __future__ import annotations

import logging
import secrets
from typing import Any

import click
from pyinfra import logger
from pyinfra.api import output

from spec.text import lines

_RAW = "\x1b"
_ESC = f"<{secrets.token_hex(16)}>"
"""Stands for the escape character in what pyinfra styles, until it is shown. No box can know it."""


def guard() -> None:
    """Have all that pyinfra's command line shows go through `shown`. The second call does nothing; nor does one where
    pyinfra is a library, which shows nothing."""
    if output.is_output_active() and _GUARD not in logger.filters:
        output.set_formatter(styled)
        output.set_echo(_echo)
        logger.addFilter(_GUARD)


def styled(text: object, *arguments: Any, **options: Any) -> str:
    """`text` with click's codes for a style around it, to be shown by `shown`."""
    before, _, after = click.style("\0", *arguments, **options).partition("\0")
    return f"{before.replace(_RAW, _ESC)}{lines(str(text))}{after.replace(_RAW, _ESC)}"


def shown(message: str) -> str:
    """`message` without a control character but line ends, tabs, and the codes that `styled` has put there."""
    return lines(message).replace(_ESC, _RAW)


def _echo(message: object = None, **options: Any) -> None:
    click.echo(shown(message) if isinstance(message, str) else message, **options)


class _Guard(logging.Filter):
    """Cleans what is logged before pyinfra's own handler colours it."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Change `record`; it is always shown."""
        if isinstance(record.msg, str):
            record.msg, record.args = shown(record.getMessage()), ()
        return True


_GUARD = _Guard()
