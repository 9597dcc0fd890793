"""What pyinfra asks the person at the terminal, where there may be neither."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from getpass import getpass

import click
from pyinfra.api.exceptions import PyinfraError
from pyinfra_cli.exceptions import CliError

from controller import terminal

_TERMINAL = os.ctermid()

_PASSWORDS = {
    "sudo": "run this in a terminal, or allow this user sudo without a password",
    "ssh": "run this in a terminal, or use a key",
    "key": "run this in a terminal, or hand the key to an agent (ssh-add)",
}
"""What to do without a terminal, by a word of the question."""


def confirm(ask: Callable[[str], bool], question: str) -> bool:
    """`ask`, pyinfra's own, whether to go on. Raises `CliError` where the answer is no, or there is none."""
    try:
        agreed = ask(question)
    except EOFError:
        click.echo(err=True)
        raise CliError("nobody is there to press enter, so the run ends here: add -y to apply without asking") from None
    if not agreed:
        raise CliError("ended here, as answered; press enter alone to go on, or add -y to apply without asking")
    return True


def password(prompt: str) -> str:
    """The secret that is typed at `prompt`, or piped in where there is no terminal. Raises `PyinfraError` where it is
    neither."""
    prompt = terminal.shown(prompt)
    if sys.stdin.isatty() or _has_terminal():
        return getpass(prompt)
    line = sys.stdin.readline()
    if line:
        return line.rstrip("\n")
    what = click.unstyle(prompt).strip().rstrip(":")
    advice = next((text for word, text in _PASSWORDS.items() if word in what.lower()), "")
    raise PyinfraError(f"{what} is asked for, and there is no terminal to type it at: {advice}")


def first_password(prompt: str) -> str:
    """As `password`, before there are hosts. Raises `CliError`."""
    try:
        return password(prompt)
    except PyinfraError as error:
        raise CliError(str(error)) from None


def _has_terminal() -> bool:
    """Whether `getpass` finds the terminal of this process, whatever its input is."""
    try:
        os.close(os.open(_TERMINAL, os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True
