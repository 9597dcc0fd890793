"""What scripts that use apt make of a box's own sources, and of a full disk. Each runs with mounts of its own."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from operations.remote import HERE

APT = """#!/bin/sh
# Reads its sources as apt does, and prints those it has read.
parts=$(sed -n 's/^Dir::Etc::sourceparts "\\(.*\\)";/\\1/p' "${APT_CONFIG:-/dev/null}")
if [ -n "$parts" ]; then set -- "$parts"/*; else set -- /etc/apt/sources.list /etc/apt/sources.list.d/*; fi
if cat "$@" 2>/dev/null | grep -q bad; then echo "E: The repository 'bad' is not signed."; exit 100; fi
if [ "$(cat "$@" 2>/dev/null | grep -c one)" -gt 1 ]; then echo "E: Conflicting values set for one"; exit 100; fi
cat "$@" 2>/dev/null | grep -v '^#' >"$READ"
"""
RUN = (HERE / "apt_run.sh").read_text(encoding="utf-8")
READ_LISTS = f"""
set -eu
mount --bind "$1/etc" /etc/apt
PATH="$1/bin:$PATH"
scratch=$(mktemp -d -p "$1")
{RUN}
read_lists
"""
DEBIAN = "Types: deb\nURIs: one\nSuites: bookworm\n\nTypes: deb\nURIs: two\nSuites: bookworm\n"


@pytest.fixture
def box(tmp_path: Path) -> Path:
    """A stand-in for apt, and the sources it reads."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/apt-get").write_text(APT)
    (tmp_path / "bin/apt-get").chmod(0o755)
    (tmp_path / "etc/sources.list.d").mkdir(parents=True)
    return tmp_path


def in_mounts_of_its_own(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run `script` with $1 = `folder`; what it mounts is seen by it alone."""
    return subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, "test", str(folder)],
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "READ": str(folder / "read")},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_sources_that_can_be_read_are_not_touched(box: Path) -> None:
    (box / "etc/sources.list").write_text("deb one\n")
    done = in_mounts_of_its_own(READ_LISTS, box)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (box / "read").read_text() == "deb one\n"


def test_what_is_broken_is_left_out_entry_by_entry(box: Path) -> None:
    """Lines, paragraphs, and an entry at odds with one of the distribution's: that one is read first."""
    (box / "etc/sources.list").write_text("# the owner's\ndeb three\n\ndeb bad\n")
    (box / "etc/sources.list.d/another.list").write_text("deb one\ndeb four\n")
    (box / "etc/sources.list.d/debian.sources").write_text(DEBIAN)
    (box / "etc/sources.list.d/x.sources").write_text("Types: deb\nURIs: bad\nSuites: x\n")
    (box / "etc/sources.list.d/empty.list").write_text("")
    before = {path: path.read_text() for path in (box / "etc").rglob("*") if path.is_file()}
    done = in_mounts_of_its_own(READ_LISTS, box)
    assert (done.returncode, done.stderr) == (0, "")
    folder = "apt: going on without an entry of /etc/apt/sources.list"
    assert done.stdout.splitlines() == [
        f"{folder}: E: The repository 'bad' is not signed.",
        f"{folder}.d/another.list: E: Conflicting values set for one",
        f"{folder}.d/x.sources: E: The repository 'bad' is not signed.",
    ]
    read = {line.split()[1] for line in (box / "read").read_text().splitlines() if line.startswith(("deb ", "URIs:"))}
    assert read == {"one", "two", "three", "four"}
    assert {path: path.read_text() for path in before} == before, "the box's own files stay"


def test_a_box_without_any_good_source_is_refused_with_the_reason(box: Path) -> None:
    (box / "etc/sources.list").write_text("deb bad\n")
    done = in_mounts_of_its_own(READ_LISTS, box)
    assert (done.returncode, done.stderr) == (1, "E: The repository 'bad' is not signed.\n")


def test_what_was_left_out_is_told_with_a_failure(box: Path) -> None:
    (box / "etc/sources.list").write_text("deb one\n")
    (box / "etc/sources.list.d/x.list").write_text("deb bad\ndeb bad\n")
    script = f"{READ_LISTS}\nrun sh -c 'echo E: Unable to locate package x; exit 100'"
    done = in_mounts_of_its_own(script, box)
    assert done.returncode == 1
    assert done.stderr == "E: Unable to locate package x (without /etc/apt/sources.list.d/x.list)\n"


@pytest.mark.parametrize("place", ["/tmp", "/var/cache/apt", "/var/lib/apt"])
def test_a_full_folder_is_named(box: Path, place: str) -> None:
    """What apt prints of it is cut off with it, where it is the folder of its output; else it names a file."""
    full = f"mount -t tmpfs -o size=64k tmpfs {place}\nscratch=$(mktemp -d)\ncat /dev/zero >{place}/fill || true"
    script = f"set -eu\n{RUN}\n{full} 2>/dev/null\nrun sh -c 'echo E: write error - No space left on device; exit 1'"
    done = in_mounts_of_its_own(script, box)
    assert (done.returncode, done.stderr.splitlines()[-1]) == (1, f"E: no space left on {place}")
