"""Commands whose output is seen while they run.

pyinfra prints nothing while an operation runs (below ``-vvv``). A streamed command prints each line as it
comes and, when it fails, leaves ONE red line that says why as the last thing on the screen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from paramiko import SSHException
from pyinfra import logger
from pyinfra.api.command import FunctionCommand, StringCommand
from pyinfra.api.util import log_host_command_error
from visomaster_host.text import brief

if TYPE_CHECKING:
    from pyinfra.api.arguments import ConnectorArguments
    from pyinfra.api.host import Host
    from pyinfra.api.state import State
    from pyinfra.connectors.util import CommandOutput


class Streamed(FunctionCommand):
    """A shell command that prints its lines as they come.

    It is a ``FunctionCommand`` because pyinfra runs its own ``StringCommand`` silently. Overriding
    ``execute`` keeps the operation's ``_sudo``, ``_env``, ``_timeout`` …, which a plain callback would have
    to pass on by hand; and returning False keeps pyinfra from printing the traceback it prints for any
    exception of a callback.
    """

    def __init__(self, command: StringCommand, stdin: str | None = None) -> None:
        super().__init__(_unused, (), {})
        self.command = command
        self.stdin = stdin

    def __repr__(self) -> str:
        return f"Streamed({self.command})"

    def execute(self, state: State, host: Host, connector_arguments: ConnectorArguments) -> bool:
        """Run the command on the host; True when it succeeded, False after one line that says why not."""
        arguments = cast("ConnectorArguments", dict(connector_arguments))
        if self.stdin is not None:
            arguments["_stdin"] = self.stdin
        try:
            succeeded, output = host.run_shell_command(
                self.command, print_output=True, print_input=state.print_input, **arguments
            )
        except (OSError, SSHException) as error:
            log_host_command_error(host, error, timeout=connector_arguments.get("_timeout", 0))
            return False
        if not succeeded:
            _say_why(host, output, self.command)
        return succeeded


def streamed(command: StringCommand | str, *, stdin: str | None = None) -> FunctionCommand:
    """A command for an operation to ``yield``: runs ``command`` on the host and prints its lines as they
    come.

    ``stdin`` is text sent to the command: the way to hand over what must not be in an argument list.
    """
    return Streamed(command if isinstance(command, StringCommand) else StringCommand(command), stdin)


def refused(reason: str) -> FunctionCommand:
    """A command that fails with one red line: what an operation yields instead of raising.

    An exception raised in an operation's body would reach the user as gevent's traceback.
    """

    def refuse(state: State, host: Host) -> bool:
        host.log_styled(brief(reason), log_func=logger.error, fg="red")
        return False

    return FunctionCommand(refuse, (), {})


def last_words(output: CommandOutput) -> str | None:
    """The last line on stderr that says anything, as it may be shown, or None."""
    said = [line.strip() for line in output.stderr_lines]
    return next((brief(line) for line in reversed(said) if line), None)


def _say_why(host: Host, output: CommandOutput, command: StringCommand) -> None:
    """Leave the reason as the last line, unless it is that already."""
    reason = last_words(output)
    if reason is None:
        reason = f"failed without a message: {command}"
    elif output.output_lines and brief(output.output_lines[-1].strip()) == reason:
        return
    host.log_styled(brief(reason), log_func=logger.error, fg="red")


def _unused() -> None:
    raise AssertionError("a streamed command runs its command, not a function")
