"""A program's source is brought by its user, whose repository may say what git runs."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from visomaster_host import paths
from visomaster_host.kept import at_start, linking
from visomaster_host.kept_entry import Kept

from operations.as_user import as_user
from operations.checkout import checkout_command, pattern_of
from operations.facts.checkout import PrivateFiles, private_command
from tests.unit.hostile import UID, USER, give
from tests.unit.test_host_facts import host

GIT = ("git", "-c", "user.name=x", "-c", "user.email=x", "-c", "init.defaultBranch=main")


def git(folder: Path, *words: str) -> str:
    """What git says, as somebody."""
    who = {"user": UID, "group": UID, "extra_groups": []}
    done = subprocess.run(
        [*GIT, "-C", str(folder), *words], capture_output=True, text=True, check=True, env={"HOME": "/"}, **who
    )
    return done.stdout.strip()


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    """A repository with one commit."""
    give(tmp_path / "origin")
    git(tmp_path / "origin", "init", "-q")
    git(tmp_path / "origin", "commit", "-q", "--allow-empty", "-m", "one")
    return tmp_path / "origin"


def bring(origin: Path, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run what the operation runs."""
    command = checkout_command(f"file://{origin}", git(origin, "rev-parse", "HEAD"), str(folder), USER)
    environment = {**os.environ, **variables}
    return subprocess.run(["sh", "-c", command], env=environment, capture_output=True, text=True, check=False)


def test_what_a_repository_runs_sees_no_secret(tmp_path: Path, origin: Path) -> None:
    """A hook that the program's user put into its own checkout."""
    folder = tmp_path / "program"
    give(folder, tmp_path / "said")
    git(folder, "init", "-q")
    hook = folder / ".git/hooks/post-checkout"
    hook.write_text(f"#!/bin/sh\n{{ id -un; env; }} >{tmp_path}/said/it\n")
    hook.chmod(0o755)
    done = bring(origin, folder, HF_TOKEN="canary", VNC_PASSWORD="canary", https_proxy="http://proxy.invalid:1")
    assert done.returncode == 0, done.stderr
    said = (tmp_path / "said/it").read_text()
    assert said.splitlines()[0] == USER
    assert "canary" not in said
    assert "https_proxy=http://proxy.invalid:1" in said, "git needs it to reach a server"


def no(origin: Path, folder: Path, url: str = "") -> str:
    """The one line by which bringing `url`, else `origin`, fails."""
    command = checkout_command(url or f"file://{origin}", git(origin, "rev-parse", "HEAD"), str(folder), USER)
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and done.stderr.count("\n") == 1, done.stderr
    return done.stderr.removeprefix("source: ").strip()


@pytest.fixture
def broken(origin: Path) -> tuple[Path, str]:
    """A repository that misses a file of its commit, and that file's name in it."""
    (origin / "file").write_text("content")
    git(origin, "add", "file")
    git(origin, "commit", "-q", "-m", "two")
    git(origin, "update-server-info")
    blob = git(origin, "rev-parse", "HEAD:file")
    (origin / ".git/objects" / blob[:2] / blob[2:]).unlink()
    return origin, blob


def test_a_repository_that_misses_an_object_is_no_source(tmp_path: Path, broken: tuple[Path, str]) -> None:
    """git says `error:` there and no `fatal:`. What came of it is no program: a second run says the same."""
    tmp_path.chmod(0o755)
    origin, blob = broken
    said = no(origin, tmp_path / "program")
    assert said.startswith(f"cannot fetch from file://{origin}: ") and f"unable to read {blob}" in said
    with served(origin) as url:
        for _ in range(2):
            said = no(origin, tmp_path / "plain", f"{url}/.git")
            assert said.startswith(f"cannot fetch from {url}/.git: Unable to find {blob} under {url}/.git; ")


def test_the_reason_is_gits_own(tmp_path: Path, origin: Path) -> None:
    """Whoever has it: git, its transport, or the server. What there is to do is said where it is known."""
    tmp_path.chmod(0o755)
    program = tmp_path / "program"
    subprocess.run(["git", "init", "-q", tmp_path / "roots"], check=True)
    theirs = no(origin, program, f"file://{tmp_path}/roots")
    assert f"detected dubious ownership in repository at '{tmp_path}/roots/.git'" in theirs
    assert theirs.endswith(f"run `git config --system --add safe.directory {tmp_path}/roots/.git` on the host")
    assert "does not appear to be a git repository" in no(origin, program, f"file://{tmp_path}/nowhere")
    assert "Connection refused" in no(origin, program, "ssh://git@127.0.0.1:9/x")
    assert "port 9" in no(origin, program, "https://127.0.0.1:9/x")
    with served(tmp_path, status=401) as url:
        assert f"could not read Username for '{url}': terminal prompts disabled" in no(origin, program, f"{url}/x")
    with served(tmp_path) as url:
        assert f"repository '{url}/x/' not found" in no(origin, program, f"{url}/x")


def test_what_keeps_a_checkout_from_its_commit_is_said(tmp_path: Path, origin: Path) -> None:
    """Not everything is a local change."""
    tmp_path.chmod(0o755)
    program = tmp_path / "program"
    assert bring(origin, program).returncode == 0
    (program / ".git/index.lock").touch()
    said = no(origin, program)
    assert said.endswith(
        f"Unable to create '{program}/.git/index.lock': File exists. Remove it if no other git is at work"
    )
    (program / ".git/index.lock").unlink()
    (program / ".git/config").write_text("[core\n")
    assert no(origin, program) == f"{program}: bad config line 1 in file {program}/.git/config"
    give(tmp_path / "mine")
    (origin / "file").write_text("theirs")
    git(origin, "add", "file")
    git(origin, "commit", "-q", "-m", "two")
    (tmp_path / "mine/file").write_text("mine")
    assert "has local changes that" in no(origin, tmp_path / "mine")
    assert (tmp_path / "mine/file").read_text() == "mine"


@contextmanager
def served(folder: Path, status: int | None = None) -> Iterator[str]:
    """The URL of a plain web server for `folder`, or of one that answers `status` alone."""

    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            if status is None:
                super().do_GET()
                return
            self.send_response(status)
            self.send_header("WWW-Authenticate", "Basic realm=x")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def test_a_program_in_somebodys_folder_is_refused(tmp_path: Path, origin: Path) -> None:
    """Root would make its folder there, and give it away."""
    give(tmp_path / "theirs")
    done = bring(origin, tmp_path / "theirs/program")
    assert done.returncode != 0
    assert f"{tmp_path}/theirs is not root's alone" in done.stderr
    assert not (tmp_path / "theirs/program").exists()


def test_a_new_checkout_is_its_users(tmp_path: Path, origin: Path) -> None:
    tmp_path.chmod(0o755)
    assert bring(origin, tmp_path / "program").returncode == 0
    assert {path.stat().st_uid for path in (tmp_path / "program", *(tmp_path / "program").rglob("*"))} == {UID}


def test_what_an_older_run_left_private_is_given_back(tmp_path: Path, origin: Path) -> None:
    """Under an umask of 077 git made files and folders that only their user reads; what is the user's own stays so."""
    git(origin, "init", "-q")
    (origin / "app").mkdir()
    for name in ("app/main.py", "run.sh"):
        (origin / name).write_text("#!/bin/sh\n")
    (origin / "run.sh").chmod(0o755)
    (origin / "link").symlink_to("/etc/shadow")
    subprocess.run(["chown", "-R", f"{UID}:{UID}", origin], check=True)
    git(origin, "add", "-A")
    git(origin, "commit", "-q", "-m", "two")
    folder = tmp_path / "program"
    assert bring(origin, folder).returncode == 0
    look = PrivateFiles().command(path=str(folder), user=USER).get_raw_value()
    heal = as_user(USER, *private_command(str(folder), "heal"))

    def sh(command: str) -> list[str]:
        return subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True).stdout.splitlines()

    assert sh(look) == []
    (folder / "outputs").mkdir(mode=0o700)
    for name, mode in {"app": 0o700, ".git": 0o700, "app/main.py": 0o600, "run.sh": 0o700}.items():
        (folder / name).chmod(mode)
    assert set(sh(look)) == {"./app", "./.git", "./app/main.py", "./run.sh"}
    sh(heal)
    assert sh(look) == []
    modes = {name: (folder / name).stat().st_mode & 0o777 for name in ("app", ".git", "app/main.py", "run.sh")}
    assert modes == {"app": 0o755, ".git": 0o755, "app/main.py": 0o644, "run.sh": 0o755}
    assert (folder / "outputs").stat().st_mode & 0o777 == 0o700


# -- what the program keeps is linked to elsewhere (visomaster_host/kept)


def commit(origin: Path, files: dict[str, str], *, without: str = "") -> None:
    """Another commit of `origin`, with these files."""
    for name, content in files.items():
        give((origin / name).parent)
        (origin / name).write_text(content)
    if without:
        git(origin, "rm", "-q", without)
    git(origin, "add", ".")
    git(origin, "commit", "-q", "-m", "more")


@pytest.fixture
def linked(tmp_path: Path, origin: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program that has started: it has presets of its commit, and a person's."""
    commit(origin, {"main.py": "one", "presets/shipped.json": "one", "presets/gone.json": "one"})
    tmp_path.chmod(0o755)
    for name in ("workspace", "home"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(paths, "PROGRAM", tmp_path / "program")
    monkeypatch.setattr(paths, "KEPT", tmp_path / "workspace/state")
    monkeypatch.setattr(paths, "HOME", tmp_path / "home")
    assert bring(origin, paths.PROGRAM).returncode == 0
    (paths.PROGRAM / ".git/info").mkdir(exist_ok=True)
    hidden = [pattern_of(path) for path in (linking.OURS, "presets", "settings.json", "last_workspace.json")]
    (paths.PROGRAM / ".git/info/exclude").write_text("\n".join(hidden))
    start()
    (paths.PROGRAM / "presets/mine.json").write_text("mine")
    (paths.PROGRAM / "presets/shipped.json").write_text("changed by me")
    (paths.PROGRAM / "settings.json").write_text("mine")
    for path in (paths.PROGRAM, *paths.PROGRAM.rglob("*")):
        os.chown(path, UID, UID, follow_symlinks=False)
    return tmp_path / "workspace/state/sandbox"


def start() -> None:
    """The program is started."""
    presets = Kept(path="presets", folder=True)
    files = (Kept(path=path, folder=False) for path in ("settings.json", "last_workspace.json"))
    at_start.prepare(host(state=(presets, *files)))


def texts(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in sorted(folder.glob("*.json"))}


def test_another_commit_passes_the_links_and_what_is_new_of_it_arrives(origin: Path, linked: Path) -> None:
    """It changes a preset, brings one, drops one, and has a file where there was but a link."""
    files = {"main.py": "two", "presets/shipped.json": "two", "presets/new.json": "two", "settings.json": "two"}
    commit(origin, files, without="presets/gone.json")
    before = texts(linked / "presets")
    done = bring(origin, paths.PROGRAM)
    assert done.returncode == 0, done.stderr
    assert git(paths.PROGRAM, "rev-parse", "HEAD") == git(origin, "rev-parse", "HEAD")
    assert git(paths.PROGRAM, "status", "--porcelain") == ""
    assert texts(linked / "presets") == before, "nothing that is kept was touched"
    assert (paths.PROGRAM / "last_workspace.json").is_symlink(), "of which no commit has a file"
    assert bring(origin, paths.PROGRAM).returncode == 0
    start()
    assert (paths.PROGRAM / "presets").readlink() == linked / "presets"
    assert texts(linked / "presets") == {
        "gone.json": "one",
        "mine.json": "mine",
        "new.json": "two",
        "shipped (from the image).json": "two",
        "shipped.json": "changed by me",
    }
    assert texts(linked) == {"settings.json": "mine", "settings (from the image).json": "two"}


def test_a_person_s_own_change_of_the_program_is_refused_as_ever(origin: Path, linked: Path) -> None:
    """Links are none, and are there again after the next start."""
    (paths.PROGRAM / "main.py").write_text("mine")
    commit(origin, {"main.py": "two"})
    assert "has local changes" in no(origin, paths.PROGRAM)
    assert (paths.PROGRAM / "main.py").read_text() == "mine"
    start()
    assert texts(linked / "presets")["shipped.json"] == "changed by me"
    assert (paths.PROGRAM / "presets").is_symlink()


@pytest.mark.parametrize("path", ["plain", "a[b]*?\\c", "two words"])
def test_a_pattern_names_its_path_alone(tmp_path: Path, path: str) -> None:
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    (tmp_path / ".git/info/exclude").write_text(f"{pattern_of(path)}\n")
    for name in (path, "ab", "ax"):
        (tmp_path / name).touch()
    status = ["git", "-C", str(tmp_path), "status", "--porcelain", "-z"]
    found = subprocess.run(status, capture_output=True, text=True, check=True).stdout
    assert found.split("\0")[:-1] == ["?? ab", "?? ax"]
