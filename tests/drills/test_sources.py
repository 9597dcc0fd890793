"""Nothing can be fetched: the run says what and why, and what was there stays as it was."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.drills.box import Box, reason, unchanged

NOWHERE = "http://127.0.0.1:9"
"""The discard port: nothing listens there."""
COMMIT = "f" * 40


@pytest.fixture(autouse=True)
def outlives(resting: Box) -> Iterator[None]:
    """Whatever fails, the good state before it stays."""
    before = resting.good()
    yield
    assert resting.good() == before


def test_no_channel_can_be_reached(resting: Box) -> None:
    """Named, with its cause; the environment and its lock stay, and a run with the old channel has nothing to do."""
    said = reason(resting.apply("environment", f"channels={NOWHERE}/none"))
    assert said.startswith(f"environment: cannot read the channel {NOWHERE}/none/: Connection refused")
    assert unchanged(resting.apply("environment"))


def test_a_commit_that_is_not_there(resting: Box, asset_server: str) -> None:
    """The repository answers, but does not have it."""
    url = f"{asset_server}/git/sandbox.git"
    assert (
        reason(resting.apply("application", f"source={url}@{COMMIT}")) == f"source: commit {COMMIT} not found in {url}"
    )
    assert unchanged(resting.apply("application"))


def test_a_repository_that_cannot_be_reached(resting: Box) -> None:
    """git's own reason stands in the same line."""
    said = reason(resting.apply("application", f"source={NOWHERE}/own.git@{COMMIT}"))
    assert said.startswith(f"source: cannot fetch from {NOWHERE}/own.git: unable to access ")
    assert "Failed to connect to 127.0.0.1 port 9" in said


def test_a_cuda_library_that_is_there_twice(resting: Box) -> None:
    """A base image's own copy beside the environment's: the program would load either, so neither is chosen."""
    own = "/usr/local/cuda/lib64/libcudart.so.12"
    ours = resting.output("sh", "-c", "find /opt/conda -name libcudart.so.12 -type f").strip()
    resting.output("install", "-D", ours, own)
    try:
        said = reason(resting.apply("environment"))
        assert said == f"cuda: libcudart is there 2 times: {ours}, {own}; keep one"
    finally:
        resting.output("rm", "-r", "/usr/local/cuda")
    assert unchanged(resting.apply("environment"))


def test_a_cuda_library_that_a_package_of_the_base_image_brought(resting: Box) -> None:
    """As in NVIDIA's images: the package goes, the environment's own copy stays the only one."""
    lib, package = "/usr/local/cuda-12.4/targets/x86_64-linux/lib", "/tmp/cuda-cudart"
    resting.output(
        *("sh", "-euc"),
        f"install -D $(find /opt/conda -name libcudart.so.12 -type f) {package}{lib}/libcudart.so.12.4.127;"
        f"mkdir {package}/DEBIAN; ln -s cuda-12.4 {package}/usr/local/cuda;"
        f"ln -s targets/x86_64-linux/lib {package}/usr/local/cuda-12.4/lib64;"
        f"printf 'Package: cuda-cudart-12-4\\nVersion: 12.4.127\\nArchitecture: amd64\\nMaintainer: none\\n"
        f"Description: a copy\\n' >{package}/DEBIAN/control;"
        f"dpkg-deb -b {package} /tmp/cudart.deb >/dev/null; dpkg -i /tmp/cudart.deb >/dev/null;"
        f"rm -r {package} /tmp/cudart.deb",
    )
    applied = resting.apply("environment")
    assert applied.returncode == 0, applied.stderr
    assert "cuda: removing second copies: cuda-cudart-12-4" in applied.stderr
    assert resting.run("test", "-e", lib).returncode != 0
    assert unchanged(resting.apply("environment"))
