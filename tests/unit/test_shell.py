"""What a box's login prints and sets is never an answer and never a default."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import shlex
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from pyinfra.api import FactBase, StringCommand
from pyinfra.connectors import util
from pyinfra.connectors.util import make_unix_command, run_local_process
from pyinfra.facts.files import Directory, FileContents
from pyinfra.facts.server import OsRelease
from visomaster_host import paths

from connectors import shell
from operations import facts

DUMMIES = (
    *("apt-get", "awk", "base64", "cat", "cut", "dpkg-query", "find", "getent", "git", "grep", "head", "id", "install"),
    *("mkdir", "mv", "python3", "readlink", "sed", "setpriv", "setsid", "sha256sum", "stat", "tar", "test", "xargs"),
)
"""Programs that a box may have others of, first on its PATH."""

LOGINS: Mapping[str, str] = {
    "a greeting": "echo 'Welcome to your rented box'",
    "two lines": "echo 'Welcome'; echo 'to your rented box'",
    "what looks like an answer": "echo 'port 11111 3 hello'; echo 0; echo '0 644 root:root ./x'; echo complete",
    "no line's end": "printf 'Welcome'",
    "a line on the other stream": "echo 'stty: standard input: Inappropriate ioctl for device' >&2",
    "no UTF-8": r"printf 'Bienvenue \340 bord\n'",
    "many lines": "seq 5000",
    "its last words": "trap 'echo bye; echo 1' EXIT",
    "its own status": "trap 'exit 0' EXIT",
    "an umask": "umask 077",
    "another folder": "cd /proc",
    "other programs": 'export PATH="$DUMMIES:$PATH"',
    "no programs": "export PATH=/nonexistent",
    "a locale": "export LC_ALL=de_DE.UTF-8 LANG=ja_JP.UTF-8 LANGUAGE=fr LC_COLLATE=tr_TR",
    "Python": 'export PYTHONPATH="$DUMMIES" PYTHONSTARTUP=/nonexistent PYTHONWARNINGS=error PYTHONHASHSEED=x',
    "pip": "export PIP_TARGET=/opt/t PIP_REQUIRE_VIRTUALENV=true PIP_CONSTRAINT=/nonexistent",
    "git": "export GIT_DIR=/nonexistent GIT_WORK_TREE=/nonexistent GIT_CONFIG_COUNT=x GIT_TRACE=1",
    "the loader": "export LD_PRELOAD=/nonexistent.so LD_LIBRARY_PATH=/nonexistent",
    "the tools": "export POSIXLY_CORRECT=1 TAR_OPTIONS=--nonsense GREP_OPTIONS=-v IFS=: CDPATH=/tmp BLOCK_SIZE=3",
    "tracing": "set -x; export PS4='port 1 2 '",
    "functions": "shopt -s expand_aliases; alias sh='echo no'; sh() { echo no; }; export -f sh",
    "strictness": "set -eu -o pipefail",
}


@pytest.fixture(scope="module")
def dummies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of programs that only say no."""
    folder = tmp_path_factory.mktemp("dummies")
    for name in DUMMIES:
        (folder / name).write_text("#!/bin/sh\necho no; exit 1\n")
        (folder / name).chmod(0o755)
    (folder / "json.py").write_text("print('no')\n")
    return folder


@pytest.fixture
def runs(dummies: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[bool, Any]]:
    """Runs a command as pyinfra does on a box whose login says this: bash reads root's ~/.bashrc before a command."""
    monkeypatch.setattr(util, "read_buffer", shell._read_between)
    monkeypatch.setenv("DUMMIES", str(dummies))

    def run(login: str, command: StringCommand | str, **arguments: Any) -> tuple[bool, Any]:
        def connector(wrapped: StringCommand, **options: Any) -> tuple[bool, Any]:
            asked = {key: value for key, value in options.items() if key in ("_shell_executable", "_sudo", "_chdir")}
            text = make_unix_command(wrapped, **asked).get_raw_value()
            words = shlex.join(["bash", "-c", f"{login}\n{text}"])
            status, output = run_local_process(f"echo stdin | {words}")
            return status in (options.get("_success_exit_codes") or (0,)), output

        clean = shell._Clean(cast("Any", SimpleNamespace(print_prefix="[box] ")), connector)
        return clean(StringCommand(command) if isinstance(command, str) else command, **arguments)

    return run


def questions(folder: Path) -> Iterator[tuple[FactBase[Any], dict[str, Any]]]:
    """Every fact that a deploy asks for, with something on this machine that it has an answer about."""
    (folder / "tree/sub").mkdir(parents=True, exist_ok=True)
    (folder / "tree/sub/program.py").write_text("print(1)\n")
    (folder / "link").symlink_to("tree")
    (folder / "copied").write_text(f"{'0' * 64}  main.py\n")
    (folder / "tree/.unpacked").write_text("package novnc 1\npath usr/share/novnc\n")
    tree, file = str(folder / "tree"), str(folder / "tree/sub/program.py")
    given: dict[str, dict[str, Any]] = {
        "FoundAccount": {"user": "daemon"},
        "StaleBytecode": {"folder": tree},
        "CheckoutCommit": {"path": tree, "user": "root"},
        "CheckoutIgnores": {"path": tree, "patterns": ("/x",), "user": "root"},
        "PrivateFiles": {"path": tree, "user": "root"},
        "CondaEnvironment": {"prefix": tree, "lock": file},
        "CudaLibraries": {"configuration": file, "folders": (tree,), "sonames": ("libc.so.6", "libno.so.1")},
        "MissingPackages": {"names": ("bash", "no-such-package")},
        "AptSources": {"repository": "caddy"},
        "FoundFile": {"path": file, "user": "root"},
        "FoundLink": {"path": str(folder / "link"), "user": "root"},
        "DescribedHost": {},
        "FoundFolders": {"paths": (tree, "/nonexistent")},
        "ModelsComplete": {"fetch": ("true",)},
        "FoundNeighbours": {"ports": (11111, 5901)},
        "InstalledPackages": {"python": str(paths.SYSTEM_PYTHON)},
        "PendingPrograms": {},
        "ProgramFiles": {"folder": tree, "pattern": "*"},
        "HostReady": {"names": ("xvfb",)},
        "CopiedFiles": {"path": str(folder / "copied")},
        "FoundTree": {"path": tree, "user": "root"},
        "OtherUser": {},
        "RunningConfiguration": {"folder": tree, "prefix": "visomaster-"},
        "UnpackedFiles": {"folder": tree},
        "Started": {"folder": tree},
        "FetchedManifest": {},
        "WheelsMadeFrom": {"folder": tree},
    }
    for fact in known_facts():
        yield fact(), given.pop(fact.__name__)  # one more fact needs one more line above
    assert not given, "no such fact"
    yield OsRelease(), {}
    yield Directory(), {"path": tree}
    yield FileContents(), {"path": file}


def known_facts() -> list[type[FactBase[Any]]]:
    """Every fact of the project."""
    names = [f"{facts.__name__}.{module.name}" for module in pkgutil.iter_modules(facts.__path__)]
    modules = [importlib.import_module(name) for name in names]
    return [
        fact
        for module in modules
        for _, fact in inspect.getmembers(module, inspect.isclass)
        if issubclass(fact, FactBase) and fact.__module__ == module.__name__
    ]


def answered(fact: FactBase[Any], output: Any) -> Any:
    """What pyinfra makes of what came back: the default when nothing did."""
    lines = output.stdout_lines
    return fact.process(lines) if lines else fact.default()


def everything() -> str:
    """All at once but what ends the shell, and what leaves it without programs for itself."""
    return "\n".join(login for name, login in LOGINS.items() if name not in ("no programs", "strictness"))


def test_no_fact_takes_a_login_for_an_answer(runs: Callable[..., tuple[bool, Any]], tmp_path: Path) -> None:
    """Each fact has the same answer on a box whose login prints and sets all of it as on one with a quiet login."""
    for fact, arguments in questions(tmp_path):
        command = StringCommand(fact.command(**arguments))
        (quiet, plain), (loud, said) = runs("", command), runs(everything(), command)
        assert (loud, said.output_lines) == (quiet, plain.output_lines), type(fact).__name__
        assert quiet, (type(fact).__name__, plain.output_lines)
        assert answered(fact, said) == answered(fact, plain)


@pytest.mark.parametrize("login", LOGINS.values(), ids=LOGINS)
def test_a_command_is_what_it_says(runs: Callable[..., tuple[bool, Any]], login: str) -> None:
    script = 'umask; pwd; echo "$PATH $LANG $HOME"; env | cut -d= -f1 | sort; cat; printf "no end"; echo no >&2; exit 3'
    succeeded, output = runs(login, script, _success_exit_codes=[3])
    assert succeeded
    assert output.stdout_lines[:3] == ["0022", "/", f"{paths.SYSTEM_PATH} C.UTF-8 /root"]
    assert set(output.stdout_lines[3:-2]) <= {"HOME", "LANG", "PATH", "PWD", "OLDPWD", *shell.KEPT}
    assert output.stdout_lines[-2:] == ["stdin", "no end"]
    assert output.stderr_lines == ["no"]
    assert not runs(login, "false")[0], "the login's own status is none of the command's"


def test_what_a_command_is_given_reaches_it(
    runs: Callable[..., tuple[bool, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Proxies, certificates, an index, and what is meant for this project; and pyinfra's own `_env`."""
    for name in shell.KEPT:
        monkeypatch.setenv(name, f"{name} 'x' $y")
    succeeded, output = runs("", StringCommand("env"), _env={"GIVEN": "a 'b' $c"})
    assert succeeded
    assert {f"{name}={name} 'x' $y" for name in shell.KEPT} <= set(output.stdout_lines)
    assert "GIVEN=a 'b' $c" in output.stdout_lines


@pytest.mark.parametrize(
    ("login", "said"),
    [
        ("echo 'Sorry, this account is closed'; exit 0", "'Sorry, this account is closed'"),
        ("echo no >&2; exit 1", "'no'"),
        ("exec true", "nothing"),
    ],
)
def test_a_login_that_runs_no_command_is_named(
    runs: Callable[..., tuple[bool, Any]], caplog: pytest.LogCaptureFixture, login: str, said: str
) -> None:
    succeeded, _ = runs(login, "echo fine")
    assert not succeeded
    assert caplog.messages == [f"[box] the login ends before it runs a command: it says {said}"]


@pytest.mark.parametrize("printed", ["", "a", "a\n", "a\n\n", "\n", "\n\na\n\nb", "a\r\n", "\u00e9\n"])
def test_output_is_brought_as_it_is(runs: Callable[..., tuple[bool, Any]], printed: str) -> None:
    """Line by line for pyinfra, byte by byte for the host tests."""
    script = f"printf %s {shlex.quote(printed)}"
    _, output = runs("echo Welcome", script)
    assert output.stdout_lines == [line.rstrip("\n") for line in printed.splitlines(keepends=True)]
    login = ["sh", "-c", f"printf Welcome; {shell.clean(script)}"]
    assert shell.inside(subprocess.run(login, capture_output=True, check=True).stdout) == (printed.encode(), 0)


def test_a_command_that_is_cut_off_has_failed(runs: Callable[..., tuple[bool, Any]]) -> None:
    succeeded, output = runs("", 'echo begun; kill -9 "$PPID"')
    assert (succeeded, output.stdout_lines) == (False, ["begun"])
