"""Questions to a host asked together, before it is each one's turn: far from a host a run waits for little else.

pyinfra 3.10 asks for one fact at a time, each when its operation is about to run. Here an operation, or a check of the
deploy's, is called as far as its first question, which is not asked yet; so many of them go to the host in one command,
and each gets its answer, as pyinfra would have had it, when it asks. What pyinfra makes of an answer, of a failure too,
is then the same.

An answer is good until anything but a question is sent to the host: what an operation has changed, those after it see.
After that questions are asked one by one again, then two together, four, …: never are more asked in vain than have
been of use. No answer is kept for a second look, for long, or from planning to running, when a person may have been
asked between.
"""

from __future__ import annotations

import contextlib
import re
import secrets
import shlex
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from paramiko import SSHException
from pyinfra.api import FactBase
from pyinfra.api.command import QuoteString, StringCommand
from pyinfra.api.host import Host
from pyinfra.api.output import echo, format_text
from pyinfra.api.state import BaseStateCallback, State
from pyinfra.connectors.fake import FakeConnector
from pyinfra.connectors.util import CommandOutput, OutputLine
from pyinfra.context import ctx_host

from spec.here import ROOT

_TOGETHER = (ROOT / "operations/remote" / "together.sh").read_text(encoding="utf-8")
_LONGEST = 96 * 1024
"""Characters of a command: Linux takes 128 KiB as one argument of a program, and sudo's words come before it."""
_FIRST = 2
"""How many questions are asked together before it is known whether there is anything to change."""
_FRESH = 10
"""Seconds after which an answer is asked for again: where hosts take turns one waits for another's long operation, and
others than this run may do something on it meanwhile."""
_NONE = -1
"""The exit status of what has none."""
_AHEAD = "ahead"
_ALONE = ("_timeout", "_get_pty", "_stdin", "_su_user")
"""Arguments that are of one command: a limit of its time, a terminal, which joins its streams, its input; and su, which
quotes it once more."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """A command that pyinfra would run for a fact, with the arguments for the connector."""

    command: StringCommand
    arguments: Mapping[str, Any]

    @property
    def text(self) -> str:
        """What identifies it, beside the arguments."""
        return self.command.get_raw_value()


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a host said to a question."""

    question: Question
    status: int
    output: CommandOutput


class _Asked(Exception):
    """No error: it ends a call that has got as far as its question, None for one that waits for its turn."""

    def __init__(self, question: Question | None = None) -> None:
        self.question = question


class Ahead:
    """What is asked of one host ahead; in the place of `get_fact` and of what runs commands there."""

    def __init__(self, host: Host) -> None:
        """Nothing is asked yet."""
        self._host = host
        self._get_fact, self._run = host.get_fact, host.run_shell_command
        self._put_file, self._rsync = host.put_file, host.rsync
        self._listening = self._asking = False
        self._answers: list[Answer] = []
        self._covered: set[str] = set()
        """The operations whose questions were asked, as far as they could be."""
        self._stage, self._answered = host.state.current_stage, 0.0
        self._width = _FIRST

    def get_fact(self, fact: type[FactBase[Any]], *arguments: Any, **options: Any) -> Any:
        """pyinfra's own, which runs a command that asks."""
        if self._listening and getattr(fact, "waits", False):
            raise _Asked
        before, self._asking = self._asking, True
        try:
            return self._get_fact(fact, *arguments, **options)
        finally:
            self._asking = before

    def run_shell_command(
        self, command: StringCommand, print_output: bool = False, print_input: bool = False, **arguments: Any
    ) -> tuple[bool, CommandOutput]:
        """pyinfra's own; for a question that was asked ahead, what it would return."""
        question = Question(command=StringCommand(command), arguments=arguments)  # some of pyinfra's facts have a text
        if self._listening:
            raise _Asked(question)
        if not self._asking:
            self.forget()
        elif answer := self._answer_to(question):
            if print_input:
                echo(f"{self._host.print_prefix}>>> {command}", err=True)
            if print_output:
                self._show(answer.output)
            return answer.status in (arguments.get("_success_exit_codes") or (0,)), answer.output
        return self._run(command, print_output=print_output, print_input=print_input, **arguments)

    def forget(self) -> None:
        """No answer is good any more: something may be about to change on the host."""
        self._answers.clear()
        self._covered.clear()
        self._width = 1

    def before(self, operation: str) -> None:
        """Ask what `operation` and those after it will ask, unless that was done."""
        order = self._host.op_hash_order
        if operation not in order or self._host.executing_op_hash:  # one within another
            return
        if operation in self._covered and self._is_fresh():
            return
        first = order.index(operation)
        following = order[first : first + self._width]
        if len(following) > 1:
            self.ask(map(self._call_of, following))
        self._covered = set(following)
        self._width *= 2

    def put_file(self, *arguments: Any, **options: Any) -> bool:
        """pyinfra's own."""
        self.forget()
        return self._put_file(*arguments, **options)

    def rsync(self, *arguments: Any, **options: Any) -> bool:
        """pyinfra's own."""
        self.forget()
        return self._rsync(*arguments, **options)

    def ask(self, calls: Iterable[Callable[[], object]]) -> None:
        """Ask together what these `calls` ask first."""
        self._answers, self._stage = [], self._host.state.current_stage
        questions = together(question for call in calls if (question := self._first_of(call)))
        if len(questions) > 1:
            self._answers = self._answers_to(questions)
        self._answered = time.monotonic()

    def _call_of(self, operation: str) -> Callable[[], object]:
        planned = self._host.state.get_op_data_for_host(self._host, operation)

        def call() -> None:
            with contextlib.closing(planned.command_generator()) as commands:  # type: ignore[type-var]
                next(commands, None)

        return call

    def _first_of(self, call: Callable[[], object]) -> Question | None:
        """What `call` asks first, which is not asked; None where it asks nothing, or fails: it will again."""
        self._listening = True
        try:
            call()
        except _Asked as asked:
            return asked.question
        except Exception:
            return None
        finally:
            self._listening = False
        return None

    def _answers_to(self, questions: Sequence[Question]) -> list[Answer]:
        """What the host says to `questions`; those have no answer that it did not come to. Where it came to none, as
        when a login ends before, that is what became of the first one."""
        mark = f"visomaster-{secrets.token_hex(8)}"
        try:
            succeeded, output = self._run(joined(questions, mark), **questions[0].arguments)
        except (TimeoutError, OSError, SSHException):
            return []  # the question that is asked next meets the same, and tells
        said = (parts(output.stdout_lines, mark), parts(output.stderr_lines, mark))
        if not succeeded and not all(said):
            return [Answer(question=questions[0], status=_NONE, output=output)]
        return [
            Answer(question=question, status=status, output=_output(stdout, stderr))
            for question, (stdout, status), (stderr, _) in zip(questions, *said, strict=False)
        ]

    def _is_fresh(self) -> bool:
        same = self._stage is self._host.state.current_stage
        return same and time.monotonic() - self._answered < _FRESH

    def _answer_to(self, question: Question) -> Answer | None:
        """The answer to `question`, which is good for this once."""
        if not self._is_fresh():
            return None
        for answer in self._answers:
            known = answer.question
            if known.text == question.text and known.arguments == question.arguments:
                self._answers.remove(answer)
                return answer
        return None

    def _show(self, output: CommandOutput) -> None:
        for line in output:
            text = format_text(line.line, "red") if line.buffer_name == "stderr" else line.line
            echo(f"{self._host.print_prefix}{text}", err=True)


class Attendant(BaseStateCallback):
    """Asks ahead, host by host."""

    @staticmethod
    def operation_host_start(state: State, host: Host, op_hash: str) -> None:
        """Before an operation runs, or is passed by, on `host`."""
        if ahead := host.connector_data.get(_AHEAD):
            ahead.before(op_hash)


def attend() -> None:
    """Have questions to pyinfra's current host asked ahead, from now on."""
    host: Host = ctx_host.get()
    if _AHEAD in host.connector_data or isinstance(host.connector, FakeConnector):
        return  # the latter has no shell
    host.connector_data[_AHEAD] = ahead = Ahead(host)
    for name in ("get_fact", "run_shell_command", "put_file", "rsync"):
        setattr(host, name, getattr(ahead, name))
    if not any(isinstance(handler, Attendant) for handler in host.state.callback_handlers):
        host.state.add_callback_handler(Attendant())


def ask(*calls: Callable[[], object]) -> None:
    """Ask pyinfra's current host together what these `calls`, which are going to be made, ask first."""
    if ahead := ctx_host.get().connector_data.get(_AHEAD):
        ahead.ask(calls)


def together(questions: Iterable[Question]) -> list[Question]:
    """Those of `questions` that can be asked in one command: all that are asked in the same way as the first one, as
    many as fit."""
    found: list[Question] = []
    length = 0
    for question in questions:
        size = _length(question.text)
        fits = length + size <= _LONGEST and (not found or question.arguments == found[0].arguments)
        if fits and _is_for_sh(question) and not any(question.arguments.get(name) for name in _ALONE):
            found.append(question)
            length += size
    return found


def joined(questions: Iterable[Question], mark: str) -> StringCommand:
    """The command that asks all of `questions`; `parts` takes apart what it prints, by the same `mark`."""
    words = (QuoteString(question.command) for question in questions)
    return StringCommand("sh -c", QuoteString(_TOGETHER), "together", mark, *words)


def parts(lines: Iterable[str], mark: str) -> list[tuple[list[str], int]]:
    """What each question that ended printed on a stream with these `lines`, and its exit status."""
    end = re.compile(rf"{re.escape(mark)} (\d+)")
    ended: list[tuple[list[str], int]] = []
    printed: list[str] = []
    for line in lines:
        if not (found := end.fullmatch(line)):
            printed.append(line)
            continue
        if printed and not printed[-1]:
            printed.pop()  # the script's own, for a last line that was not ended
        ended.append((printed, int(found[1])))
        printed = []
    return ended


def _length(text: str) -> int:
    """How much longer `text` makes a command: as one of `joined`, by `connectors.shell` and by pyinfra it is quoted."""
    return len(shlex.quote(shlex.quote(shlex.quote(text))))


def _is_for_sh(question: Question) -> bool:
    return question.arguments.get("_shell_executable") in (None, "sh")


def _output(stdout: Iterable[str], stderr: Iterable[str]) -> CommandOutput:
    said = {"stdout": stdout, "stderr": stderr}
    return CommandOutput([OutputLine(name, line) for name, lines in said.items() for line in lines])
