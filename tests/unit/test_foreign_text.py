"""What a box, a server, a file's name or a log says is shown; no terminal acts on it. Each place is used as it is."""

from __future__ import annotations

import contextlib
import io
import json
import os
import pty
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import visomaster_host.fetch as fetch
from visomaster_host import credentials, display, paths, problems, ready, run_service, supervisor
from visomaster_host.fetch import progress
from visomaster_host.fetch.manifest import ManifestError, ModelFile, check_path
from visomaster_host.fetch.schedule import Policy
from visomaster_host.service import Check
from visomaster_host.settings import Settings

from connectors import vast
from operations import lock
from operations.remote import conda_environment
from release import image
from sandbox import desktop, shell
from spec import manifest
from spec.application import load_application
from spec.here import GUIDE, ROOT
from spec.neighbours import Neighbours, PortOwner
from tests.fake_vast import KEY, FakeVast, instance
from tests.hostile import HOSTILE, answering, everything, harmless, one_line
from tests.unit.test_host_facts import host

PYINFRA = str(Path(sys.executable).parent / "pyinfra")
every_kind = pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
QUICK = Policy(tries=2, rounds=1, backoff=0.01, backoff_most=0.02, connect=2.0, stall=0.6)


def said(capfd: pytest.CaptureFixture[str]) -> str:
    """What has been shown since this was asked last."""
    out, err = capfd.readouterr()
    assert out + err
    return out + err


# -- the fetcher


def fetched(folder: Path, port: int) -> dict[str, Any]:
    """One run over a file that a server on `port` is asked for; the state it leaves for the portal."""
    entry = {"path": "model_assets/m.onnx", "url": "http://models.invalid/m.onnx", "sha256": "0" * 64, "size": None}
    listed = folder / "models.json"
    listed.write_text(json.dumps({"schema": 1, "files": [{**entry, "group": "required"}]}))
    (folder / "tree").mkdir()
    places = {"manifest": listed, "store": folder / "store", "tree": folder / "tree", "state": folder / "state.json"}
    words = [word for name, path in places.items() for word in (f"--{name}", str(path))]
    mirror = ["--mirror", f"http://models.invalid=http://127.0.0.1:{port}", "--dependencies", str(folder / "more")]
    assert fetch.main([*words, *mirror], policy=QUICK) == 1
    state: dict[str, Any] = json.loads((folder / "state.json").read_text())
    return state


@pytest.fixture
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the machine has for proxies is not used."""
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy", "MODELS_DIR", "VISOMASTER_MIRRORS"):
        monkeypatch.delenv(name, raising=False)


@every_kind
@pytest.mark.parametrize("status", ["404", "503"])
def test_a_reason_phrase(
    text: str, status: str, tmp_path: Path, capfd: pytest.CaptureFixture[str], no_proxy: None
) -> None:
    """The bytes of a server's own words, as they are in UTF-8."""
    phrase = text.replace("\n", " ").encode("utf-8", "surrogatepass").replace(b"\r", b"\x0d ")
    with answering(b"HTTP/1.1 " + status.encode() + b" " + phrase + b"\r\nContent-Length: 0\r\n\r\n") as port:
        state = fetched(tmp_path, port)
    for line in said(capfd).splitlines():
        one_line(line)
    one_line(state["files"][0]["error"])
    assert state["files"][0]["error"]


@every_kind
def test_a_redirect(text: str, tmp_path: Path, capfd: pytest.CaptureFixture[str], no_proxy: None) -> None:
    where = b"http://host." + text.encode("utf-8", "surrogatepass").replace(b"\r", b"").replace(b"\0", b"") + b"/x"
    with answering(b"HTTP/1.1 302 Found\r\nLocation: " + where + b"\r\nContent-Length: 0\r\n\r\n") as port:
        state = fetched(tmp_path, port)
    for line in said(capfd).splitlines():
        one_line(line)
    one_line(state["files"][0]["error"])


@every_kind
def test_names_of_a_manifest(text: str) -> None:
    """Refused where it is read; were one there, no line and no state would bring it."""
    if text == HOSTILE["long"]:
        return
    with pytest.raises(ManifestError) as caught:
        check_path("files[0].path", f"model_assets/{text}")
    one_line(str(caught.value))


@every_kind
def test_bars_and_lines_of_a_fetch(text: str) -> None:
    entry = progress.Entry(ModelFile(path=f"model_assets/{text}", url="", sha256="", size=9, group="required"), 9)
    entry.status, entry.error = "fetching", text
    stream = io.StringIO()
    stream.isatty = lambda: True  # type: ignore[method-assign]
    reporter = progress.Reporter(progress.Board([entry]), stream, None)
    reporter.tick()
    reporter._drawn = 0  # what it draws itself has codes of its own
    reporter.say(f"failed: {text}")
    harmless(stream.getvalue())
    one_line(str(entry.as_json()["error"]))


# -- services, readiness, the supervisor


@every_kind
def test_a_program_that_runs_once(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Its lines go to the service's log and to the container's, which `docker logs` shows."""
    log = tmp_path / "log"
    log.touch()
    monkeypatch.setattr(paths, "CONTAINER_LOG", log)
    program = [sys.executable, "-c", "import sys; sys.stdout.buffer.write(sys.argv[1].encode() + b'\\n')"]
    assert run_service.run_once([*program, text.replace("\0", "")], {}) == 0
    harmless(said(capfd))
    harmless(log.read_text())
    assert log.read_text()


@every_kind
def test_the_title_of_a_window(text: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """The program's user may give it any, and be the window manager."""
    answer = f'_NET_SUPPORTING_WM_CHECK(WINDOW): window id # 0x1\n_NET_WM_NAME(UTF8_STRING) = "{text}"'
    monkeypatch.setattr(display, "_ask", lambda *words: answer)
    check = Check(name="window manager", probe=display.window_manager)
    results = [ready._try(check, "fluxbox", host=host())]
    assert results[0].ok
    one_line(results[0].detail)
    ready.print_lines(results, [])
    ready.print_json(results, [])
    for line in said(capfd).splitlines():
        one_line(line)


@every_kind
def test_what_is_not_ready(text: str, capfd: pytest.CaptureFixture[str]) -> None:
    def probe(of: object) -> str:
        raise problems.NotReady(f"xprop: {text}")

    result = ready._try(Check(name="x", probe=probe), "xvfb", host=host())
    one_line(result.detail)
    ready.print_lines([result], [])
    one_line(said(capfd))


@every_kind
def test_a_problem(text: str, capfd: pytest.CaptureFixture[str]) -> None:
    def fail() -> int:
        raise problems.Problem(f"{text}: expected a name")

    assert problems.reporting("visomaster-start", fail) == 1
    one_line(said(capfd))


@every_kind
def test_an_answer_of_a_supervisor(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On somebody else's box it is somebody else's."""
    monkeypatch.setattr(paths, "SUPERVISOR_SOCKET", tmp_path / "s")
    reason = text.encode().replace(b"\n", b"")
    answer = b"HTTP/1.1 500 " + reason + b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    with answering(answer, socket.AF_UNIX, str(tmp_path / "s")), pytest.raises(problems.Problem) as caught:
        supervisor.pid()
    one_line(str(caught.value))


@every_kind
def test_an_address(text: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(credentials, "read_settings", lambda: Settings(public_address=text))
    monkeypatch.setattr(credentials, "stored", lambda of: "secret")
    credentials.tell(host(), as_json=False)
    harmless(said(capfd))


# -- the controller

DEPLOY = """
from io import StringIO
from pyinfra import host
from pyinfra.api import FactBase, operation
from pyinfra.operations import server
from operations.stream import refused, streamed
from spec.neighbours import PortOwner

class Hostile(FactBase):
    def command(self):
        return "cat {text} >&2; cat {text}; exit 3"

@operation()
def said():
    yield streamed("cat {text}; cat {text} >&2; exit 1")

@operation()
def gave_up():
    yield refused(open("{text}", newline="").read())

host.get_fact(Hostile, _ignore_errors=True)
said(name="streamed", _ignore_errors=True)
gave_up(name="refused", _ignore_errors=True)
server.shell(name="shell", commands=["cat {text}; cat {text} >&2; exit 1"], _ignore_errors=True)
server.shell(name="last", commands=["cat {text} >&2; exit 1"])
"""


def pyinfra(folder: Path, *arguments: str, deploy: str = "", **variables: str) -> str:
    """What pyinfra's own command line shows, on a terminal as wide as it likes."""
    (folder / "deploy.py").write_text(deploy)
    controller, terminal = pty.openpty()
    environment = {**os.environ, "PYINFRA_PROGRESS": "off", "PYTHONPATH": str(ROOT), "HOME": str(folder), **variables}
    with subprocess.Popen(
        [PYINFRA, *arguments, *([str(folder / "deploy.py"), "-y"] if deploy else [])],
        cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=terminal, stderr=terminal,
    ) as process:  # fmt: skip
        os.close(terminal)
        seen = b""
        with contextlib.suppress(OSError):  # the end of a terminal
            while piece := os.read(controller, 65536):
                seen += piece
        process.wait(60)
    os.close(controller)
    return seen.replace(b"\r\n", b"\n").decode("utf-8", "backslashreplace")


OWN_CODES = ("\x1b[1m", "\x1b[0m", "\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[34m", "\x1b[36m")
"""What pyinfra itself shows in bold, red, green, yellow, blue and cyan."""


def without_own_codes(shown: str) -> str:
    for code in OWN_CODES:
        shown = shown.replace(code, "")
    return shown


@pytest.mark.parametrize("option", ["-v", "-vvv"])
def test_the_lines_of_a_box(option: str, tmp_path: Path) -> None:
    """Streamed, of a command that fails, of a fact that fails, of an operation that gives up."""
    text = tmp_path / "text"
    text.write_bytes(everything().encode())
    shown = pyinfra(tmp_path, option, "@local", deploy=DEPLOY.replace("{text}", str(text)))
    harmless(without_own_codes(shown))
    assert shown.count(r"a\x1b]52;c;Y3VybCBldmls\x07b") >= 8, shown[:3000]
    assert r"a\x1b[31mb" in shown and r"a\x1b[8mb\x1b[0m" in shown  # a box's colours are not pyinfra's
    assert "\x1b[31m" in shown and "\x1b[1m" in shown  # pyinfra's own are


def test_tables_of_pyinfra_stay_in_line(tmp_path: Path) -> None:
    deploy = "from pyinfra.operations import server\nserver.shell(name='one', commands=['true'])\n"
    shown = without_own_codes(pyinfra(tmp_path, "@local", deploy=deploy))
    head, row = (next(line for line in shown.splitlines() if line.strip().startswith(word)) for word in ("Oper", "one"))
    assert len(head.split("Hosts")[0]) == len(row.split("1")[0])


def test_an_exception_in_a_deploy(tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_bytes(everything().encode())
    deploy = f"class Surprise(Exception): pass\nraise Surprise(open({str(text)!r}, newline='').read())"
    shown = pyinfra(tmp_path, "@local", deploy=deploy)
    assert "Surprise" in shown
    harmless(without_own_codes(shown))


def test_banners_of_servers(tmp_path: Path) -> None:
    """Whoever answers at the address of a box speaks before it proves who it is."""
    with contextlib.ExitStack() as stack:
        said = [
            b"SSH-" + text.replace("-", "").replace("\n", "").encode()[:500] + b"-x\r\n" for text in HOSTILE.values()
        ]
        ports = [stack.enter_context(answering(text)) for text in said]
        hosts = [(f"box-{port}", {"ssh_port": port, "ssh_hostname": "127.0.0.1"}) for port in ports]
        (tmp_path / "inventory.py").write_text(f"hosts = {hosts!r}\n")
        shown = pyinfra(tmp_path, str(tmp_path / "inventory.py"), "exec", "--", "true")
    assert shown.count("SSH error (Incompatible version (") == len(HOSTILE), shown
    harmless(without_own_codes(shown))


@every_kind
def test_who_is_in_the_way(text: str) -> None:
    """A process's command line, and the name of a supervisor's file."""
    found = Neighbours(programs={"x11vnc": text}, owners={5901: PortOwner(process=7, command=text)})
    with pytest.raises(ValueError) as port:
        found.refuse(port=5901, internal=(), services=())
    with pytest.raises(ValueError) as program:
        found.refuse(port=1, internal=(), services=("x11vnc",))
    one_line(str(port.value))
    one_line(str(program.value))


@every_kind
def test_what_vast_says_of_a_box(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    told: list[str] = []
    with FakeVast().serving() as account:
        account.instances = [
            instance(1, label=text, gpu_name=text, image_uuid=text, template_name=f"variant={text}"),
            instance(2, actual_status=text, cur_state=text, label=text),
        ]
        environment = {"VAST_API_KEY": KEY, "HOME": "/nonexistent", "VAST_URL": account.url}
        groups = vast.inventory(environment, told.append, told.append)  # type: ignore[arg-type]
    for shown in (*groups, *(str(value) for group in groups.values() for value in group[0][1].values())):
        harmless(shown)
    for line in told:
        one_line(line)
    assert told


@every_kind
def test_an_address_from_vast(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with FakeVast().serving() as account:
        account.instances = [instance(1, public_ipaddr=f"{text};")]
        environment = {"VAST_API_KEY": KEY, "HOME": "/nonexistent", "VAST_URL": account.url}
        with pytest.raises(vast.VastError, match="public_ipaddr") as caught:
            vast.inventory(environment, lambda line: None, lambda seconds: None)
    one_line(str(caught.value))


@every_kind
def test_an_answer_that_is_no_http(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    told: list[str] = []
    with answering(text.encode().replace(b"\n", b"") + b"\r\n\r\n") as port:
        environment = {"VAST_API_KEY": KEY, "HOME": "/nonexistent", "VAST_URL": f"http://127.0.0.1:{port}"}
        with pytest.raises(vast.VastError) as caught:
            vast.inventory(environment, told.append, lambda seconds: None)
    one_line(str(caught.value))


# -- Docker, the sandbox, the release


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """A Docker client that says a text on both streams and fails."""

    def saying(text: str) -> Path:
        (tmp_path / "text").write_bytes(text.encode() + b"\n\xff\xfe\n")
        client = tmp_path / "docker"
        client.write_text(f"#!/bin/sh\ncat {tmp_path}/text; cat {tmp_path}/text >&2; exit 1\n")
        client.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        return client

    return saying


@every_kind
def test_docker_in_the_sandbox(text: str, docker: Callable[[str], Path], capfd: pytest.CaptureFixture[str]) -> None:
    client = docker(f"error: {text}")
    with pytest.raises(shell.SandboxError) as caught:
        shell.run([client, "ps"], timeout=20)
    one_line(str(caught.value))
    shell.say(f"error: {text}")
    with shell.step(f"building {text}"):
        harmless(said(capfd))


@every_kind
@pytest.mark.parametrize("capture", [True, False])
def test_docker_in_the_release(
    text: str, capture: bool, docker: Callable[[str], Path], capfd: pytest.CaptureFixture[str]
) -> None:
    docker(text)
    with pytest.raises(image.ReleaseError):
        image._docker(["logs", "box"], capture=capture, text="FROM scratch")
    harmless(said(capfd))


@every_kind
def test_the_log_of_a_desktop(
    text: str, docker: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """`make logs` and `make password`."""
    client = docker(text)
    monkeypatch.setattr(desktop, "docker_command", lambda: str(client))
    with pytest.raises(SystemExit) as left:
        desktop.show("logs", "--follow", "box")
    assert left.value.code == 1
    with pytest.raises(shell.SandboxError):
        desktop.wait("box")
    harmless(said(capfd))


def test_docker_while_images_are_baked(tmp_path: Path) -> None:
    """The engine's last word, for an image each."""
    for number, text in enumerate(HOSTILE.values()):
        (tmp_path / f"image{number}").write_bytes(b"\xff\nError response from daemon: " + text.encode() + b"\n")
    client = tmp_path / "docker"
    says = f'cat "{tmp_path}/$last"'
    # What a pull prints is the client's own progress.
    client.write_text(f"#!/bin/sh\nfor last; do :; done\n[ $1 = pull ] || {says}\n{says} >&2; exit 1\n")
    client.chmod(0o755)
    images = ",".join(f"@bake/image{number}" for number in range(len(HOSTILE)))
    shown = pyinfra(tmp_path, images, "exec", "--", "true", DOCKER=str(client))
    assert shown.count("no image image") == len(HOSTILE), shown
    harmless(without_own_codes(shown))


@every_kind
def test_a_solver_that_runs_here(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """`make lock`: what a channel says."""

    def run(request: object) -> int:
        conda_environment.say(text)
        return conda_environment._failed(text)

    monkeypatch.setattr(conda_environment, "run", run)
    application = load_application("sandbox")
    assert lock.lock_environment(application.environment, tmp_path / "lock", mirrors={}, platform="linux-64") == 1
    harmless(said(capfd))


@every_kind
def test_a_checkout_that_models_are_read_from(text: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """`make manifest`: names in somebody's source."""
    source = tmp_path / manifest.SOURCE
    source.parent.mkdir(parents=True)
    source.write_text(f"models_list = [{{'model_name': {text!r}, 'local_path': 'x'}}]\n")
    manifest.main([str(tmp_path)])
    harmless(said(capfd))


# -- checks of a host, the notebook

SUITE = '''
def test_it():
    """The program is there."""
    text = open("{text}", newline="").read()
    print(text)
    raise AssertionError(text)
'''
CONFTEST = """
import pytest
from tests.host import plain

def pytest_configure(config):
    config.pluginmanager.register(plain.Report(config))

@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    report.check = plain.check_of(item, call)
    plain.clean(report)
    return report
"""


def test_what_make_verify_has_found(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    for number, text in enumerate(HOSTILE.values()):
        (tmp_path / f"text{number}").write_bytes(text.encode())
        (tmp_path / f"test_{number}.py").write_text(SUITE.replace("{text}", str(tmp_path / f"text{number}")))
    words = ["-m", "pytest", "-qq", "-rN", "--no-header", "-p", "no:cacheprovider", "--rootdir", tmp_path]
    done = subprocess.run([sys.executable, *words, tmp_path], cwd=ROOT, capture_output=True, check=False)
    shown = done.stdout.decode()
    assert shown.count("found:  ") == shown.count("Captured stdout") == len(HOSTILE)
    harmless(shown)


@every_kind
def test_the_notebook(text: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """What a program prints, what a check found, and the end of a log."""
    cells = {cell["id"]: "".join(cell["source"]) for cell in json.loads(GUIDE.read_text())["cells"]}
    names: dict[str, Any] = {}
    exec(cells["start"], names)
    (tmp_path / "x.log").write_bytes(text.encode() + b"\n")
    names["LOGS"] = (str(tmp_path),)
    exec(cells["logs"], names)
    assert names["follow"]("cat", str(tmp_path / "x.log"))
    names["begin"]("set-up")
    names["ok"](text), names["note"](text), names["fault"](text, repair="set-up")
    exec(cells["summary"], names)
    harmless(said(capfd).replace("\x1b[1;31mFAULT\x1b[0m", ""))
