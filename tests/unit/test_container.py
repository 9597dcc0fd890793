"""Which container this is, and what a copy of one does not take over."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from visomaster_host import container, credentials, environment, mounts, paths, prepare, store
from visomaster_host.environment import Environment
from visomaster_host.files import Owner, ensure_directory
from visomaster_host.problems import Problem

from tests.unit.test_host_facts import host

ME = Owner(uid=os.getuid(), gid=os.getgid())
FIRST, COPY = "1" * 64, "2" * 64

OVERLAY = "153 100 0:61 / / rw,relatime master:4 - overlay overlay rw,lowerdir=/l,upperdir=/graph/{0}/diff,workdir=/w\n"
HOSTNAME = "171 153 254:0 /graph/containers/{0}/hostname /etc/hostname rw - ext4 /dev/vda rw,discard\n"
DISK = "25 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,discard\n"
STRANGER = "170 25 254:0 / /graph/{0}/merged rw - overlay overlay rw,upperdir=/graph/{0}/diff\n"
VOLUME = "172 153 254:0 /docker/volumes/{0}/_data {1} rw,relatime - ext4 /dev/vda rw,discard\n"

Mounted = Callable[[str], None]


@pytest.fixture
def mounted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mounted:
    """A host's files elsewhere; and what the kernel says of its mounts."""
    monkeypatch.setattr(paths, "MOUNTS", tmp_path / "mountinfo")
    monkeypatch.setattr(paths, "ENGINE_MARKS", (tmp_path / "dockerenv",))
    for name in ("STATE", "PORTAL", "STAND_INS"):
        monkeypatch.setattr(paths, name, tmp_path / name.lower())
    for name in ("SECRETS", "SESSIONS", "CERTIFICATES", "CONTAINER"):
        monkeypatch.setattr(paths, name, paths.STATE / name.lower())
    monkeypatch.setattr(paths, "SETTINGS", tmp_path / "settings.json")
    for module in (store, environment, container):
        monkeypatch.setattr(module, "ROOT", ME)
    for module in (store, container):
        monkeypatch.setattr(module, "ensure_directory", lambda path, mode: ensure_directory(path, mode=mode, owner=ME))
    return lambda text: (tmp_path / "mountinfo").write_text(text) and None


def started(access: str = "portal") -> str:
    """The secret after a start."""
    container.begin_anew()
    environment.keep(Environment(), host(access=access))
    secret = store.read_secret(store.PORTAL_TOKEN if access == "portal" else store.VNC_PASSWORD)
    assert secret is not None
    return secret


@pytest.mark.parametrize(
    "text",
    [
        OVERLAY.format("a") + HOSTNAME.format(FIRST),
        HOSTNAME.format(FIRST).replace("/etc/hostname", "/etc/hosts"),
        DISK + HOSTNAME.format(FIRST).replace("/graph", "/run/containers/storage"),
    ],
)
def test_an_engine_names_the_container(mounted: Mounted, text: str) -> None:
    """Whatever its host name and its file system are."""
    mounted(text)
    assert container.identity() == FIRST


def test_where_no_engine_names_it_its_file_system_does(mounted: Mounted) -> None:
    mounted(OVERLAY.format("a"))
    first = container.identity()
    assert first == container.identity() != "machine"
    mounted(OVERLAY.format("b"))
    assert container.identity() != first


def test_a_machine_is_none_whatever_runs_on_it(mounted: Mounted, tmp_path: Path) -> None:
    for text in (DISK, DISK + STRANGER.format(FIRST), "", "no such line\n"):
        mounted(text or "\n")
        assert container.identity() == "machine"
    (tmp_path / "mountinfo").unlink()
    assert container.identity() == "machine"
    (tmp_path / "dockerenv").touch()
    assert container.identity() not in ("machine", "")


@pytest.mark.parametrize("access", ["portal", "vnc"])
def test_a_copy_has_a_secret_of_its_own(mounted: Mounted, access: str) -> None:
    """The first keeps its own, over restarts; what was generated is gone from the copy."""
    mounted(OVERLAY.format("a") + HOSTNAME.format(FIRST))
    first = started(access)
    for folder in (paths.SESSIONS, paths.CERTIFICATES, paths.PORTAL):
        folder.mkdir()
        (folder / "live").touch()
    assert started(access) == first
    assert (paths.SESSIONS / "live").exists()
    mounted(OVERLAY.format("b") + HOSTNAME.format(COPY))
    assert container.is_a_copy()
    second = started(access)
    assert second != first
    assert not any(folder.exists() for folder in (paths.SESSIONS, paths.CERTIFICATES, paths.PORTAL))
    assert first not in "".join(path.read_text() for path in paths.STATE.rglob("*") if path.is_file())
    assert started(access) == second


@pytest.mark.parametrize("wanted", [None, "a token of my own"])
def test_a_secret_that_was_changed_is_of_one_container_too(mounted: Mounted, wanted: str | None) -> None:
    mounted(HOSTNAME.format(FIRST))
    started()
    environment.renew(host(access="portal"), wanted)
    changed = store.read_secret(store.PORTAL_TOKEN)
    assert started() == changed
    mounted(HOSTNAME.format(COPY))
    assert started() != changed


def test_before_its_first_start_a_copy_has_no_credentials(mounted: Mounted) -> None:
    mounted(HOSTNAME.format(FIRST))
    started()
    mounted(HOSTNAME.format(COPY))
    with pytest.raises(Problem, match="run visomaster-start first"):
        credentials.stored(host(access="portal"))


def test_a_secret_that_is_given_stays_as_it_is(mounted: Mounted) -> None:
    for name in (FIRST, COPY):
        mounted(HOSTNAME.format(name))
        container.begin_anew()
        environment.keep(Environment(portal_token="sixteen or longer"), host(access="portal"))
        assert store.read_secret(store.PORTAL_TOKEN) == "sixteen or longer"


def test_a_machine_keeps_its_secret(mounted: Mounted) -> None:
    """Also one that an earlier version has set up, which noted nothing; so does a container with that."""
    for text in (DISK, HOSTNAME.format(FIRST)):
        mounted(text)
        first = started()
        paths.CONTAINER.unlink()
        assert store.read_secret(store.PORTAL_TOKEN) == first
        assert started() == first
        paths.CONTAINER.unlink()


def test_what_is_on_a_volume_is_the_volumes(mounted: Mounted) -> None:
    """It is in no copy, and outlives the container because somebody keeps it; but files that a copy brought to a new
    volume are another container's."""
    mounted(OVERLAY.format("a") + HOSTNAME.format(FIRST))
    of_container = started()
    volume = VOLUME.format("state", paths.STATE)
    mounted(OVERLAY.format("b") + HOSTNAME.format(COPY) + volume)
    of_volume = started()
    assert of_volume != of_container
    mounted(OVERLAY.format("c") + HOSTNAME.format("3" * 64) + volume)
    assert started() == of_volume


@pytest.mark.parametrize(
    ("path", "root"),
    [("/workspace/a/b", "/docker/volumes/w/_data"), ("/workspaces", "/"), ("/workspace", "/two words")],
)
def test_the_mount_of_a_path_is_the_last_and_deepest(mounted: Mounted, path: str, root: str) -> None:
    mounted(OVERLAY.format("a") + VOLUME.format("w", "/workspace"))
    if root == "/two words":
        mounted(
            OVERLAY.format("a") + VOLUME.format("w", path) + f"9 1 0:1 /two\\040words {path} rw - ext4 /dev/vda rw\n"
        )
    found = mounts.mount_of(Path(path))
    assert found is not None and found.root == root
    assert found.is_volume is ("volumes" in root)


@pytest.mark.parametrize("same", [True, False])
def test_sessions_of_another_images_pages_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, same: bool) -> None:
    """On a volume that outlives the image: its pages had a number of their own, and ours could write nothing there."""
    for name in ("FRONT", "VNC", "STREAM", "FILES", "PAGES", "SESSIONS"):
        monkeypatch.setattr(paths, name, tmp_path / name.lower())
    paths.SESSIONS.mkdir()
    (paths.SESSIONS / "live").touch()
    pages = ME if same else Owner(uid=ME.uid + 1, gid=ME.gid)
    monkeypatch.setattr(prepare, "owner_of", lambda name: pages)
    monkeypatch.setattr(prepare, "ensure_directory", lambda path, mode, owner: path.mkdir(exist_ok=True))
    prepare._make_portal_directories()
    assert [path.name for path in paths.SESSIONS.iterdir()] == (["live"] if same else [])
