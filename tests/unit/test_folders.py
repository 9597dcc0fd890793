"""Folders that the program cannot write are told, and volumes of older images are its own again."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from visomaster_host import folders, paths, ready, users, volumes, work_folders
from visomaster_host.files import Owner
from visomaster_host.host import Host
from visomaster_host.portal.report import Readiness, Sources, report
from visomaster_host.problems import Warned
from visomaster_host.service import Result

from tests.unit.test_host_facts import ME, host

ROOT = os.geteuid() == 0
PROGRAM = Owner(uid=65534, gid=65534) if ROOT else ME
"""Whom the program runs as here: root tries as somebody else, as on a host."""
OLD, NEW = 1000, 3717
MOUNT = "172 153 254:0 {0} {1} {2},relatime - ext4 /dev/vda rw,discard\n"


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The program's folders elsewhere, its own and writable."""
    for folder in (tmp_path, *list(tmp_path.parents)[:2]):
        folder.chmod(0o755)  # pytest's own, which nobody else may enter
    monkeypatch.setattr(folders, "ROOT", ME)
    names = ("workspace", "program", "home")
    for name in names:
        (tmp_path / name).mkdir()
        os.chown(tmp_path / name, PROGRAM.uid, PROGRAM.gid)
    monkeypatch.setattr(paths, "WORKSPACE", tmp_path / "workspace")
    monkeypatch.setattr(paths, "OF_DESKTOP", tuple(tmp_path / name for name in names))
    monkeypatch.setattr(paths, "UNWRITABLE", tmp_path / "unwritable.json")
    monkeypatch.setattr(paths, "MODEL_STORE", tmp_path / "models")
    monkeypatch.setattr(paths, "FETCH_STATE", tmp_path / "fetch.json")
    monkeypatch.setattr(paths, "MOUNTS", tmp_path / "mountinfo")
    monkeypatch.setattr(folders, "owner_of", lambda name: PROGRAM)
    return tmp_path


def close(folder: Path) -> None:
    """Have `folder` be one that the program cannot write."""
    folder.chmod(0o555)
    os.chown(folder, *((1005, 1005) if ROOT else (-1, -1)))


def test_folders_of_its_own_are_no_news(places: Path) -> None:
    assert folders.look(host()) == {}
    assert folders.kept_by_program(host()) == "the program can write where it saves"
    assert not (places / "unwritable.json").exists()
    assert [path for name in ("workspace", "home") for path in (places / name).iterdir()] == [], "nothing is left there"


def test_one_of_somebody_elses_is_told(places: Path) -> None:
    """The folder, whose it is, and what to do, in one line; and no longer than it is so."""
    workspace = places / "workspace"
    close(workspace)
    status = workspace.stat()
    [line] = folders.look(host()).values()
    mine = f"{PROGRAM.uid}:{PROGRAM.gid}"
    assert line == (
        f"{workspace} belongs to {status.st_uid}:{status.st_gid} (mode 555), {users.DESKTOP} ({mine}) can save nothing"
        f" there: run chown {mine} {workspace} as root"
    )
    with pytest.raises(Warned, match="can save nothing"):
        folders.kept_by_program(host())
    workspace.chmod(0o777)
    assert folders.look(host()) == {}


def test_it_is_tried_whatever_the_owner_is(places: Path) -> None:
    """One of a group, or open to all, is as good as an own one."""
    (places / "workspace").chmod(0o777)
    if ROOT:
        os.chown(places / "workspace", 1005, 1005)
    assert folders.look(host()) == {}


def test_one_that_is_missing_is_told(places: Path) -> None:
    (places / "home").rmdir()
    [line] = folders.look(host()).values()
    assert line == f"{places}/home: No such file or directory: {users.DESKTOP} can save nothing there"


def test_one_that_is_mounted_read_only_is_told(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No owner could help there."""
    if ROOT:
        monkeypatch.setattr(paths, "OF_DESKTOP", (Path("/sys/fs"),))
    monkeypatch.setattr(folders, "_refused", lambda attempt, paths, user: list(paths) * (attempt == "-w"))
    monkeypatch.setattr(os, "statvfs", lambda descriptor: os.statvfs_result((0,) * 8 + (os.ST_RDONLY, 0)))
    [line] = folders.look(host()).values()
    assert "is mounted read-only" in line and line.endswith(": mount it with :rw")


def test_what_is_mounted_in_the_workspace_is_tried_too(places: Path) -> None:
    """But not what is mounted there to be read, nor a file."""
    for name in ("out", "in"):
        (places / "workspace" / name).mkdir()
        close(places / "workspace" / name)
    (places / "workspace/file").touch()
    mounts = [("out", "rw"), ("in", "ro"), ("file", "rw")]
    lines = [MOUNT.format("/theirs", places / "workspace" / name, mode) for name, mode in mounts]
    (places / "mountinfo").write_text("".join(lines))
    assert list(folders.look(host())) == [str(places / "workspace/out")]


def test_a_store_that_the_fetch_cannot_write_is_told(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless it has all that is wanted; a host that has its models needs none."""
    if not ROOT:
        return  # it is root that fetches
    (places / "store").mkdir()
    (places / "models").symlink_to(places / "store")
    monkeypatch.setattr(os, "access", lambda path, mode, **options: False)
    assert folders.look(host()) == {}
    assert list(folders.look(host(models="start"))) == [f"{places}/store"]
    (places / "fetch.json").write_text('{"status": "done"}')
    assert folders.look(host(models="start")) == {}


def test_a_store_that_the_program_cannot_read_is_told(places: Path) -> None:
    """It is fetched by root; on a volume of somebody's its folder may be theirs alone."""
    (places / "models").mkdir(mode=0o755)
    assert folders.look(host()) == {}
    (places / "models").chmod(0o300)
    [line] = folders.look(host()).values()
    assert line.endswith(f"so the program finds no models: run chmod a+rx {places}/models as root")


def test_the_portals_pages_know_what_root_has_found(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They may not become the program's user."""
    (places / "unwritable.json").write_text(
        json.dumps([{"folder": "/workspace", "told": "/workspace belongs to 1005:1005"}])
    )
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(Warned, match="belongs to 1005:1005"):
        folders.kept_by_program(host())
    (places / "unwritable.json").write_text("{")
    assert folders.kept_by_program(host()) == "the program can write where it saves"


def test_a_warning_keeps_nobody_from_the_desktop(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def warn(host: Host) -> str:
        raise Warned("/workspace belongs to 1005:1005")

    monkeypatch.setattr(ready, "checks_for", lambda host: [(ready.Check(name="folders", probe=warn), "some")])
    assert ready.wait_until_ready(host(), 0, ready.print_lines) == 0
    assert capsys.readouterr().out == "warning folders: /workspace belongs to 1005:1005\n"
    assert ready.wait_until_ready(host(), 0, ready.print_json) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["ready"], found["checks"][0]["ok"], found["checks"][0]["warning"]) == (True, True, True)


def test_the_portal_shows_a_warning_as_a_notice(tmp_path: Path) -> None:
    """On each of its pages, beside those of its own; the JSON of what is well is as it was."""
    (tmp_path / "portal.json").write_text(json.dumps({"notices": ["PORTAL_CONFIG"]}))
    warning = Result(name="folders", ok=True, detail="/workspace belongs to 1005:1005", warning=True)
    readiness = Readiness(lambda: (Result(name="x", ok=True), warning))
    found = report(Sources(readiness=readiness, description=tmp_path / "portal.json", host=tmp_path, folders={}))
    assert found["notices"] == ["PORTAL_CONFIG", "/workspace belongs to 1005:1005"]
    assert found["ready"] is True
    assert found["checks"][0] == {"name": "x", "ok": True, "detail": ""}
    assert found["checks"][1]["warning"] is True


# -- the shape of the workspace


def shaped(places: Path) -> list[str]:
    """What is said while the folders of the workspace are made, as root."""
    return list(work_folders.make(PROGRAM))


@pytest.fixture
def workspace(places: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The workspace with its folders' names."""
    for name, folder in (("INPUT", "in"), ("OUTPUT", "out"), ("KEPT", "state")):
        monkeypatch.setattr(paths, name, places / "workspace" / folder)
    return places / "workspace"


def test_the_workspace_gets_its_shape_at_every_start(workspace: Path, places: Path) -> None:
    for _ in range(2):
        assert shaped(places) == []
        for name in ("in", "out", "state"):
            found = (workspace / name).stat()
            assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (PROGRAM.uid, PROGRAM.gid, 0o755)
        (workspace / "in").chmod(0o775)  # as a person may have it
        (workspace / "in").chmod(0o755)
    (workspace / "in/clip.mp4").touch()
    (workspace / "in").chmod(0o775)
    assert shaped(places) == []
    assert stat.S_IMODE((workspace / "in").stat().st_mode) == 0o775


def test_nothing_of_the_users_is_followed_or_given_away(workspace: Path, places: Path) -> None:
    """The program's user may have laid a link, or moved a folder of root's there."""
    (places / "secret").mkdir(mode=0o700)
    (workspace / "in").symlink_to(places / "secret")
    (workspace / "out").write_text("a file")
    (workspace / "state").mkdir()
    (workspace / "state/roots").touch()
    before = (workspace / "state").stat()
    said = shaped(places)
    assert len(said) == 2 and all("; going on: without " in line for line in said)
    assert str(workspace / "in") in said[0] and str(workspace / "out") in said[1]
    assert (places / "secret").stat().st_uid == os.geteuid()
    assert (workspace / "state").stat().st_uid == before.st_uid


@pytest.mark.parametrize(("root", "given"), [("/home/me/out", False), ("/var/lib/docker/volumes/out/_data", True)])
def test_a_folder_that_the_machine_lends_is_not_given_away(
    workspace: Path, places: Path, root: str, given: bool
) -> None:
    """An engine makes the folder of `-v ./out:/workspace/out` where there was none: it is root's, and a person's."""
    (workspace / "out").mkdir()
    (places / "mountinfo").write_text(MOUNT.format(root, workspace / "out", "rw"))
    assert shaped(places) == []
    assert ((workspace / "out").stat().st_uid == PROGRAM.uid) is (given or not ROOT)


def test_one_of_them_that_the_program_cannot_write_is_told(workspace: Path, places: Path) -> None:
    shaped(places)
    close(workspace / "state")
    assert list(folders.look(host())) == [str(workspace / "state")]


# -- volumes


@pytest.fixture
def owners(places: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], dict[str, int]]:
    """Volumes of an older image: who owns what is noted beside the files, so that nobody need be root to change it."""
    own: dict[tuple[int, int], int] = {}
    real = os.stat

    def noted(status: os.stat_result) -> os.stat_result:
        uid = own.get((status.st_dev, status.st_ino), OLD)
        return os.stat_result((*status[:4], uid, uid, *status[6:]), {"st_dev": status.st_dev})

    def chown(name: str, uid: int, gid: int, *, dir_fd: int, follow_symlinks: bool) -> None:
        assert not follow_symlinks
        status = real(name, dir_fd=dir_fd, follow_symlinks=False)
        own[status.st_dev, status.st_ino] = uid

    monkeypatch.setattr(volumes.os, "chown", chown)
    monkeypatch.setattr(volumes.Folder, "owner", property(lambda self: noted(os.fstat(self.descriptor))))
    status = volumes.Folder.status

    def status_of(self: volumes.Folder, name: str) -> os.stat_result | None:
        found = status(self, name)
        return None if found is None else noted(found)

    monkeypatch.setattr(volumes.Folder, "status", status_of)
    (places / "elsewhere").mkdir()
    (places / "workspace/deep/er").mkdir(parents=True)
    (places / "workspace/deep/er/file").touch()
    (places / "workspace/link").symlink_to(places / "elsewhere")
    os.mkfifo(places / "workspace/fifo", stat.S_IRUSR)
    return lambda: {path.name: noted(path.lstat()).st_uid for path in [places / "workspace", *places.rglob("*")]}


def taken(places: Path, root: str, uid: int = NEW) -> list[str]:
    (places / "mountinfo").write_text(MOUNT.format(root, places / "workspace", "rw"))
    return list(volumes.take_over(Owner(uid=uid, gid=uid)))


def test_a_volume_of_an_older_image_is_taken_over(places: Path, owners: Callable[[], dict[str, int]]) -> None:
    """With all that is in it, links themselves and not what they lead to; and once."""
    [line] = taken(places, "/var/lib/docker/volumes/mine/_data")
    assert line == f"{places}/workspace: a volume of an older image, 5 files in it now belong to visomaster ({NEW})"
    found = owners()
    assert {name for name, uid in found.items() if uid == NEW} == {"workspace", "deep", "er", "file", "link", "fifo"}
    assert found["elsewhere"] == OLD
    assert taken(places, "/var/lib/docker/volumes/mine/_data") == []


@pytest.mark.parametrize("root", ["/home/me/out", "/volumes/mine", "/", "/volumes/a/b/_data/c"])
def test_a_folder_of_the_machines_stays_as_it_is(places: Path, owners: Callable[[], dict[str, int]], root: str) -> None:
    """There the number is a person's; that the program cannot write it is told."""
    assert taken(places, root) == []
    assert set(owners().values()) == {OLD}


def test_one_that_cannot_be_changed_is_named(
    places: Path, owners: Callable[[], dict[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(name: str, *args: object, **options: object) -> None:
        raise PermissionError(1, "Operation not permitted", name)

    monkeypatch.setattr(volumes.os, "chown", refuse)
    [line] = taken(places, "/var/lib/docker/volumes/mine/_data")
    assert line.endswith(f"Operation not permitted; the volume {places}/workspace stays as it is")
