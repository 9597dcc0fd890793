"""Requirement sets that were not installed to the end, with the real uv against an index of this machine's loopback."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import venv
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from operations.facts.uv import InstalledPackages, PythonPackages
from operations.remote import uv_requirements
from operations.remote.uv_requirements import WORK
from spec import requirements
from tests.e2e.fake_index import Index, index, wheel

NAMES = ("one", "two")


class Box:
    """An environment, the set that is wanted for it, and the index it comes from."""

    def __init__(self, folder: Path, served: Index) -> None:
        self.folder, self.served = folder, served
        self.python = folder / "environment/bin/python"
        venv.create(folder / "environment", with_pip=False)
        lines = [f"{name}==1 --hash={served.add(name, wheel(name, '1', name))}" for name in NAMES]
        self.wanted = requirements.merge([requirements.Text(name="set", text="\n".join(lines), index=served.url)])

    @property
    def site(self) -> Path:
        (found,) = self.folder.glob("environment/lib/python3*/site-packages")
        return found

    @property
    def work(self) -> Path:
        return self.folder / WORK

    def state(self) -> PythonPackages:
        """What the fact says, by its own command."""
        command = InstalledPackages().command(str(self.python)).get_raw_value()
        done = subprocess.run(command, shell=True, capture_output=True, text=True, check=True)
        state = InstalledPackages().process(done.stdout.splitlines())
        assert state is not None
        return state

    def missing(self) -> list[str]:
        state = self.state()
        return [one.name for one in requirements.missing(self.wanted, state.installed, state.markers)]

    def install(self) -> int:
        """What the operation does."""
        state = self.state()
        lacking = requirements.missing(self.wanted, state.installed, state.markers)
        batches = [asdict(batch) for batch in requirements.batches(self.wanted, lacking)]
        return uv_requirements.run({"python": str(self.python), "batches": batches, "uv": "", "index": "default"})

    def tree(self) -> dict[str, str]:
        """Every file of the environment with the digest of its content, short of bytecode, which holds times."""
        files = [path for path in (self.folder / "environment").rglob("*") if path.is_file() and path.suffix != ".pyc"]
        return {str(path.relative_to(self.folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Box]:
    for name in [name for name in os.environ if name.startswith(("PIP_", "UV_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setattr(uv_requirements, "bring_uv", lambda *_: Path(sys.executable).with_name("uv"))
    with index() as served:
        yield Box(tmp_path, served)


def cut_off(box: Box) -> None:
    """Leave what a killed run leaves beside the environment."""
    box.work.mkdir(mode=0o700)
    (box.work / "boot").write_text(Path("/proc/sys/kernel/random/boot_id").read_text())


HALF: dict[str, Callable[[Box], object]] = {
    "a file is not linked yet": lambda box: (box.site / "one.py").unlink(),
    "a file is not whole": lambda box: (box.site / "one.py").write_text("S"),
    "the record is the wheel's own": lambda box: (
        (box.site / "one-1.dist-info/INSTALLER").unlink(),
        (box.site / "one-1.dist-info/RECORD").write_text("one.py,,\none-1.dist-info/RECORD,,\n"),
    ),
    "the record is half": lambda box: (box.site / "one-1.dist-info/RECORD").write_text("one.py,,\n"),
    "there is no record": lambda box: (
        (box.site / "one-1.dist-info/RECORD").unlink(),
        (box.site / "one-1.dist-info/INSTALLER").unlink(),
    ),
    "bytecode is half": lambda box: (box.site / "__pycache__/one.cpython-311.pyc.140012345").write_text("half"),
    "a whole one is not compiled yet": lambda box: (
        (box.site / "one.py").unlink(),
        [path.unlink() for path in box.site.glob("__pycache__/*")],
    ),
    "all was done": lambda box: None,
}


@pytest.mark.parametrize("half", HALF)
def test_what_was_cut_off_is_made_whole(box: Box, half: str) -> None:
    """uv brings a wheel's RECORD with its other files: after a kill it proves nothing."""
    assert box.install() == 0
    whole = box.tree()
    cut_off(box)
    HALF[half](box)
    assert box.state().pending
    assert box.missing() == ([] if half in ("bytecode is half", "all was done") else ["one"])
    assert box.install() == 0
    assert (box.tree(), box.missing(), box.state().pending) == (whole, [], False)
    assert sorted(path.name for path in box.folder.iterdir()) == ["environment"]
    assert {path.stat().st_nlink for path in box.site.glob("*.py")} == {1}
    compiled = [path.name for path in box.site.glob("__pycache__/*")]
    assert sorted(compiled) == [f"{name}.{sys.implementation.cache_tag}.pyc" for name in NAMES]


def test_what_two_packages_share_stays_with_the_whole_one(box: Box) -> None:
    """NVIDIA's wheels all bring nvidia/__init__.py."""
    assert box.install() == 0
    cut_off(box)
    record = box.site / "one-1.dist-info/RECORD"
    record.write_text(f"two.py,,\n../../../bin/python,,\n../../../../outside,,\n{record.read_text()}")
    (box.folder / "outside").touch()
    (box.site / "one.py").unlink()
    place = uv_requirements.Place(python=str(box.python), prefix=box.folder / "environment", site=box.site)
    uv_requirements.repair(place)
    assert ((box.site / "two.py").exists(), (box.folder / "outside").exists(), record.exists()) == (True, True, False)


@pytest.mark.parametrize("rebooted", [False, True])
def test_nothing_is_fetched_twice_unless_the_machine_was_started_anew(
    box: Box, rebooted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was written before a machine went down may not have reached its disk."""
    with monkeypatch.context() as patched:
        patched.setattr(uv_requirements, "end", lambda place: None)
        assert box.install() == 0
    assert box.work.stat().st_mode & 0o777 == 0o700
    (box.site / "one.py").unlink()
    if rebooted:
        (box.work / "boot").write_text("another\n")
    box.served.asked.clear()
    assert box.install() == 0
    assert any(path.startswith("/files/one/") for path in box.served.asked) == rebooted
    assert (box.site / "one.py").read_text() == "SAYS = 'one'\n"
    assert sorted(path.name for path in box.folder.iterdir()) == ["environment"]


def test_what_pip_installed_is_not_installed_again(box: Box) -> None:
    """An environment of an earlier release: no work folder, and pip's records."""
    archive = box.folder / wheel("one", "1", "one")[0]
    archive.write_bytes(wheel("one", "1", "one")[1])
    target = ["--python", str(box.python), "install", "--quiet", "--no-index", str(archive)]
    subprocess.run([sys.executable, "-I", "-m", "pip", "--disable-pip-version-check", *target], check=True)
    assert (box.site / "one-1.dist-info/INSTALLER").read_text() == "pip\n"
    assert box.missing() == ["two"]
    cut_off(box)
    assert box.missing() == ["two"], "after a run that was cut off, too"


def test_two_installations_at_once_are_refused(box: Box, capsys: pytest.CaptureFixture[str]) -> None:
    place = uv_requirements.Place(python=str(box.python), prefix=box.folder / "environment", site=box.site)
    with uv_requirements.alone(place):
        assert box.install() == 1
    assert capsys.readouterr().err == f"packages: another installation into {place.prefix} is running\n"
    assert not box.work.exists()


@pytest.mark.parametrize("trusted", [False, True])
def test_what_has_no_hash_does_not_come_over_an_open_line(
    box: Box, trusted: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Anybody on the way could answer; pip looked away from such an index as well."""
    monkeypatch.setenv("PIP_INDEX_URL", "http://user:secret@index.invalid/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    if trusted:
        monkeypatch.setenv("PIP_TRUSTED_HOST", "index.invalid")
    box.wanted = requirements.merge([requirements.Text(name="set", text="one", index="default")])
    assert box.install() == 1
    refused = "packages: http://index.invalid/simple: expected https, or hashes in the requirement set\n"
    said = capsys.readouterr().err
    assert (said == refused, "secret" in said) == (not trusted, False)
