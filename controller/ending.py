"""How a run ends: the last lines name each host that is not as it should be, and the exit status says so too.

pyinfra 3.10 ends the whole run where one host is refused, says nothing of a host that it did not reach in its last
table, and exits with 0 where nobody was asked, where it was interrupted, and where `--no-wait` met a failure.
"""

from __future__ import annotations

import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, NoReturn

import click
import gevent
from pyinfra import logger
from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.host import Host
from pyinfra.api.state import BaseStateCallback, State, StateStage
from pyinfra.connectors.util import CommandOutput
from pyinfra.context import ctx_host, ctx_state
from pyinfra_cli.exceptions import CliError, UnexpectedExternalError
from visomaster_host.text import brief

from controller import boxes

_OUTCOME, _LAST_WORD = "run_outcome", "run_last_word"
_GOES_ON = "goes_on"  # `operations.beside` writes there what a host does beside
_NOBODY = "No hosts remaining!"  # as pyinfra says it
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_UNREACHED = "was not reached"
_AGAIN = "run the same command again, it goes on where this one stopped"


class Outcomes(BaseStateCallback):
    """Writes down what became of hosts, as pyinfra tells of it."""

    @staticmethod
    def host_connect_error(state: State, host: Host, error: Exception) -> None:
        """A host that was not reached."""
        note(host, f"{_UNREACHED}: {error}")

    @staticmethod
    def operation_host_error(
        state: State, host: Host, op_hash: str, retry_count: int = 0, max_retries: int = 0
    ) -> None:
        """A host on which an operation failed, and may not."""
        if not state.get_op_data_for_host(host, op_hash).global_arguments["_ignore_errors"]:
            also = f"; {going_on}" if (going_on := _going_on(host)) else ""
            note(host, f'failed at "{_operation(state, op_hash)}", see above{also}')


def note(host: Host, outcome: str) -> None:
    """Have the last lines of the run say `outcome` of `host`, unless they have something to say of it already."""
    host.connector_data.setdefault(_OUTCOME, brief(outcome))


def on_signals() -> None:
    """End on Ctrl-C, SIGTERM and SIGHUP with exit status 128 + its number, and say what may still be running."""
    for number in _SIGNALS:
        if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:  # of nohup
            signal.signal(number, _interrupted)


def _interrupted(number: int, _: FrameType | None) -> NoReturn:
    for each in _SIGNALS:
        signal.signal(each, signal.SIG_DFL)  # whoever asks twice does not want to wait for the end
    state: State = ctx_state.get()
    if ctx_state.isset() and state.initialised:
        if state.current_stage is not StateStage.Disconnect:
            for host in filter(state.is_host_in_limit, state.inventory):
                note(host, _left(state, host))
        # A command that is running would keep the only place in the pool that leaving the host needs.
        state.pool.kill(block=False)
    logger.warning("--> Interrupted")
    raise SystemExit(128 + number)


def _left(state: State, host: Host) -> str:
    """What an interrupted run leaves on `host`."""
    running = host.executing_op_hash
    if state.current_stage is not StateStage.Execute:
        return "was interrupted before anything was changed"
    if running is None:
        return f"was interrupted, {_going_on(host) or 'nothing is running there'}: {_AGAIN}"
    also = f"; {going_on}" if (going_on := _going_on(host)) else ""
    return f'was interrupted at "{_operation(state, running)}", which may go on there for a while{also}: {_AGAIN}'


def _going_on(host: Host) -> str:
    """What was begun on `host` and not waited for yet; "" where nothing was."""
    begun = sorted(host.connector_data.get(_GOES_ON, ()))
    return f"what it has begun goes on there ({', '.join(begun)})" if begun else ""


def _operation(state: State, op_hash: str) -> str:
    return " / ".join(sorted(state.get_op_meta(op_hash).names))


def load_hosts(load: Callable[..., None], state: State, callback: Callable[[], Any], name: str) -> None:
    """`load`, pyinfra's own, of what `callback` does for each host: one that is refused keeps no other from being set
    up. Raises `PyinfraError` when none is left."""
    refused: set[Host] = set()

    def attempt() -> None:
        host: Host = ctx_host.get()
        try:
            callback()
        except CliError:
            raise  # an answer of the person's, for the whole run
        except Exception as error:
            if host not in state.failed_hosts:  # else it went on with a fact that it did not get
                note(host, f"was refused: {_told(error)}")
        else:
            if host not in state.failed_hosts:
                return
        refused.add(host)
        raise gevent.GreenletExit  # the end of this host's turn alone, without pyinfra's "Ready"

    load(state, attempt, name)
    for host in refused & state.failed_hosts:
        note(host, f"could not be looked at: {_said(host)}")
    _end_turns(state, refused)


def _end_turns(state: State, refused: set[Host]) -> None:
    """Go on without the hosts in `refused`. Raises `PyinfraError` when none is left."""
    if state.active_hosts - refused:
        for host in sorted(refused, key=str):
            host.log_styled(host.connector_data[_OUTCOME], log_func=logger.error, fg="red")
    state.fail_hosts(refused - state.failed_hosts)
    if refused and not state.active_hosts:
        raise PyinfraError(_NOBODY)


def run_operation(run: Callable[..., bool], state: State, host: Host, op_hash: str) -> bool:
    """`run`, pyinfra's own, of an operation on one host: what goes wrong there ends no other host's turn."""
    try:
        return run(state, host, op_hash)
    except Exception as error:
        reason = _said(host) if host in state.failed_hosts else _told(error)
        note(host, f'failed at "{_operation(state, op_hash)}": {reason}')
        return False


def _told(error: Exception) -> str:
    """What `error` says to a person; of one that nobody has foreseen also where it was."""
    if isinstance(error, PyinfraError):
        return str(error) or type(error).__name__
    if isinstance(error, UnexpectedExternalError):
        error = error.exception
    logger.debug("".join(traceback.format_exception(error)))
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({frames[-1].filename} line {frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {error}{where}"


def fact_failed(show: Callable[..., None], host: Host, output: CommandOutput) -> None:
    """`show`, pyinfra's own, of what a host said where a question to it failed; its last word is kept."""
    show(host, output)
    said = [line for line in output.stderr_lines if line.strip()]
    if said:
        host.connector_data[_LAST_WORD] = said[-1].strip()


def _said(host: Host) -> str:
    return str(host.connector_data.get(_LAST_WORD, "see above"))


def leave(disconnect: Callable[[State], None], state: State) -> None:
    """`disconnect`, pyinfra's own last step, then the last lines. Raises `SystemExit` with the status of the run where
    they say all there is to say, or pyinfra would have 0."""
    pending = sys.exc_info()[1]
    try:
        disconnect(state)
    except PyinfraError as error:  # nobody above would catch it
        logger.error(f"--> Error: {brief(error)}")
        pending = pending if _status(pending) else SystemExit(1)
    boxes.show(state)
    told = list(_last_lines(state))
    for line in told:
        logger.error(line)
    if _status(pending):
        raise SystemExit(_status(pending))
    if isinstance(pending, SystemExit) and told:
        raise SystemExit(1)
    if isinstance(pending, click.ClickException) and told and _is_said_by_hosts(pending):
        raise SystemExit(1)


def _status(pending: BaseException | None) -> int:
    """The status that the run ends with by itself, 0 where it does not or something is still to be shown."""
    return int(pending.code or 0) if isinstance(pending, SystemExit) else 0


def _is_said_by_hosts(error: click.ClickException) -> bool:
    """Whether pyinfra would only say that hosts have failed, which have been named."""
    return error.message == _NOBODY or "% of hosts failed" in error.message


def _last_lines(state: State) -> Iterator[str]:
    for host in state.inventory:
        outcome = host.connector_data.get(_OUTCOME)
        if outcome is None and host in state.failed_hosts:
            outcome = "failed, see above"
        elif outcome and outcome.startswith(_UNREACHED) and state.current_stage is StateStage.Connect:
            outcome = f"{_UNREACHED}, see above"  # nothing has been shown since
        if outcome is not None:
            yield f"--> {click.style('Error:', 'red', bold=True)} {host.name} {outcome}"
