"""How the end of a service's run is found out and told: supervisord's log, the kernel's count, its own last words."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from visomaster_host import causes, memory, paths, prepare, ready, run_service, runs
from visomaster_host.last_words import LONGEST, MARK, last_words, shown
from visomaster_host.portal.report import Readiness, Sources, report
from visomaster_host.portal.words import Words
from visomaster_host.problems import NotReady
from visomaster_host.service import Check, Service
from visomaster_host.services import known

from tests.hostile import HOSTILE, one_line
from tests.unit.test_host_facts import host

APP = "visomaster_app"


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A host with control groups of version 2, a limit, and a supervisord that has said nothing yet."""
    groups = tmp_path / "groups"
    groups.mkdir()
    (tmp_path / "own").write_text("0::/\n")
    (groups / "memory.max").write_text("629145600\n")
    monkeypatch.setattr(paths, "GROUPS", groups)
    monkeypatch.setattr(paths, "OWN_GROUPS", tmp_path / "own")
    monkeypatch.setattr(paths, "RUNS", tmp_path / "runs")
    monkeypatch.setattr(paths, "SUPERVISORD_LOG", tmp_path / "supervisord.log")
    monkeypatch.setattr(causes, "gpus", lambda: ["nvidia0"])
    count(tmp_path, 0)
    return tmp_path


def count(machine: Path, killed: int) -> None:
    (machine / "groups/memory.events").write_text(f"low 0\noom {killed}\noom_kill {killed}\noom_group_kill 0\n")


def service(machine: Path, name: str = APP) -> Service:
    """The service `name` with logs of the test's own."""
    return replace(known()[name], log=machine / f"{name}.log", error_log=machine / f"{name}_err.log")


def run(machine: Path, how: str, name: str = APP, *, words: str = "", killed: int | None = None) -> int:
    """One run of a service in a process of its own, of which supervisord says that it was over in the way `how`."""
    one = service(machine, name)
    if (child := os.fork()) == 0:
        runs.begin(one)
        os._exit(0)
    os.waitpid(child, 0)
    assert one.error_log is not None
    with one.error_log.open("a") as file:
        file.write(words)
    with paths.SUPERVISORD_LOG.open("a") as log:
        log.write(f"2026-11-26 12:31:04,001 INFO spawned: '{name}' with pid {child}\n")
        log.write(f"2026-11-26 12:31:05,001 INFO success: {name} entered RUNNING state, process has stayed up\n")
        log.write(f"2026-11-26 12:31:06,001 WARN {how}\n")
    if killed is not None:
        count(machine, killed)
    return child


def exited(how: str, name: str = APP) -> str:
    return f"exited: {name} ({how}; not expected)"


def test_the_first_run_has_nothing_to_tell(machine: Path) -> None:
    assert runs.begin(service(machine)) == ""
    assert runs.told_of(APP, missing=True) == "" and runs.notices() == []


def test_what_a_program_ended_with_is_told_before_and_after_it_runs_again(machine: Path) -> None:
    run(machine, exited("exit status 1"), words="RuntimeError: no model\n")
    assert runs.told_of(APP, missing=True) == f"{APP} ended with exit status 1: RuntimeError: no model"
    run(machine, exited("terminated by SIGSEGV (core dumped)"), words="Fatal Python error: Segmentation fault\n")
    told = runs.begin(service(machine))
    assert told.startswith(f"{APP} ended 2 times, last by SIGSEGV at 20")
    assert told.endswith(": Fatal Python error: Segmentation fault")
    assert runs.told_of(APP, missing=False) == runs.told_of(APP, missing=True) == told
    assert runs.notices() == [told]


@pytest.mark.parametrize(
    "how",
    [
        f"stopped: {APP} (terminated by SIGKILL)",
        f"stopped: {APP} (exit status 1)",
        exited("exit status 0"),
        exited("terminated by SIGTERM"),
    ],
)
def test_what_somebody_asked_to_end_is_not_told_of(machine: Path, how: str) -> None:
    """By supervisorctl, from the desktop's menu, or with the program's own window."""
    run(machine, how)
    assert runs.notices() == [] and runs.begin(service(machine)) == ""


def test_a_window_that_was_closed_is_told_where_it_is_missed(machine: Path) -> None:
    run(machine, exited("exit status 0"))
    assert runs.told_of(APP, missing=True) == f"{APP} ended with exit status 0"


def test_killed_for_memory(machine: Path) -> None:
    run(machine, exited("terminated by SIGKILL"), words="MODELS 6\n", killed=1)
    assert runs.told_of(APP, missing=True) == f"{APP} was killed for memory (memory limit 600 MiB)"
    run(machine, exited("terminated by SIGKILL"), killed=2)
    told = runs.begin(service(machine))
    assert told.startswith(f"{APP} was killed for memory 2 times, last at 20")
    assert told.endswith(" (memory limit 600 MiB)")
    assert runs.notices() == [told]


def test_a_kill_that_was_not_for_memory(machine: Path) -> None:
    """The count stands as it was, or what it counts was another service; one that comes later tells both."""
    count(machine, 7)  # before the host was started
    run(machine, exited("terminated by SIGKILL"))
    assert runs.told_of(APP, missing=False) == f"{APP} ended by SIGKILL"
    runs.begin(service(machine, "x11vnc"))
    run(machine, exited("terminated by SIGKILL"), killed=8)
    runs.begin(service(machine))
    run(machine, exited("terminated by SIGKILL", "x11vnc"), "x11vnc")
    assert "memory" not in runs.told_of("x11vnc", missing=False)
    told = runs.told_of(APP, missing=False)
    assert f"{APP} was killed for memory at 20" in told and f" and {APP} ended by SIGKILL at 20" in told


def test_two_that_were_killed_for_memory_at_once(machine: Path) -> None:
    for name in (APP, "x11vnc"):
        run(machine, exited("terminated by SIGKILL", name), name)
    count(machine, 2)
    for name in (APP, "x11vnc"):
        assert "killed for memory" in runs.begin(service(machine, name))


def test_without_supervisords_log_the_count_is_enough(machine: Path) -> None:
    run(machine, exited("terminated by SIGKILL"), killed=1)
    paths.SUPERVISORD_LOG.unlink()
    assert "killed for memory" in runs.told_of(APP, missing=False)
    count(machine, 0)
    assert runs.told_of(APP, missing=False) == "" and runs.told_of(APP, missing=True) == f"{APP} ended"


def test_without_a_count_it_is_said_that_it_may_have_been_for_memory(machine: Path) -> None:
    (machine / "groups/memory.events").unlink()
    run(machine, exited("terminated by SIGKILL"))
    assert runs.told_of(APP, missing=False).endswith("ended by SIGKILL (the kernel does so when memory is short)")


def test_a_program_that_is_not_started_any_more(machine: Path) -> None:
    run(machine, exited("exit status 1"))
    with paths.SUPERVISORD_LOG.open("a") as log:
        log.write(f"2026-11-26 INFO gave up: {APP} entered FATAL state, too many start retries too quickly\n")
    assert runs.told_of(APP, missing=True).endswith(f"; it is not started again by itself: supervisorctl start {APP}")


def test_a_program_that_runs_is_not_told_of(machine: Path) -> None:
    """Another process of its number is not it."""
    runs.begin(service(machine))
    with paths.SUPERVISORD_LOG.open("a") as log:
        log.write(f"INFO spawned: '{APP}' with pid {os.getpid()}\nWARN {exited('exit status 1')}\n")
    assert runs.told_of(APP, missing=True) == ""
    path = paths.RUNS / f"{APP}.json"
    facts = json.loads(path.read_text())
    path.write_text(json.dumps({**facts, "born": facts["born"] - 1}))
    assert runs.told_of(APP, missing=True) == f"{APP} ended with exit status 1"


def test_tries_of_a_program_that_has_done_its_work_are_forgotten(machine: Path) -> None:
    fetch = "visomaster_fetch"
    run(machine, exited("exit status 1", fetch), fetch, words="visomaster-fetch: x.onnx: 404 Not Found\n")
    assert "404" in runs.told_of(fetch, missing=True)
    run(machine, f"exited: {fetch} (exit status 0; expected)", fetch)
    assert runs.notices() == []


@pytest.mark.parametrize("text", ["", "{", "[]", '{"name": 1}', '{"killed": {}, "ended": {}, "logs": [[]]}', "\0"])
def test_a_damaged_note_is_none(machine: Path, text: str) -> None:
    paths.RUNS.mkdir()
    (paths.RUNS / f"{APP}.json").write_text(text)
    (paths.RUNS / ".hidden.json").write_text(text)
    assert runs.notices() == [] and runs.told_of(APP, missing=True) == ""
    assert runs.begin(service(machine)) == ""


def test_a_restarted_container_begins_anew(machine: Path) -> None:
    """And what the host has no more is told of no more."""
    prepare._forget_runs(())
    for name in (APP, "x11vnc"):
        run(machine, exited("exit status 1", name), name)
    prepare._forget_runs((APP,))
    assert len(runs.notices()) == 1 and runs.told_of("x11vnc", missing=True) == ""
    prepare._forget_runs(())
    assert runs.notices() == []


def test_a_host_that_cannot_be_written_runs_its_services(
    machine: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said: list[str] = []
    monkeypatch.setattr(run_service, "tell_container", said.append)
    run(machine, exited("exit status 1"), words="ValueError: x\n")
    run_service.tell_of_last_run(service(machine))
    assert capsys.readouterr().out.startswith(f"{MARK}{APP} ended with exit status 1 at ")
    assert len(said) == 1 and said[0].endswith("ValueError: x\n")
    (machine / "file").touch()
    monkeypatch.setattr(paths, "RUNS", machine / "file/runs")
    run_service.tell_of_last_run(service(machine))
    assert capsys.readouterr().out == ""


# -- what the portal asks: the end of a program that is missed


def test_a_program_without_an_end_has_none(machine: Path) -> None:
    assert runs.end_of(APP) is None
    runs.begin(service(machine))
    assert runs.end_of(APP) is None


def test_the_end_of_a_program_that_is_missed(machine: Path) -> None:
    """With the words of its log for errors, and what helps."""
    (machine / f"{APP}.log").write_text("MODELS 6\n")
    run(machine, exited("exit status 1"), words="RuntimeError: CUDA out of memory\n")
    end = runs.end_of(APP)
    assert end is not None
    assert (end.count, end.how, end.words, end.again) == (1, "exit status 1", "RuntimeError: CUDA out of memory", True)
    assert end.cause.startswith("the memory of the GPU is full")
    assert end.log == str(machine / f"{APP}_err.log")
    runs.begin(service(machine))
    again = runs.end_of(APP)
    assert again is not None and again.at > 0 and (again.count, again.words) == (1, end.words)


def test_the_log_is_the_one_that_has_the_words(machine: Path) -> None:
    """Of a program that says on its standard output why it ended; else the first that has anything in it."""
    log = machine / f"{APP}.log"
    run(machine, exited("exit status 1"))
    log.write_text("FatalError: no model\n")
    end = runs.end_of(APP)
    assert end is not None and (end.words, end.log) == ("FatalError: no model", str(log))
    (machine / f"{APP}_err.log").write_text("a warning\n")
    log.write_text("")
    end = runs.end_of(APP)
    assert end is not None and end.log == str(machine / f"{APP}_err.log")


def test_the_end_of_one_that_was_killed_for_memory(machine: Path) -> None:
    run(machine, exited("terminated by SIGKILL"), words="MODELS 6\n", killed=1)
    end = runs.end_of(APP)
    assert end is not None
    assert (end.how, end.words, end.cause) == ("for memory", "", "it may use 600 MiB of memory")
    run(machine, exited("exit status 3"), words="Error: other\n")
    end = runs.end_of(APP)
    assert end is not None and (end.count, end.how, end.words) == (2, "exit status 3", "Error: other")


def test_the_end_of_one_that_is_given_up(machine: Path) -> None:
    run(machine, exited("exit status 1"))
    with paths.SUPERVISORD_LOG.open("a") as log:
        log.write(f"2026-11-26 12:31:07,001 INFO gave up: {APP} entered FATAL state, too many start retries\n")
    end = runs.end_of(APP)
    assert end is not None and not end.again


# -- where it is shown


def test_readiness_tells_it_where_the_part_is_missed(
    machine: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def window(host: object) -> str:
        raise NotReady("no window")

    def looked(name: str, check: Check) -> str:
        monkeypatch.setattr(ready, "checks_for", lambda host: [(check, name)])
        return ready.look(host())[0].detail

    monkeypatch.setattr(ready, "_state_of", lambda service: f" ({service} is BACKOFF)")
    run(machine, exited("exit status 1"), words="CUDA error: x\n")
    why = f"{APP} ended with exit status 1: CUDA error: x"
    assert looked(APP, Check(name="application", probe=window)) == f"no window; {why} ({APP} is BACKOFF)"
    assert looked(APP, Check(name="application", probe=lambda host: "there")) == f"there; {why}"
    assert looked("xvfb", Check(name="x", probe=lambda host: "answers")) == "answers"
    ready.print_json([])
    assert json.loads(capsys.readouterr().out)["notices"] == [why]
    sources = Sources(readiness=Readiness(lambda: ()), words=Words(known().values()))
    assert report(sources)["ends"] == [why.replace(APP, "The program")]


def test_what_a_program_says_is_shown_as_others_text(machine: Path) -> None:
    for text in HOSTILE.values():
        one_line(shown(f"Error: {text}"))
        run(machine, exited("exit status 1"), words=f"Error: {text}\n")
        one_line(runs.told_of(APP, missing=True))
    assert len(shown("x" * 5000)) == LONGEST


# -- its last words

TRACEBACK = """Traceback (most recent call last):
  File "main.py", line 3, in <module>
    raise RuntimeError("no GPU")
RuntimeError: no GPU
CUDA kernel errors might be asynchronously reported
"""


@pytest.mark.parametrize(
    ("errors", "output", "expected"),
    [
        (TRACEBACK + "QThread: Destroyed while thread is still running\n", "READY\n", "RuntimeError: no GPU"),
        (f"Traceback (most recent call last):\n  x\nKeyError: 'a'\n\n{TRACEBACK}", "", "RuntimeError: no GPU"),
        ("Fatal Python error: x\n\nCurrent thread 0x1 (error):\n  File x\n", "", "Fatal Python error: x"),
        ("libEGL warning: failed to open x\nlast line\n", "", "last line"),
        ("bind: Address already in use\nError: cannot listen\n-----\n\n", "", "Error: cannot listen"),
        ("10%\r50%\r100% done\n", "", "100% done"),
        ("\x1b[31mERROR\x1b[0m: \x1b]0;title\x07bad\n", "", "ERROR: bad"),
        ("", "Aborted\nunable to open x\n", "unable to open x"),
        (f"{MARK}visomaster_app ended with exit status 1: Error: old\nbye\n", "READY\n", "bye"),
        ("", "READY\n", ""),
        (
            '{"level":"info","msg":"error"}\n{"level":"error","msg":"bind","error":"in use"}\n{"a":1}\n',
            "",
            "bind: in use",
        ),
        ("Extension modules: error\nSegmentation fault\nAborted (core dumped)\n", "", "Segmentation fault"),
        ("", "", ""),
        ("\n \n---\n", "", ""),
        ("{broken error\n[1]\n", "", "{broken error"),
    ],
)
def test_the_line_that_says_why(tmp_path: Path, errors: str, output: str, expected: str) -> None:
    for name, text in (("err", errors), ("out", output)):
        (tmp_path / name).write_text(text)
    assert last_words([(tmp_path / "err", 0), (tmp_path / "out", 0), (tmp_path / "none", 0)]) == expected


def test_only_the_last_run_counts(tmp_path: Path) -> None:
    """Also when the log was changed for a newer one meanwhile, or is longer than anybody reads."""
    log = tmp_path / "log"
    log.write_text("Error: old\n")
    begin = log.stat().st_size
    assert last_words([(log, begin)]) == ""
    log.write_text("Error: old\nError: new\n")
    assert last_words([(log, begin)]) == "Error: new"
    log.write_text("E: x\n")
    assert last_words([(log, begin)]) == "E: x"
    log.write_bytes(b"\xff\0" * 1_000_000 + b"\nError: last\n")
    assert last_words([(log, 0)]) == "Error: last"


@pytest.mark.parametrize(
    "secret",
    [
        "https://me:S3cr3tS3cr3t@host/x",
        "GET /?token=S3cr3tS3cr3t&x=1",
        "Authorization: Bearer S3cr3tS3cr3t",
        '{"api_key": "S3cr3tS3cr3t"}',
        "HF_TOKEN=S3cr3tS3cr3t",
        "password: S3cr3tS3cr3t",
        "hf_S3cr3tS3cr3t is not valid",
    ],
)
def test_no_secret_is_repeated(secret: str) -> None:
    assert "S3cr3t" not in shown(f"Error: {secret}")


def test_what_looks_like_a_secret_and_is_none_is_kept() -> None:
    for line in ("KeyError: 'inswapper_128'", "FileNotFoundError: /app/models/tokenizer.json", "unexpected token '<'"):
        assert shown(line) == line


# -- what helps


@pytest.mark.parametrize(
    ("line", "gpus", "said"),
    [
        ("RuntimeError: Found no NVIDIA driver on your system", [], causes.NO_GPU),
        ("libcuda.so.1: cannot open shared object file", [], causes.NO_GPU),
        ("RuntimeError: No CUDA GPUs are available", [], causes.NO_GPU),
        ("CUDA driver version is insufficient for CUDA runtime version", ["nvidia0"], "machine is too old"),
        ("CUDA error: no kernel image is available for execution", ["nvidia0"], "does not know this GPU"),
        ("torch.cuda.OutOfMemoryError: CUDA out of memory.", ["nvidia0"], "memory of the GPU is full"),
        ("qt.qpa.xcb: could not connect to display :1", [], "screen"),
        ("ValueError: x", [], ""),
    ],
)
def test_what_helps(monkeypatch: pytest.MonkeyPatch, line: str, gpus: list[str], said: str) -> None:
    monkeypatch.setattr(causes, "gpus", lambda: gpus)
    assert said in causes.cause_of(line) and bool(said) == bool(causes.cause_of(line))


# -- the kernel's count

V1 = "9:name=systemd:/docker/ab\n4:cpu,memory:/docker/ab\n0::/docker/ab\n"


@pytest.mark.parametrize(
    ("own", "group", "version"),
    [("0::/\n", "", 2), ("0::/a.slice/b\n", "a.slice/b", 2), (V1, "memory", 1), (V1, "memory/docker/ab", 1)],
)
def test_the_count_is_found(machine: Path, own: str, group: str, version: int) -> None:
    """By the group's own name, as a machine shows it, or as a container does."""
    (machine / "groups/memory.events").unlink()
    paths.OWN_GROUPS.write_text(own)
    folder = paths.GROUPS / group
    folder.mkdir(parents=True, exist_ok=True)
    file, limit = ("memory.events", "memory.max") if version == 2 else ("memory.oom_control", "memory.limit_in_bytes")
    (folder / file).write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 3\n")
    (folder / limit).write_text("1048576\n")
    found = memory.counter()
    assert found == folder / file and memory.killed(found) == 3
    assert memory.limit(found) == 1 << 20


@pytest.mark.parametrize("text", ["max\n", "9223372036854771712\n", "", None])
def test_no_limit(machine: Path, text: str | None) -> None:
    file = machine / "groups/memory.max"
    file.write_text(text) if text is not None else file.unlink()
    assert memory.limit(machine / "groups/memory.events") is None


@pytest.mark.parametrize("text", ["", "oom 1\n", "oom_kill\n", "oom_kill x\n"])
def test_no_count(machine: Path, text: str) -> None:
    (machine / "groups/memory.events").write_text(text)
    assert memory.counter() is None
    paths.OWN_GROUPS.unlink()
    assert memory.counter() is None
