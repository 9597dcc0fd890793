"""Resuming, sharing, linking, and what the command says."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from visomaster_host.fetch import cli, engine
from visomaster_host.fetch.manifest import ModelFile
from visomaster_host.fetch.part import UNIT, Part
from visomaster_host.fetch.progress import Reporter

from tests.fetch.faults import Fault
from tests.fetch.world import HOST, LARGE, SMALL, World

CONNECTIONS = 16


def wait_until(true: Callable[[], bool], seconds: float = 30.0) -> None:
    """Poll with a bound."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


# -- ending and resuming


def test_ten_kills_lose_at_most_a_buffer_for_each_connection(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """kill -9 at ten random moments, then a run to the end: what is fetched twice is counted at the server."""
    sizes = [12_000_000, LARGE, LARGE, 3_000_000, 2_000_000, SMALL]
    for number, size in enumerate(sizes):
        world.add(f"{number}.onnx", size, say_size=True)
    world.site.rate = rate = 600_000
    dice, runs = random.Random(4), 10
    lost = []
    for _ in range(runs):
        sent, kept = world.site.sent, world.received()
        process = subprocess.Popen(world.command("--jobs", str(CONNECTIONS)), stdout=subprocess.DEVNULL)
        time.sleep(dice.uniform(0.3, 1.2))
        process.kill()
        process.wait()
        time.sleep(0.2)  # what the server still sends goes nowhere
        lost.append(world.site.sent - sent - (world.received() - kept))
    world.site.rate = 0
    world.check(world.fetch(), failed=set())
    twice = world.site.sent - sum(sizes)
    with capsys.disabled():
        print(f"\n{runs} kills: {twice} of {sum(sizes)} bytes sent twice, at most {max(lost)} at one kill")
    # At this speed a buffer is what a tenth of a second brings, and as much may be on its way.
    buffer = int(0.1 * rate)
    assert max(lost) <= CONNECTIONS * 2 * buffer
    assert twice <= sum(lost) + 10 * SMALL


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly_and_the_next_call_resumes(world: World, number: signal.Signals) -> None:
    world.add("a.onnx", LARGE)
    world.site.rate = 2_000_000
    process = subprocess.Popen(world.command(), stderr=subprocess.PIPE, text=True)
    wait_until(lambda: world.site.sent > 1_000_000)
    began = time.monotonic()
    process.send_signal(number)
    _, errors = process.communicate(timeout=10)
    assert process.returncode == 128 + number
    assert time.monotonic() - began < 3
    assert errors == "visomaster-fetch: stopped; the next call resumes\n"
    assert world.state["status"] == "failed"
    before, world.site.rate = world.site.sent, 0.0
    world.check(world.fetch(), failed=set())
    assert world.site.sent - before < LARGE - 500_000


def test_a_damaged_unfinished_file_is_not_believed(world: World) -> None:
    data = world.add("a.onnx", LARGE)
    world.site.script["/a.onnx"] = [Fault(), *[Fault(cut=3_000_000)] * 30]
    assert world.fetch() in (0, 1)
    if (world.store / "a.onnx").exists():
        (world.store / "a.onnx").unlink()
    for damage in ("truncated part", "foreign map", "bytes changed"):
        world.site.script["/a.onnx"] = [Fault(), *[Fault(cut=1_000_000), Fault(status=404)]]
        world.fetch()
        part = world.store / "a.onnx.part"
        assert part.exists()
        if damage == "truncated part":
            os.truncate(part, 1000)
        elif damage == "foreign map":
            (world.store / "a.onnx.part.map").write_bytes(os.urandom(500))
        else:
            with part.open("r+b") as stream:
                stream.write(b"damage")
        world.site.script.clear()
        world.check(world.fetch(), failed=set())
        assert (world.store / "a.onnx").read_bytes() == data
        (world.store / "a.onnx").unlink()


def test_what_lies_behind_a_gap_is_proven_as_it_is_in_the_end(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A part with a gap and damage behind it, and a server that now sends nothing but whole files: what the answer
    writes over must be what is hashed."""
    monkeypatch.setattr(engine, "BUFFER", 16 * 1024)  # reads then end where units do
    data = world.add("a.onnx", LARGE, say_size=True)
    world.arguments()
    world.store.mkdir()
    part = Part(world.store / "a.onnx", hashlib.sha256(data).hexdigest(), LARGE)
    part.write(UNIT, data[UNIT : 2 * UNIT])
    part.write(2 * UNIT, data[2 * UNIT :])
    part.close()
    world.site.always["/a.onnx"] = Fault(no_range=True, other=data[:-7] + b"damaged")
    world.check(world.fetch(), failed={"a.onnx"})


def test_a_long_proof_is_no_standstill(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last file's hash or sync may take long on a slow disk."""
    prove = Part.prove

    def slowly(part: Part) -> None:
        time.sleep(4)  # longer than the end waits for its threads
        prove(part)

    monkeypatch.setattr(engine, "QUIET", 2)
    monkeypatch.setattr(Part, "prove", slowly)
    world.add("a.onnx")
    world.check(world.fetch(), failed=set())


def test_hashing_shows_and_keeps_what_it_has_done(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a kill, or with --verify, gigabytes are hashed before anything is fetched."""
    world.add("a.onnx")
    world.add("b.onnx")
    world.check(world.fetch(), failed=set())
    seen: list[str] = []
    good = cli.is_good

    def slowly(file: ModelFile, *places: Any, **how: Any) -> bool:
        if file.path.endswith("b.onnx"):
            wait_until(lambda: world.state["status"] == "running" and kept() == ["model_assets/a.onnx"])
            seen.append(file.path)
        return good(file, *places, **how)

    def kept() -> list[str]:
        return list(json.loads((world.store / ".verified.json").read_text())["files"])

    (world.store / ".verified.json").write_text('{"schema":1,"files":{}}')
    monkeypatch.setattr(cli, "SAVE_EVERY", 0.0)
    monkeypatch.setattr(cli, "is_good", slowly)
    monkeypatch.setattr(cli.os, "cpu_count", lambda: 1)
    assert world.fetch() == 0
    assert seen


# -- sharing


def test_two_fetchers_at_once_fetch_everything_once(world: World) -> None:
    world.add("a.onnx", LARGE)
    world.add("b.onnx")
    world.site.rate = 4_000_000
    both = [subprocess.Popen(world.command(), stdout=subprocess.PIPE, text=True) for _ in range(2)]
    outputs = [process.communicate(timeout=30)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert sum("another fetch is using" in output for output in outputs) == 1
    assert world.site.sent <= LARGE + SMALL + 2
    world.check(0, failed=set())


def test_a_complete_store_that_is_read_only_is_good_enough(world: World) -> None:
    """A store mounted read-only into several containers; an incomplete one is named."""
    world.add("a.onnx")
    assert world.fetch() == 0
    world.add("b.onnx", group="optional")
    world.root.chmod(0o755)
    with read_only(world.store):
        complete = unprivileged(world, "--no-link")
        assert (complete.returncode, complete.stderr) == (0, "")
        lacking = unprivileged(world, "--no-link", "--group", "required", "optional")
        assert lacking.returncode == 1
        assert lacking.stderr == f"visomaster-fetch: {world.store}: not writable, and files are missing\n"


@contextlib.contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Take the write permission away."""
    folder.chmod(0o555)
    try:
        yield
    finally:
        folder.chmod(0o755)


def unprivileged(world: World, *more: str) -> subprocess.CompletedProcess[str]:
    """Run the command as somebody who is not root (root may write to everything)."""
    command = [word for word in world.command(*more) if word != "--state" and not word.endswith("fetch.json")]
    who = {"user": 65534, "group": 65534} if os.geteuid() == 0 else {}
    if who:
        # pytest's temporary folders are closed to others.
        for folder in [world.root, *world.root.parents][:3]:
            folder.chmod(0o755)
        command[0] = "/usr/bin/python3"  # the running one may lie in root's home
    return subprocess.run(command, capture_output=True, text=True, timeout=30, **who)


def test_it_works_unprivileged(world: World) -> None:
    if os.geteuid() == 0:
        for folder in (world.store, world.tree):
            folder.mkdir()
            os.chown(folder, 65534, 65534)
    world.add("folder/a.onnx")
    done = unprivileged(world)
    assert (done.returncode, done.stderr) == (0, "")
    assert (world.store / "folder/a.onnx").stat().st_mode & 0o777 == 0o644
    assert (world.tree / "model_assets/folder/a.onnx").is_symlink()


# -- nothing to do


def test_a_second_run_asks_nobody_and_changes_nothing(world: World) -> None:
    world.add("a.onnx")
    assert world.fetch() == 0
    asked, before = len(world.site.requests), sorted((p.name, p.stat().st_mtime_ns) for p in world.store.iterdir())
    assert world.fetch() == 0
    assert len(world.site.requests) == asked
    assert sorted((p.name, p.stat().st_mtime_ns) for p in world.store.iterdir()) == before


def test_verify_finds_what_size_and_mtime_hide(world: World) -> None:
    data = world.add("a.onnx")
    assert world.fetch() == 0
    path = world.store / "a.onnx"
    status = path.stat()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert world.fetch() == 0
    assert path.read_bytes() != data, "the record is believed"
    world.check(world.fetch("--verify"), failed=set())


def test_a_changed_or_missing_file_takes_the_marker_away(world: World) -> None:
    world.add("a.onnx")
    assert world.fetch() == 0
    (world.store / "a.onnx").write_bytes(b"short")
    world.site.always["/a.onnx"] = Fault(status=404)
    assert world.fetch() == 1
    assert not world.marker.exists()


def test_files_somebody_copied_are_taken_after_hashing(world: World) -> None:
    data = world.add("a.onnx")
    world.store.mkdir()
    (world.store / "a.onnx").write_bytes(data)
    world.check(world.fetch(), failed=set())
    assert not world.site.requests


def test_a_damaged_record_is_no_reason_to_fetch_again(world: World) -> None:
    world.add("a.onnx")
    assert world.fetch() == 0
    asked = len(world.site.requests)
    (world.store / ".verified.json").write_text('{"files": [1]}')
    world.check(world.fetch(), failed=set())
    assert len(world.site.requests) == asked


# -- choosing


def test_groups_and_patterns_choose(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.add("a.onnx")
    world.add("lp/b.onnx")
    world.add("c.pth", group="optional")
    assert world.fetch("--only", "b.onnx") == 0
    assert not world.marker.exists(), "the required set is not complete yet"
    assert world.fetch("--only", "model_assets/*.pth") == 0
    assert world.fetch("--only", "a.*") == 0
    assert world.marker.exists()
    assert {p.name for p in world.store.rglob("*.*") if p.name[0] != "."} == {"a.onnx", "b.onnx", "c.pth"}
    assert world.fetch("--only", "nothing*") == 2
    assert "--only: no file of the manifest matches 'nothing*'" in capsys.readouterr().err
    assert world.fetch("--group", "all") == 2
    assert "--group: expected one of required, optional, dependencies, got 'all'" in capsys.readouterr().err


def test_an_optional_file_that_fails_leaves_the_required_set_verified(world: World) -> None:
    world.add("a.onnx")
    world.add("c.pth", group="optional")
    world.site.always["/c.pth"] = Fault(status=404)
    world.check(world.fetch("--group", "required", "optional"), failed={"c.pth"})


def test_a_store_below_folders_that_are_not_there_is_made(world: World) -> None:
    """MODELS_DIR on an empty volume."""
    world.add("a.onnx")
    deep = world.root / "volume/of/mine"
    assert world.fetch("--store", str(deep)) == 0
    assert (deep / "a.onnx").is_file()


def test_dependencies_go_to_their_own_folder(world: World) -> None:
    data = world.add("ffmpeg.exe", group="dependencies")
    world.entries[0]["path"] = "dependencies/ffmpeg.exe"
    assert world.fetch("--group", "dependencies") == 0
    assert (world.root / "dependencies/ffmpeg.exe").read_bytes() == data
    assert not (world.tree / "dependencies").exists()


def test_dry_run_and_check_touch_nothing(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.add("a.onnx", LARGE)
    world.add("b.onnx", say_size=True)
    assert world.fetch("--dry-run") == 0
    assert f"2 files to fetch, {LARGE + SMALL} bytes\n" in capsys.readouterr().out
    asked = len(world.site.requests)
    assert world.fetch("--check") == 1
    missing = ["model_assets/a.onnx", "model_assets/b.onnx", str(world.marker)]
    assert capsys.readouterr().out.splitlines() == missing
    assert len(world.site.requests) == asked
    assert not world.store.exists()
    assert world.fetch() == 0
    assert world.fetch("--check") == 0
    (world.tree / "model_assets/a.onnx").unlink()
    assert world.fetch("--check") == 1
    assert world.fetch("--check", "--no-link") == 0


def test_only_a_fetch_loads_the_http_library() -> None:
    """It takes half as long to import as a check of 57 files takes in all."""
    import visomaster_host

    code = "import sys; sys.path.insert(0, sys.argv[1]); import visomaster_host.fetch; print('requests' in sys.modules)"
    library = str(Path(visomaster_host.__file__).parent.parent)
    done = subprocess.run([sys.executable, "-c", code, library], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_environment_gives_store_and_mirrors(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.add("a.onnx")
    arguments = world.arguments()[:-2]
    del arguments[arguments.index("--store") : arguments.index("--store") + 2]
    monkeypatch.setenv("MODELS_DIR", str(world.root / "volume"))
    monkeypatch.setenv("VISOMASTER_MIRRORS", f"http://other.invalid=http://127.0.0.1:9 {HOST}={world.base}")
    from visomaster_host.fetch import main

    assert main(arguments) == 0
    assert (world.root / "volume/.downloaded").exists()
    assert (world.tree / "model_assets/a.onnx").readlink() == world.root / "volume/a.onnx"


def test_a_shell_without_the_containers_variables_finds_store_and_mirrors(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SSH sessions on Vast have none of them; what visomaster-start was given is written down."""
    from visomaster_host import paths
    from visomaster_host.fetch import cli, main
    from visomaster_host.settings import Settings

    world.add("a.onnx")
    (world.root / "store").symlink_to(world.root / "volume")
    monkeypatch.setattr(paths, "MODEL_STORE", world.root / "store")
    monkeypatch.setattr(cli, "read_settings", lambda: Settings(mirrors=f"{HOST}={world.base}"))
    monkeypatch.setattr("os.geteuid", lambda: 0)
    arguments = world.arguments()[:-2]
    del arguments[arguments.index("--store") : arguments.index("--store") + 2]
    assert main(arguments) == 0
    assert (world.tree / "model_assets/a.onnx").readlink() == world.root / "volume/a.onnx"


def test_mirrors_of_the_last_start_are_for_root(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """They may hold a login: nobody else can read them, or is told so on every call."""
    from visomaster_host.fetch import cli

    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setattr(cli, "read_settings", lambda: pytest.fail("read"))
    assert cli.of_last_start() == {}


@pytest.mark.parametrize("target", ["http://127.0.0.1:808O", "http://127.0.0.1:99999", "http://[::1", "ftp://x/"])
def test_a_mirror_that_is_no_url_is_refused(world: World, capsys: pytest.CaptureFixture[str], target: str) -> None:
    world.add("a.onnx")
    assert world.fetch("--mirror", f"{HOST}={target}") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line == f"visomaster-fetch: mirror: expected FROM=TO with two URL prefixes, TO of {HOST!r} is not a URL"


def test_certificates_that_are_not_there_are_named(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once for each file, without a traceback and without an end that never comes."""
    for number in range(engine.PROBES + 3):
        world.add(f"{number}.onnx")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/ca.pem")
    assert world.fetch("--mirror", f"{HOST}={world.base.replace('http:', 'https:')}") == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == engine.PROBES + 3
    assert all("/nowhere/ca.pem" in line and line.startswith("visomaster-fetch: ") for line in lines)


@pytest.mark.parametrize("token", ["two words", "new\nline"])
def test_an_unusable_token_is_refused_without_being_shown(
    world: World, token: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HF_TOKEN", token)
    assert world.fetch() == 2
    assert capsys.readouterr().err == "visomaster-fetch: HF_TOKEN: expected printable characters without spaces\n"


# -- linking


def test_links_stand_beside_what_the_checkout_ships(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a.onnx", "lp/b.onnx", "mine.onnx", "linked.onnx", "dangling.onnx", "old.onnx"):
        world.add(name)
    assets = world.tree / "model_assets"
    (assets / "lp").mkdir(parents=True)
    (assets / "grid.so").write_text("shipped")
    (assets / "lp/mean.pkl").write_text("shipped")
    (assets / "mine.onnx").write_text("mine")
    (assets / "linked.onnx").symlink_to(assets / "mine.onnx")
    (assets / "dangling.onnx").symlink_to("/nowhere")
    (assets / "old.onnx").symlink_to(world.store / "a.onnx")
    assert world.fetch() == 0
    for name in ("a.onnx", "lp/b.onnx", "dangling.onnx", "old.onnx"):
        assert (assets / name).readlink() == world.store / name
    assert (assets / "grid.so").read_text() == (assets / "lp/mean.pkl").read_text() == "shipped"
    assert (assets / "mine.onnx").read_text() == "mine"
    assert (assets / "linked.onnx").readlink() == assets / "mine.onnx"
    assert (assets / "dfm_models").is_dir()
    kept = [line for line in capsys.readouterr().out.splitlines() if line.startswith("kept: ")]
    assert [line.split()[1] for line in kept] == [str(assets / "mine.onnx"), str(assets / "linked.onnx")]


def test_a_place_that_cannot_be_linked_fails(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.add("lp/b.onnx")
    (world.tree / "model_assets").mkdir(parents=True)
    (world.tree / "model_assets/lp").write_text("a file")
    assert world.fetch() == 1
    assert "is not a folder, a folder is needed there" in capsys.readouterr().err
    assert world.marker.exists(), "the store itself is complete"


# -- saying


def test_the_state_file_moves_while_bytes_arrive(world: World) -> None:
    world.add("a.onnx", LARGE)
    world.site.rate = 1_500_000
    process = subprocess.Popen(world.command(), stdout=subprocess.DEVNULL)
    path, seen = world.root / "fetch.json", []

    def finished() -> bool:
        with contextlib.suppress(FileNotFoundError):
            seen.append(json.loads(path.read_text()))
        return process.poll() is not None

    wait_until(finished, 30)
    running = [state for state in seen if state["status"] == "running" and state["bytes_done"]]
    assert len({state["bytes_done"] for state in running}) >= 2
    assert running[-1]["bytes_total"] == LARGE
    assert running[-1]["rate"] > 0
    assert any(state["eta"] for state in running)
    assert any(state["files"][0]["status"] == "fetching" for state in running)
    assert path.stat().st_mode & 0o777 == 0o644
    last = json.loads(path.read_text())
    assert (last["status"], last["bytes_done"], last["eta"]) == ("done", LARGE, None)
    file = {"path": "model_assets/a.onnx", "group": "required", "status": "done", "error": None}
    assert last["files"] == [{**file, "bytes_done": LARGE, "size": LARGE}]


def test_what_a_killed_fetch_has_left_counts_from_the_first_state_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The portal shows no fall back to zero, although sizes are asked for again."""
    world.add("a.onnx", LARGE)
    world.add("b.onnx", LARGE)
    world.site.rate = 2_000_000
    process = subprocess.Popen(world.command(), stdout=subprocess.DEVNULL)
    wait_until(lambda: world.site.sent > 6_000_000)
    process.kill()
    process.wait()
    left = sum(path.stat().st_blocks * 512 for path in world.store.glob("*.part"))
    assert left > 3_000_000
    world.site.rate = 0
    states: list[dict[str, object]] = []
    written = Reporter.write_state

    def record(reporter: Reporter, status: str) -> None:
        states.append(reporter.board.as_json(status))
        written(reporter, status)

    monkeypatch.setattr(Reporter, "write_state", record)
    world.check(world.fetch(), failed=set())
    assert states[0]["status"] == "running"
    assert states[0]["bytes_total"] is None, "the sizes were known already: this test shows nothing"
    assert states[0]["bytes_done"] == left


def test_bars_on_a_terminal(world: World) -> None:
    """Through a real pseudo terminal."""
    world.add("a.onnx", LARGE)
    world.site.rate = 3_000_000
    leader, follower = os.openpty()
    process = subprocess.Popen(world.command(), stdout=follower)
    os.close(follower)
    output = b""
    with contextlib.suppress(OSError):  # EIO: the other end is closed
        while piece := os.read(leader, 65536):
            output += piece
    os.close(leader)
    assert process.wait() == 0
    assert b"[####" in output
    assert b"\x1b[" in output
    assert b"100% 1 of 1 files" in output
