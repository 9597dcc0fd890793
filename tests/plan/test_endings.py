"""How runs end: what was mistyped, who was not reached or was refused, and what became of the others.

Plain `pyinfra`, without a wrapper, on hosts that exist nowhere.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import textwrap
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from visomaster_host import paths

from spec.distribution import Release
from spec.here import ROOT
from tests.plan.fake import PYINFRA, WITHIN, Fake, on, run

MISTYPED: Mapping[str, tuple[tuple[str, ...], str]] = {
    "a name": (("my-bxo", "deploy.py", "-y"), "'my-bxo' is no host that is known here, nor a file: expected "),
    "a name that nobody has": (("a..b", "deploy.py", "-y"), "'a..b' is no host that is known here"),
    "a port": (("127.0.0.1:22", "deploy.py", "-y"), "a port is --ssh-port NUMBER"),
    "a file": (("inventories/vastt.py", "deploy.py", "-y"), "there is no such file, expected .*inventories/vast.py"),
    "a folder": (("inventories", "deploy.py", "-y"), "'inventories' is a folder, expected "),
    "an empty name": (("box,", "deploy.py", "-y"), "'box,': '' is no host's name, expected names as in a,b"),
    "a blank": (("a, b", "deploy.py", "-y"), "' b' is no host's name, expected names as in a,b"),
    "nothing": (("", "deploy.py", "-y"), "'' is no host's name"),
    "a user": (("root@box", "deploy.py", "-y"), "expected box --ssh-user root"),
    "a connector": (("@loca", "deploy.py", "-y"), "inventory @loca: Invalid connector: loca"),
    "data of two words": (
        ("@fake/a", "deploy.py", "-y", "--data", "variant", "alt"),
        "deploy.py is followed by a word that is no option: a setting is written --data variant=alt",
    ),
    "data": (("@fake/a", "deploy.py", "-y", "--data", "variant"), "--data variant: expected KEY=VALUE"),
    "a limit": (
        ("@fake/a,@fake/b", "deploy.py", "-y", "--limit", "@fake/a", "--limit", "c"),
        "--limit c: no such host",
    ),
    "an exclusion": (
        ("@fake/a,@fake/b", "deploy.py", "-y", "--exclude", "c"),
        "--exclude c: no such host or group, ex",
    ),
    "everybody excluded": (
        ("@fake/a", "deploy.py", "-y", "--exclude", "@fake/*"),
        "leave no host, so nothing was done",
    ),
    "a password to come": (
        ("@fake/a", "exec", "--same-sudo-password", "--", "true"),
        "sudo password is asked for, and t",
    ),
}


def pyinfra(*arguments: str) -> subprocess.CompletedProcess[str]:
    """A run with nobody at a terminal."""
    return subprocess.run(
        [PYINFRA, *arguments],
        cwd=ROOT,
        env={**os.environ, "PYINFRA_FAKE_DELAY": "0", "PYINFRA_FAKE_DELAY_JITTER": "0", "PYINFRA_PROGRESS": "off"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=WITHIN,
        check=False,
        start_new_session=True,  # which takes its terminal away
    )


@pytest.fixture(scope="module")
def mistyped() -> Mapping[str, subprocess.CompletedProcess[str]]:
    """A run for each; they are mostly waiting for imports."""
    with ThreadPoolExecutor(max_workers=4) as pool:
        done = pool.map(lambda one: pyinfra(*one[0]), MISTYPED.values())
        return dict(zip(MISTYPED, done, strict=True))


@pytest.mark.parametrize("what", MISTYPED)
def test_what_is_mistyped_is_one_line(mistyped: Mapping[str, subprocess.CompletedProcess[str]], what: str) -> None:
    """It is the last one, the status is 1, and no table of nobody is shown."""
    done = mistyped[what]
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    assert done.returncode == 1, done.stderr
    assert [line for line in lines if "error" in line.lower()] == lines[-1:]
    assert re.search(MISTYPED[what][1], lines[-1]), lines[-1]
    assert "Traceback" not in done.stderr and "Grand total" not in done.stderr


def test_an_inventory_of_nobody(tmp_path: Path) -> None:
    done = run(tmp_path, [], "deploy.py", "-y")
    assert done.returncode == 1 and "there is no host in it, so nothing was done" in done.stderr.splitlines()[-1]


def test_an_inventory_with_a_mistake(tmp_path: Path) -> None:
    """It is somebody's own file, of which a line tells more than where pyinfra was at that time."""
    inventory = tmp_path / "inventory.py"
    for text, said in {
        "hosts = [": "SyntaxError: '[' was never closed",
        "hosts = [unknown]": "NameError: name 'unkn",
    }.items():
        inventory.write_text(text)
        done = pyinfra(str(inventory), "deploy.py", "-y")
        assert done.returncode == 1 and "Traceback" not in done.stderr
        assert str(inventory) in done.stderr.splitlines()[-1] and said in done.stderr.splitlines()[-1]


def endings(done: subprocess.CompletedProcess[str]) -> list[str]:
    """The last lines, which name hosts."""
    return [line.partition("Error: ")[2] for line in done.stderr.splitlines() if line.startswith("--> Error: ")]


def fake(name: str, answers: Mapping[str, object] | None = None, **data: object) -> Fake:
    """A host that gives `answers`, before those of any empty one."""
    host = on(Release.BOOKWORM, name, **{"variant": "alt", **data})
    entry = host.entry()[1]
    known: Mapping[str, object] = entry["fake_responses"]  # type: ignore[assignment]
    return Fake(name=name, release=host.release, data={**host.data, "fake_responses": {**(answers or {}), **known}})


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess[str]:
    """One run over a good host, and all who cannot be served."""
    hosts = [
        fake("good"),
        fake("no-variant", variant=""),
        fake("taken", {"neighbours": ["port 11111 7 python3 -m http.server"]}),
        fake("a-key", aplication="sandbox"),
        fake("asks", {"os-release": {"success": False, "stderr": "cat: not today"}}),
        fake("ubuntu", {"id -un": "ubuntu"}),
        fake("breaks", {"apt-install": {"success": False, "stderr": "E: no"}}),
        fake("begins", {"useradd": {"success": False, "stderr": "no"}}),
    ]
    folder = tmp_path_factory.mktemp("fleet")
    (folder / "inventory.py").write_text("")
    entries = [host.entry() for host in hosts] + [("127.0.0.1", {"ssh_port": 1, "variant": "alt"})]
    (folder / "hosts.py").write_text(f"hosts = {entries!r}\n")
    return pyinfra(str(folder / "hosts.py"), "deploy.py", "-y")


def test_one_refusal_keeps_no_other_host_from_being_finished(fleet: subprocess.CompletedProcess[str]) -> None:
    """Each that is not as it should be is named in the last lines, with why; the status is 1."""
    assert fleet.returncode == 1 and "Traceback" not in fleet.stderr, fleet.stderr
    assert endings(fleet) == [
        "@fake/no-variant was refused: variant: '' is unknown, expected one of: default, alt, s-def, s-alt",
        "@fake/taken was refused: port: 11111 is taken by process 7 (python3 -m http.server): stop it, or choose"
        " another port with --data port=NUMBER",
        *(line for line in endings(fleet) if line.startswith("@fake/a-key was refused: data: unknown field 'aplic")),
        "@fake/asks could not be looked at: cat: not today",
        "@fake/ubuntu was refused: ubuntu is not root: log in as root, or run this with --sudo; what checks the host"
        " needs it too: make verify HOST=paramiko://ubuntu@HOST:PORT?sudo=True",
        '@fake/breaks failed at "Beside | Install what comes first", see above',
        '@fake/begins failed at "System | Create user visomaster", see above; what it has begun goes on there (models)',
        "127.0.0.1 was not reached: Could not connect (Unable to connect to port 1 on 127.0.0.1)",
    ]
    assert len(endings(fleet)) == 8
    assert "[@fake/good]" in fleet.stderr.partition("Start the services")[2]


BOX = """\
-- The desktop is ready on @fake/told ----------------------------------------
  Open    http://192.0.2.7:11111/
  Log in  visomaster-credentials there, as root
  Stop    supervisorctl shutdown there, as root; visomaster-start brings it back
          a rented machine costs until it is destroyed; stopped, its storage
  Check   visomaster-ready there
------------------------------------------------------------------------------
"""


def test_a_box_ends_a_good_one(fleet: subprocess.CompletedProcess[str], tmp_path: Path) -> None:
    """Where it is, as the host knows it, and never a secret; nothing of the kind where nothing was started."""
    assert re.findall(r"The desktop is ready on (\S+)", fleet.stderr) == ["@fake/good"]
    told = fake("told", {"visomaster-credentials --address": "http://192.0.2.7:11111/"})
    good = run(tmp_path, [told], "deploy.py", "-y")
    assert good.returncode == 0, good.stderr
    assert textwrap.dedent("\n".join(good.stderr.splitlines()[-7:])) == BOX.strip()
    for arguments in (("--dry",), ("-y", "--data", "layers=services")):
        done = run(tmp_path, [told], "deploy.py", *arguments)
        assert done.returncode == 0 and "desktop is ready" not in done.stderr


def test_without_a_terminal_nobody_is_asked(tmp_path: Path) -> None:
    """Not before operations are run, and not whether to go on without a host."""
    for hosts in ([fake("a")], [fake("a"), fake("b", variant="")]):
        done = run(tmp_path, hosts, "deploy.py")
        assert done.returncode == 1 and "Traceback" not in done.stderr
        assert done.stderr.splitlines()[-1].endswith("add -y to apply without asking")
        assert "Beginning operation run" not in done.stderr
    assert done.stderr.index("was refused: variant: ''") < done.stderr.index("Press enter"), "who is asked knows why"


SURPRISES = """
from pyinfra import host
from pyinfra.api import StringCommand, operation

@operation()
def odd():
    if host.name == "@fake/b":
        raise ValueError("a surprise")
    yield StringCommand("true")

if host.name == "@fake/c":
    {}["what"]
odd(name="odd one")
"""


def test_what_nobody_has_foreseen_on_one_host_ends_no_others_turn(tmp_path: Path) -> None:
    """In the plan or in an operation: a line with where it was."""
    deploy = tmp_path / "deploy.py"
    deploy.write_text(SURPRISES)
    done = pyinfra("@fake/a,@fake/b,@fake/c", str(deploy), "-y")
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert endings(done) == [
        f'@fake/b failed at "odd one": ValueError: a surprise ({deploy} line 8)',
        f"@fake/c was refused: KeyError: 'what' ({deploy} line 12)",
    ]
    assert "[@fake/a] Success" in done.stderr


def test_a_failure_is_one_without_waiting_too(tmp_path: Path) -> None:
    """pyinfra shows a traceback there, and has status 0."""
    hosts = [fake("a"), fake("b", {"apt-install": {"success": False, "stderr": "E: no"}})]
    done = run(tmp_path, hosts, "deploy.py", "-y", "--no-wait", "--data", "layers=system")
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert endings(done) == ['@fake/b failed at "System | Install packages", see above']


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_run_says_what_may_go_on(tmp_path: Path, number: signal.Signals) -> None:
    """130 after Ctrl-C, no traceback, the operation by its name, and what to do."""
    mark = tmp_path / "begun"
    deploy = tmp_path / "deploy.py"
    command = f"touch {mark}; sleep 20"
    deploy.write_text(f"from pyinfra.operations import server\nserver.shell(name='wait', commands=[{command!r}])\n")
    log = tmp_path / "log"
    with log.open("w") as output, subprocess.Popen(
        [PYINFRA, "@local,@fake/idle", str(deploy), "-y"],
        cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
        env={**os.environ, "PYINFRA_PROGRESS": "off"},
    ) as process:  # fmt: skip
        deadline = time.monotonic() + WITHIN
        while not (mark.exists() and "Success" in log.read_text()) and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(number)
        process.wait(WITHIN)
    said = log.read_text()
    assert process.returncode == 128 + number, said
    assert "Traceback" not in said
    again = "run the same command again, it goes on where this one stopped"
    assert said.splitlines()[-2:] == [
        f'--> Error: @local was interrupted at "wait", which may go on there for a while: {again}',
        f"--> Error: @fake/idle was interrupted, nothing is running there: {again}",
    ]


def test_the_plan_says_what_ends_open_work(tmp_path: Path) -> None:
    """Where the program, or the X server below it, is configured otherwise than it runs."""
    folder = f"{paths.SUPERVISOR_PROGRAMS}/{paths.PROGRAM_PREFIX}"
    old = [f"{'0' * 64}  {folder}{name}.conf" for name in ("visomaster_app", "x11vnc", "other")]
    done = run(tmp_path, [fake("a", {"-exec sha256sum {} + ; fi": old}), fake("b")], "deploy.py", "--dry")
    assert done.returncode == 0, done.stderr
    said = [line.strip() for line in done.stderr.splitlines() if "restarts" in line]
    assert said == ["[@fake/a] this run restarts visomaster_app: what is open there and not saved is lost"]


def test_it_is_said_before_anything_is_stopped(tmp_path: Path) -> None:
    """Also where an earlier run has written the files, and ended before it took them up."""
    running = fake("a", {"supervisorctl pid": ["visomaster_app: changed", "x11vnc: changed"]})
    done = run(tmp_path, [running], "deploy.py", "-y", "-vv", "--data", "layers=services")
    assert done.returncode == 0, done.stderr
    told = done.stderr.index("this run restarts visomaster_app: what is open there and not saved is lost")
    assert told < done.stderr.index(">>> supervisorctl stop")
