"""Locks and URLs of the Conda environment: what is read, compared and mapped without a host."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operations import conda
from operations.facts.conda import EnvironmentState
from operations.remote.conda_errors import one_line
from operations.remote.conda_lock import inputs_digest, lock_inputs, lock_platforms, locked_packages
from operations.remote.mirrors import swap_prefix

SPECS, CHANNELS = ["python 3.10.*", "pip"], ["https://channel.invalid/main"]
DIGEST = inputs_digest(SPECS, CHANNELS)
NAMES = st.text(string.ascii_lowercase, min_size=1, max_size=8)
PACKAGES = st.dictionaries(
    NAMES.map(lambda name: f"{name}-1.0-h0_0.conda"),
    st.integers(0, 2**256 - 1).map(lambda number: f"{number:064x}"),
    max_size=8,
)


def lock_of(packages: dict[str, str], *, platform: str = "linux-64", digest: str = DIGEST) -> str:
    """A lock as rattler writes it, with our first line."""
    urls = {f"https://channel.invalid/main/{platform}/{name}": sha for name, sha in packages.items()}
    listed = "".join(f"      - conda: {url}\n" for url in urls)
    described = "".join(
        f"- conda: {url}\n  sha256: {sha}\n  depends:\n  - conda: no url\n" for url, sha in urls.items()
    )
    return (
        f"# inputs: sha256:{digest}\nversion: 7\nplatforms:\n- name: {platform}\nenvironments:\n  default:\n"
        f"    channels:\n    - url: https://channel.invalid/main/\n    packages:\n      {platform}:\n{listed}"
        f"packages:\n{described}"
    )


def state(packages: dict[str, str | None], lock: str | None, *, pending: bool = False) -> EnvironmentState:
    return EnvironmentState(machine="x86_64", packages=packages, pending=pending, lock=lock)


@given(PACKAGES)
def test_a_lock_says_what_it_holds(packages: dict[str, str]) -> None:
    lock = lock_of(packages)
    assert locked_packages(lock) == packages
    assert lock_platforms(lock) == ("linux-64",)
    assert lock_inputs(lock) == DIGEST


def test_a_lock_without_our_line_was_made_for_nothing_known() -> None:
    assert lock_inputs(lock_of({}).partition("\n")[2]) is None
    assert lock_inputs("") is None


def test_a_package_without_a_sha256_is_refused() -> None:
    lock = lock_of({"a-1.0-h0_0.conda": "0" * 64}).replace("  sha256: ", "  md5: ")
    with pytest.raises(ValueError, match=r"a-1\.0-h0_0\.conda has no sha256"):
        locked_packages(lock)


@given(st.permutations(SPECS))
def test_the_order_of_specs_is_nothing(specs: list[str]) -> None:
    assert inputs_digest(specs, CHANNELS) == DIGEST


def test_the_order_of_channels_is_their_priority() -> None:
    assert inputs_digest(SPECS, ["a", "b"]) != inputs_digest(SPECS, ["b", "a"])
    assert inputs_digest(SPECS, ["a/"]) == inputs_digest(SPECS, ["a"])


@given(PACKAGES, PACKAGES)
def test_an_environment_is_current_only_with_exactly_the_locked_packages(
    installed: dict[str, str], wanted: dict[str, str]
) -> None:
    lock = lock_of(wanted)
    same = set(installed.values()) == set(wanted.values())
    assert conda.is_current(state(dict(installed), lock), lock, DIGEST) is same


def test_what_speaks_against_an_environment() -> None:
    packages: dict[str, str | None] = {"a-1.0-h0_0.conda": "0" * 64}
    lock = lock_of({"a-1.0-h0_0.conda": "0" * 64})
    assert conda.is_current(state(packages, lock), lock, DIGEST)
    assert not conda.is_current(state(packages, lock, pending=True), lock, DIGEST)
    assert not conda.is_current(state(packages, None), lock, DIGEST)
    assert not conda.is_current(state(packages | {"b.json": None}, lock), lock, DIGEST)
    assert not conda.is_current(state(packages, lock), lock, "f" * 64)


def test_which_lock_holds() -> None:
    committed, own = lock_of({}), lock_of({"own-1-0.conda": "1" * 64})
    here = state({}, own)
    assert conda.lock_that_holds(committed, here, "linux-64", DIGEST) == committed
    assert conda.lock_that_holds(committed, here, "linux-aarch64", DIGEST) == own
    assert conda.lock_that_holds(None, here, "linux-64", DIGEST) == own
    assert conda.lock_that_holds(None, here, "linux-64", "other") is None
    assert conda.lock_that_holds(None, None, "linux-64", DIGEST) is None


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://a.invalid", "http://m"),
        ("https://a.invalid/x/y", "http://m/x/y"),
        ("https://a.invalid/deep/x", "file:///d/x"),
        ("https://a.invalid.evil/x", "https://a.invalid.evil/x"),
        ("https://b.invalid/x", "https://b.invalid/x"),
    ],
)
def test_a_mirror_replaces_the_longest_prefix_of_whole_segments(url: str, expected: str) -> None:
    mirrors = {"https://a.invalid": "http://m/", "https://a.invalid/deep/": "file:///d"}
    assert swap_prefix(url, mirrors) == expected


@given(NAMES, NAMES)
def test_a_mirror_can_be_taken_back(host: str, path: str) -> None:
    url = f"https://{host}.invalid/{path}"
    mirrored = swap_prefix(url, {f"https://{host}.invalid": "http://mirror.example/sub"})
    assert swap_prefix(mirrored, {"http://mirror.example/sub": f"https://{host}.invalid"}) == url


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("failed\nCaused by: one\nCaused by: two", "failed: two"),
        ("alone", "alone"),
        ("failed\nCaused by: No space left on device (os error 28)", "no space left on device"),
    ],
)
def test_an_error_becomes_one_line(text: str, expected: str) -> None:
    assert one_line(RuntimeError(text)).startswith(expected)
    assert "\n" not in one_line(RuntimeError(text))
