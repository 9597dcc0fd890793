"""Questions asked together have the answers that each would have alone, and none is older than a change."""

from __future__ import annotations

import contextlib
import shlex
import subprocess
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from paramiko import SSHException
from pyinfra import host as current_host
from pyinfra.api import Config, FactBase, FunctionCommand, Inventory, State, StringCommand, operation
from pyinfra.api.command import FileUploadCommand
from pyinfra.api.connect import connect_all
from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.host import Host
from pyinfra.api.operation import add_op
from pyinfra.api.operations import run_ops
from pyinfra.api.state import StateStage
from pyinfra.connectors import util
from pyinfra.connectors.util import CommandOutput, OutputLine
from pyinfra.context import ctx_host, ctx_state

from connectors import ahead, shell
from connectors.ahead import Question
from operations.stream import streamed
from tests.unit.test_shell import questions


class Content(FactBase[str]):
    """What is in a file, which is there; who looks leaves a line beside it."""

    def command(self, path: str) -> str:
        return f"echo >>{shlex.quote(path)}.asked; cat {shlex.quote(path)}"


class Slow(Content):
    """One that may wait."""

    waits = True


CHANGES: dict[str, Callable[[str, str], Any]] = {
    "a command": lambda path, text: StringCommand(f"printf %s {text} >{path}"),
    "a streamed command": lambda path, text: streamed(f"cat >{path}", stdin=text),
    "an upload": lambda path, text: FileUploadCommand(StringIO(text), path),
    "a callback": lambda path, text: FunctionCommand(_callback, (path, text), {}),
}


def _callback(state: State, host: Host, path: str, text: str) -> bool:
    return host.run_shell_command(StringCommand(f"printf %s {text} >{path}"))[0]


@operation()
def says(path: Path, text: str, how: str = "a command", fact: type[FactBase[str]] = Content) -> Generator[Any]:
    """Have the file `path` say `text`."""
    if current_host.get_fact(fact, path=str(path)).strip() != text:
        yield CHANGES[how](str(path), text)


@dataclass(frozen=True, kw_only=True)
class Box:
    """This machine as pyinfra has it: `sent` are the commands it was sent."""

    state: State
    host: Host
    folder: Path
    sent: list[str]

    def file(self, name: str, text: str = "old") -> Path:
        """A file of the box."""
        (self.folder / name).write_text(text)
        return self.folder / name

    def run(self) -> int:
        """Run the operations that were added; how many of them changed something."""
        self.state.set_stage(StateStage.Execute)
        self.sent.clear()
        with contextlib.suppress(PyinfraError):  # every host failed
            run_ops(self.state)
        return sum(bool(data.operation_meta._commands) for data in self.state.ops[self.host].values())

    def asked(self) -> int:
        """How often a file was looked at."""
        return sum(len(path.read_text()) for path in self.folder.glob("*.asked"))


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Box]]:
    """Makes a box that is being planned for, `together` or not."""
    monkeypatch.setattr(util, "read_buffer", shell._read_between)
    with contextlib.ExitStack() as stack:

        def made(*, together: bool = True) -> Box:
            state = State(Inventory((["@local"], {})), Config(), check_for_changes=False)
            state.set_stage(StateStage.Connect)
            connect_all(state)
            host = state.inventory.get_host("@local")
            sent: list[str] = []
            run = host.connector.run_shell_command

            def counted(command: StringCommand, **options: Any) -> Any:
                sent.append(str(command))
                return run(command, **options)

            host.connector.run_shell_command = counted  # type: ignore[method-assign]
            stack.enter_context(ctx_state.use(state))
            stack.enter_context(ctx_host.use(host))
            shell.attend()
            if together:
                ahead.attend()
            state.set_stage(StateStage.Prepare)
            return Box(state=state, host=host, folder=tmp_path, sent=sent)

        yield made


@pytest.fixture
def box(make: Callable[..., Box]) -> Box:
    """One where questions are asked together."""
    return make()


def test_what_changes_nothing_is_asked_in_few_commands(box: Box) -> None:
    """Thirty-five operations, five commands: 2, 4, 8, 16 and 5 questions. The same one twice is two."""
    same = box.file("same")
    for number in range(35):
        add_op(box.state, says, name=str(number), path=same if number % 2 else box.file(str(number)), text="old")
    assert box.run() == 0
    assert (len(box.sent), box.asked()) == (5, 35)


@pytest.mark.parametrize("how", CHANGES)
def test_what_an_operation_changed_those_after_it_see(box: Box, how: str) -> None:
    """The second operation's question is asked together with the first one's, before the change."""
    path = box.file("file")
    add_op(box.state, says, name="change", path=path, text="new", how=how)
    add_op(box.state, says, name="again", path=path, text="new", how=how)
    assert box.run() == 1
    assert path.read_text().strip() == "new"


def test_no_more_is_asked_in_vain_than_was_of_use(box: Box) -> None:
    """Where all is changed, and where a change follows each row of operations that change nothing."""
    for number in range(40):
        text = "old" if number < 20 and number not in (7, 12) else "new"
        add_op(box.state, says, name=str(number), path=box.file(str(number)), text=text)
    assert box.run() == 22
    assert box.asked() <= 80
    assert not any(text.count("echo >>") > 1 for text in box.sent[-38:]), "one by one after a change"


def test_what_was_asked_in_planning_is_not_kept_for_the_run(box: Box) -> None:
    """A person may have been asked between, for an hour."""
    path = box.file("file")
    ahead.ask(*[lambda: current_host.get_fact(Content, path=str(path))] * 2)
    assert [current_host.get_fact(Content, path=str(path))] == ["old"]
    assert (len(box.sent), box.asked()) == (1, 2)
    add_op(box.state, says, name="change", path=path, text="old")
    path.write_text("another")
    assert box.run() == 1


def test_an_answer_is_good_for_one_look(box: Box) -> None:
    paths = [str(box.file(str(number))) for number in range(2)]
    calls = [lambda path=path: current_host.get_fact(Content, path=path) for path in paths]
    ahead.ask(*calls)
    assert [call() for call in calls] == ["old", "old"]
    box.file("0", "another")
    assert [call() for call in calls] == ["another", "old"]
    assert len(box.sent) == 3


def test_an_answer_does_not_get_old(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside a host on which packages are installed for minutes."""
    monkeypatch.setattr(ahead, "_FRESH", 0)
    paths = [box.file(str(number)) for number in range(2)]
    for path in paths:
        add_op(box.state, says, name=path.name, path=path, text="old")
    assert box.run() == 0
    assert box.asked() > 2 and [text.count("echo >>") for text in box.sent].count(1) == 2


def test_an_operation_that_is_passed_by_keeps_no_other_from_being_asked_ahead(box: Box) -> None:
    for number in range(14):
        condition = {"_if": [lambda: False]} if number == 1 else {}
        add_op(box.state, says, name=str(number), path=box.file(str(number)), text="old", **condition)
    assert box.run() == 0
    assert len(box.sent) == 3


def test_what_may_wait_is_asked_when_its_turn_comes(box: Box) -> None:
    paths = [box.file(str(number)) for number in range(3)]
    for path in paths:
        add_op(box.state, says, name=path.name, path=path, text="old", fact=Slow if path is paths[1] else Content)
    assert box.run() == 0
    assert [text.count("echo >>") for text in box.sent] == [1, 1, 1]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"_timeout": 20}, {"_timeout": 20}),
        ({"_get_pty": True}, {"_get_pty": True}),
        ({"_shell_executable": "bash"}, {"_shell_executable": "bash"}),
        ({}, {"_env": {"A": "1"}}),
    ],
)
def test_questions_that_are_asked_otherwise_are_not_joined(
    box: Box, one: dict[str, Any], other: dict[str, Any]
) -> None:
    add_op(box.state, says, name="one", path=box.file("1"), text="old", **one)
    add_op(box.state, says, name="other", path=box.file("2"), text="old", **other)
    assert box.run() == 0
    assert [text.count("echo >>") for text in box.sent] == [1, 1]


def test_what_is_too_long_for_one_command_is_asked_in_several(box: Box) -> None:
    """Linux refuses a program an argument of more than 128 KiB."""
    folder = box.folder / ("q'" * 120)
    folder.mkdir()
    for number in range(30):
        (folder / str(number)).write_text("old")
        add_op(box.state, says, name=str(number), path=folder / str(number), text="old")
    assert box.run() == 0
    assert 5 < len(box.sent) < 30


def test_a_question_that_fails_does_as_it_does_alone(
    make: Callable[..., Box], caplog: pytest.LogCaptureFixture
) -> None:
    """The same lines, the same end of the host's turn, and not before its turn."""
    told = []
    for together in (False, True):
        box = make(together=together)
        for name in ("1", "missing", "3"):
            add_op(box.state, says, name=name, path=box.folder / name, text="old")
        box.file("1")
        box.file("3")
        caplog.clear()
        assert box.run() == 0
        done = box.state.get_results_for_host(box.host).success_ops
        told.append((caplog.messages, box.host in box.state.failed_hosts, done))
    assert told[0] == told[1]
    assert "could not load fact" in str(told[0][0]) and told[0][1]


def test_an_operation_that_depends_on_one_before_is_asked_for_at_its_turn(box: Box) -> None:
    """Whether it did anything is known to nobody when those questions are asked."""
    before = add_op(box.state, says, name="before", path=box.file("1"), text="new")[box.host]
    add_op(box.state, says, name="then", path=box.file("2"), text="new", _if=[before.did_change])
    assert box.run() == 2


@pytest.mark.parametrize("error", [OSError("lost"), TimeoutError(), SSHException("lost")])
def test_a_connection_that_is_lost_is_told_by_the_question_that_is_asked_next(
    box: Box, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    def lost(*_: Any, **__: Any) -> Any:
        raise error

    box.host.connector.run_shell_command = lost  # type: ignore[method-assign]
    ahead.ask(*[lambda: current_host.get_fact(Content, path="/x")] * 2)
    assert not caplog.messages
    with pytest.raises(PyinfraError):
        current_host.get_fact(Content, path="/x")
    assert caplog.messages


def test_a_login_that_runs_no_command_is_told_once(box: Box) -> None:
    """As for one question: nobody logs in again to be told the same."""
    sent = []

    def ended(command: StringCommand, **_: Any) -> tuple[bool, CommandOutput]:
        sent.append(command)
        return False, CommandOutput([OutputLine("stderr", "This account is closed")])

    box.host.connector.run_shell_command = ended  # type: ignore[method-assign]
    ahead.ask(*[lambda: current_host.get_fact(Content, path="/x")] * 2)
    with pytest.raises(PyinfraError):
        current_host.get_fact(Content, path="/x")
    assert len(sent) == 1


@pytest.mark.parametrize("end", ['kill -9 "$PPID"', "exit 9", "kill -9 $$", "exec >/dev/null 2>&1"])
def test_a_question_that_ends_the_others_has_them_asked_again(box: Box, end: str) -> None:
    """Nobody's answer is taken for another's."""
    paths = [box.file(str(number), f"text {number}") for number in range(4)]
    calls = [lambda path=path: current_host.get_fact(Content, path=str(path)) for path in paths]
    ahead.ask(*calls[:2], lambda: box.host.run_shell_command(StringCommand(end)), *calls[2:])
    assert [call() for call in calls] == [f"text {number}" for number in range(4)]


@pytest.mark.parametrize(
    "printed", ["", "a", "a\n", "a\n\n", "\n", "\n\na\n\nb", "a\r\n", "é\n", "mark 0\n", "mark-x 0\n"]
)
def test_each_output_is_brought_as_it_is(printed: str) -> None:
    script = StringCommand(f"printf %s {shlex.quote(printed)}; printf no >&2; cat; exit 3")
    asked = [Question(command=StringCommand(text), arguments={}) for text in (script, "echo b", script)]
    text = ahead.joined(asked, "mark-x-").get_raw_value()
    done = subprocess.run(["sh", "-c", text], input="not for them", capture_output=True, text=True, check=True)
    lines = [line.rstrip("\r\n") for line in printed.splitlines(keepends=True)]
    assert ahead.parts(done.stdout.splitlines(), "mark-x-") == [(lines, 3), (["b"], 0), (lines, 3)]
    assert ahead.parts(done.stderr.splitlines(), "mark-x-") == [(["no"], 3), ([], 0), (["no"], 3)]


def test_every_fact_has_the_same_answer_together(box: Box, tmp_path: Path) -> None:
    """What pyinfra gets of each of this project's facts, and how many commands that takes."""
    asked = [(type(fact), options) for fact, options in questions(tmp_path) if not getattr(fact, "waits", False)]
    calls = [lambda fact=fact, options=options: current_host.get_fact(fact, **options) for fact, options in asked]
    alone = [call() for call in calls]
    box.sent.clear()
    ahead.ask(*calls)
    assert [call() for call in calls] == alone
    assert len(box.sent) <= 2
