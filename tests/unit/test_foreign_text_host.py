"""What others say to a host's own programs is shown; no terminal acts on it. Each place is used as it is."""

from __future__ import annotations

import io
import json
import socket
import sys
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

from tests.hostile import HOSTILE, answering, harmless, one_line
from tests.unit.foreign_text import every_kind, said
from tests.unit.test_host_facts import host

QUICK = Policy(tries=2, rounds=1, backoff=0.01, backoff_most=0.02, connect=2.0, stall=0.6)


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
    ready.print_lines(results)
    ready.print_json(results)
    for line in said(capfd).splitlines():
        one_line(line)


@every_kind
def test_what_is_not_ready(text: str, capfd: pytest.CaptureFixture[str]) -> None:
    def probe(of: object) -> str:
        raise problems.NotReady(f"xprop: {text}")

    result = ready._try(Check(name="x", probe=probe), "xvfb", host=host())
    one_line(result.detail)
    ready.print_lines([result])
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
