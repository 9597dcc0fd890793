"""The one place where commands run on a host: each in an environment of its own, its output apart from all else.

A box's login prints and sets what its owner likes: a greeting, a umask, a PATH, variables for pip, Python, git and the
loader; so do sudo, an image's ENV, and the shell of a person who runs `@local`. pyinfra 3.10 takes all of that for the
command's own. Here a command begins with `operations/remote/clean.sh`, and what it printed is what stands between that
script's two marks, which nobody on the box can know before.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click
import paramiko
from pyinfra import logger
from pyinfra.api.command import QuoteString, StringCommand
from pyinfra.connectors import util
from pyinfra.connectors.fake import FakeConnector
from pyinfra.context import ctx_host
from visomaster_host import paths
from visomaster_host.text import brief
from visomaster_host.variables import OF_A_START, REACHING

from spec.here import ROOT

if TYPE_CHECKING:
    from queue import Queue

    from pyinfra.api.host import Host
    from pyinfra.connectors.util import CommandOutput, OutputLine

KEPT = (*REACHING, *OF_A_START, "HF_TOKEN")
"""The variables that a command is given of those it finds: how others are reached, and what is meant for this project
by its name."""

_CLEAN = (ROOT / "operations/remote" / "clean.sh").read_text(encoding="utf-8")
_NUMBER = secrets.token_hex(16)
_PREFIX = f"visomaster-{_NUMBER}"
_MARK = re.compile(rf"{_PREFIX}-(\d+) (begins|\d+)\r?")
_WHOLE = re.compile(rf"\n({_PREFIX}-\d+) begins\r?\n(.*)\n\1 (\d+)\r?\n".encode(), re.DOTALL)
_MOST_BEFORE = 1000  # lines that are kept of what comes before a command, which nobody may ever need
_READ = util.read_buffer


@dataclass(kw_only=True)
class Run:
    """What is known of one command: whether it ever began, and its exit status."""

    began: bool = False
    status: int | None = None


_runs: dict[int, Run] = {}


def clean(command: str) -> str:
    """The shell command that runs `command` in an environment of its own; `inside` finds what it printed."""
    return _around(len(_runs), StringCommand(command), {}).get_raw_value()


def inside(output: bytes) -> tuple[bytes, int] | None:
    """What a command made by `clean` printed, of all that came back on one stream, and its exit status; None where it
    did not run to its end."""
    found = _WHOLE.search(b"\n" + output)
    return (found[2], int(found[3])) if found else None


def attend() -> None:
    """Have all commands on pyinfra's current host run so."""
    host: Host = ctx_host.get()
    connector: Any = host.connector
    if isinstance(connector, FakeConnector) or isinstance(connector.run_shell_command, _Clean):
        return  # the first one has no shell
    util.read_buffer = _read_between  # type: ignore[assignment]  # it has names for the options
    connector.run_shell_command = _Clean(host, connector.run_shell_command)


class _Clean:
    """A connector's `run_shell_command`, with clean commands."""

    def __init__(self, host: Host, run: Any) -> None:
        self._host, self._run = host, run

    def __call__(
        self, command: StringCommand, print_output: bool = False, print_input: bool = False, **arguments: Any
    ) -> tuple[bool, CommandOutput]:
        number = len(_runs)
        run = _runs[number] = Run()
        if print_input:
            click.echo(f"{self._host.print_prefix}>>> {command}", err=True)
        variables = arguments.pop("_env", None) or {}
        if arguments.get("_shell_executable", "sh") == "sh":
            arguments["_shell_executable"] = "/bin/sh"  # a login may have a function or an alias of that name
        _, output = self._run(
            _around(number, command, variables), print_output=print_output, print_input=False, **arguments
        )
        if run.status is None:
            self._say_what_came_instead(run, output)
            return False, output
        return run.status in (arguments.get("_success_exit_codes") or (0,)), output

    def _say_what_came_instead(self, run: Run, output: CommandOutput) -> None:
        if run.began:
            return  # it was cut off, which is told by whoever notices
        said = [line.strip() for line in output.output_lines if line.strip()]
        why = f"it says {brief(said[-1])!r}" if said else "it says nothing"
        logger.error(f"{self._host.print_prefix}{brief(f'the login ends before it runs a command: {why}')}")


def _around(number: int, command: StringCommand, variables: Mapping[str, object]) -> StringCommand:
    pairs = (QuoteString(StringCommand(name, str(value), _separator="=")) for name, value in variables.items())
    whole = StringCommand("export", *pairs, "&&", command) if variables else command
    words = ("clean", f"{_PREFIX}-{number}", paths.SYSTEM_PATH, QuoteString(" ".join(KEPT)), QuoteString(whole))
    return StringCommand("exec /bin/sh -c", QuoteString(_CLEAN), *words)


def _read_between(name: str, io: Iterable[Any], output_queue: Queue[OutputLine], **options: Any) -> None:
    """As pyinfra's `read_buffer`, of what commands print themselves."""
    if isinstance(io, paramiko.ChannelFile):  # paramiko's text is UTF-8 or an exception
        channel = io.channel
        io = channel.makefile_stderr("rb") if name == "stderr" else channel.makefile("rb")
    _READ(name, between(io), output_queue, **options)


def between(lines: Iterable[str | bytes]) -> Iterator[str]:
    """The lines between two marks. Where there are none, as of a command that is not run by `clean`: all of them.

    A command's last line may not have been ended: the script's own line break before its mark is taken away.
    """
    source = (_text(line) for line in lines)
    before: list[str] = []
    for line in source:
        if found := _begun(line):
            yield from _until_end(source, found)
            return
        before.append(line)
        del before[:-_MOST_BEFORE]
    yield from before


def _begun(line: str) -> Run | None:
    """The run that begins with this line."""
    found = _MARK.fullmatch(line)
    run = _runs.get(int(found[1])) if found and found[2] == "begins" else None
    if run is not None:
        run.began = True
    return run


def _until_end(lines: Iterator[str], run: Run) -> Iterator[str]:
    empty = 0
    for line in lines:
        found = _MARK.fullmatch(line)
        if found and found[2] != "begins":
            run.status = int(found[2])
            yield from [""] * (empty - 1)
            for _ in lines:  # to the end: who stops reading holds up whoever writes
                pass
            return
        if found:  # of the other stream, where a terminal joins both
            empty = 0
            continue
        if not line:
            empty += 1
            continue
        yield from [""] * empty
        empty = 0
        yield line
    yield from [""] * empty


def _text(line: str | bytes) -> str:
    text = line if isinstance(line, str) else line.decode("utf-8", "replace")
    return text.rstrip("\n")
