"""Requirement sets, and what uv says about them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operations.remote import uv_said
from spec import requirements
from spec.here import ROOT
from spec.requirements import Text

MARKERS = {"python_version": "3.10", "sys_platform": "linux"}
HASH = f"sha256:{'a' * 64}"
LOCKED = f"""
# a comment
Py_Thing==1.2 \\
    --hash={HASH} \\
    --hash=sha256:{"b" * 64}
torch==2.4.1+cu124 --hash={HASH}  # why
"""


def names(wanted: list[requirements.Wanted]) -> list[str]:
    return [one.name for one in wanted]


def test_a_locked_set_is_read_with_its_hashes() -> None:
    wanted = requirements.parse(LOCKED, "set.txt")
    assert names(wanted) == ["py-thing", "torch"]
    assert wanted[0].hashes == (HASH, f"sha256:{'b' * 64}")
    assert all(one.is_locked for one in wanted)
    assert wanted[1].line == f"torch==2.4.1+cu124 --hash={HASH}"


@pytest.mark.parametrize("text", ["kornia", "a==1", f"a>=1 --hash={HASH}", f"a==1.* --hash={HASH}"])
def test_a_set_that_leaves_a_choice_is_not_locked(text: str) -> None:
    assert not requirements.parse(text, "set.txt")[0].is_locked


def of(index: str, text: str, *build: str) -> Text:
    return Text(name=f"{index}.txt", text=text, index=index, build=build)


def test_a_run_of_uv_has_one_index() -> None:
    """Of several any may answer for a package of another."""
    sets = [of("main", f"numpy==1 --hash={HASH}\nloose==1"), of("other", f"torch==2 --hash={HASH}\ntriton==3")]
    wanted = requirements.merge(sets)
    runs = [
        (run.index, run.locked, [line.split()[0] for line in run.lines]) for run in requirements.batches(wanted, wanted)
    ]
    assert runs == [
        ("main", True, ["numpy==1"]),
        ("main", False, ["loose==1"]),
        ("other", True, ["torch==2"]),
        ("other", False, ["triton==3"]),
    ]


def test_what_is_built_comes_after_what_it_is_built_with() -> None:
    text = f"front==1 --hash={HASH}\nsetuptools==80 --hash={HASH}"
    wanted = requirements.merge([of("main", text, "Front")])
    runs = [(run.build, [line.split()[0] for line in run.lines]) for run in requirements.batches(wanted, wanted)]
    assert runs == [((), ["setuptools==80"]), (("front",), ["front==1"])]
    with pytest.raises(ValueError, match=r"^main\.txt: expected gone in it, which is to be built$"):
        requirements.merge([of("main", text, "gone")])


def test_the_index_of_a_package_is_said_once() -> None:
    sets = [of("main", "six==1"), of("other", "six==1")]
    with pytest.raises(ValueError, match=r"^other\.txt: six from other, but main\.txt has it from main$"):
        requirements.merge(sets)


def test_locked_and_open_requirements_are_runs_of_their_own() -> None:
    """One hash makes uv demand a hash for all; upstream's CUDA sets have none."""
    wanted = requirements.parse(f"numpy==1.26.4 --hash={HASH}\ntorch==2.4.1+cu124\ntqdm", "set.txt")
    locked, unlocked = requirements.batches(wanted, wanted[:2])
    assert (locked.locked, locked.lines) == (True, (f"numpy==1.26.4 --hash={HASH}",))
    assert (unlocked.locked, unlocked.lines, unlocked.missing) == (False, ("torch==2.4.1+cu124", "tqdm"), 1)
    assert unlocked.constraints == ("numpy==1.26.4",)
    assert requirements.batches(wanted, []) == []


@pytest.mark.parametrize(
    "text",
    [
        "--index-url https://i.invalid",
        "a==1 --extra-index-url https://i.invalid",
        "-r other",
        "a = 1",
        "a==",
        "a @ https://i.invalid/a-1-py3-none-any.whl",
    ],
)
def test_what_is_no_requirement_is_refused(text: str) -> None:
    """An option on a requirement line may name an index, and an address there is where a package is taken from."""
    with pytest.raises(ValueError, match=r"^set\.txt: "):
        requirements.parse(text, "set.txt")


def test_sets_that_differ_about_a_package_are_refused() -> None:
    one, two = (Text(name=name, text="a==1", index="main") for name in ("one", "two"))
    assert names(requirements.merge([one, replace(two, text="A==1\nb==2")])) == ["a", "b"]
    with pytest.raises(ValueError, match=r"^two: a==2, but one wants a==1$"):
        requirements.merge([one, replace(two, text="a==2")])


@pytest.mark.parametrize(
    ("line", "installed", "is_missing"),
    [
        ("a==1.0", ["1"], False),
        ("a==1.0", ["2"], True),
        ("a==1.0", [], True),
        ("a==1.0", ["1.0", "2.0"], True),
        ("a", ["7.dev1"], False),
        ("torch==2.4.1+cu124", ["2.4.1+cpu"], True),
        ("torch==2.4.1+cu124", ["2.4.1+cu124"], False),
        ('a==1; python_version < "3.9"', [], False),
        ('a==1; sys_platform == "linux"', [], True),
    ],
)
def test_what_is_missing(line: str, installed: list[str], is_missing: bool) -> None:
    wanted = requirements.parse(line, "set.txt")
    assert bool(requirements.missing(wanted, {wanted[0].name: installed}, MARKERS)) is is_missing


@given(st.dictionaries(st.text("abcdef", min_size=1, max_size=6), st.integers(0, 99), max_size=9))
def test_nothing_is_missing_of_what_is_installed(versions: dict[str, int]) -> None:
    text = "\n".join(f"{name}=={version}" for name, version in versions.items())
    wanted = requirements.parse(text, "set.txt")
    installed = {name: [str(version)] for name, version in versions.items()}
    assert requirements.missing(wanted, installed, MARKERS) == []
    assert names(requirements.missing(wanted, {}, MARKERS)) == list(versions)


def test_the_uv_that_is_brought_is_the_one_that_tests_run() -> None:
    """Dependabot renews the other one alone: then `make lock`."""
    (ours,) = (one for one in requirements.parse((ROOT / "requirements-dev.txt").read_text(), "") if one.name == "uv")
    (brought,) = requirements.parse((ROOT / "operations/remote/uv.txt").read_text(), "uv.txt")
    assert (str(brought.requirement), brought.hashes) == (str(ours.requirement), ours.hashes)


UNREACHABLE = """error: Failed to fetch: https://i.invalid/simple/thing/
  cause: error sending request for url (https://i.invalid/simple/thing/)
  cause: client error (Connect)
  cause: dns error
  cause: failed to lookup address information: Name or service not known
"""
NO_SOLUTION = "error: No solution found when resolving dependencies\n  cause: Because "
WHY_UV_FAILED = {
    "another archive": (
        "error: Failed to download `six==1.17.0`\n  cause: Hash mismatch for `six==1.17.0`\n\n  Expected:",
        "six==1.17.0: its sha256 is not the one in the requirement set",
    ),
    "no version": (
        f"{NO_SOLUTION}there is no version of x==9 and you require x==9, we can conclude",
        "x==9: its index has no such version",
    ),
    "no package": (
        f"{NO_SOLUTION}x was not found in the package registry and you require x==9, we",
        "x: its index has no such package",
    ),
    "no wheel": (
        f"{NO_SOLUTION}x==9 has no usable wheels and you require x==9, we",
        "x==9: its index has no wheel for this Python",
    ),
    "a contradiction": (
        f"{NO_SOLUTION}a==1 depends on b<2\n         and you require b==2, it is unsatisfiable.\n\nhint: x",
        "Because a==1 depends on b<2 and you require b==2, it is unsatisfiable.",
    ),
    "a full disk": (
        "error: Failed to download `x==9`\n  cause: No space left on device (os error 28)",
        "no space left on device: free some and run again, the rest is installed then",
    ),
    "nobody answers": (
        UNREACHABLE,
        "https://i.invalid/simple/thing/ cannot be reached: "
        "failed to lookup address information: Name or service not known",
    ),
    "a login": (
        "error: Failed to fetch: https://u:secret@i.invalid/simple/x/\n  cause: HTTP status client error (403 Gone)",
        "Failed to fetch: https://i.invalid/simple/x/: its index refuses to give it (403)",
    ),
    "something else": ("warning: what\nerror: odd\n  cause: between\n  cause: very", "odd: very"),
    "no word of uv's": ("\nSegmentation fault\n", "Segmentation fault"),
    "nothing": ("", "uv failed without a message"),
}


@pytest.mark.parametrize("why", WHY_UV_FAILED)
def test_why_uv_failed_is_one_line(why: str) -> None:
    output, expected = WHY_UV_FAILED[why]
    assert uv_said.reason(output.splitlines()) == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("Downloading torch (797.1MiB)\n", "downloading torch, 797.1MiB"),
        ("   Building tensorrt-cu12==10.6.0\n", "building tensorrt-cu12==10.6.0"),
        ("Prepared 3 packages in 3.34s\n", "installing 3"),
        ("Prepared 1 package in 9ms\n", "installing 1"),
        (" Downloaded numpy\n", None),
        ("Resolved 3 packages in 248ms\n", None),
    ],
)
def test_only_what_a_person_waits_for_is_shown(line: str, expected: str | None) -> None:
    assert uv_said.progress_of(line) == expected
