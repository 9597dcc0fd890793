"""Requirement sets, and what pip says about them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operations.remote import pip_requirements
from spec import requirements
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


def test_a_run_of_pip_has_one_index() -> None:
    """For pip several are equals: any of them may answer for a package of another."""
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
    """One hash makes pip demand a hash for all; upstream's CUDA sets have none."""
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
    """pip ignores an index option on a requirement line without a word, and takes a package from any address there."""
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


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        (
            [
                "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.",
                "    six==1.17.0 from https://i.invalid/six.whl (from -r set.txt (line 1)):",
                "        Expected sha256 aaa",
                "             Got        bbb",
            ],
            "six==1.17.0: its sha256 is not the one in the requirement set",
        ),
        (
            ["ERROR: Could not find a version", "ERROR: No matching distribution found for x==9"],
            "No matching",
        ),
        (["ERROR: [Errno 28] No space left on device"], "no space left on device"),
        (["/bin/python: No module named pip"], "the environment has no pip"),
        (["what", "ERROR: odd"], "odd"),
        ([], "pip failed without a message"),
    ],
)
def test_why_pip_failed_is_one_line(output: list[str], expected: str) -> None:
    assert pip_requirements.reason(output).startswith(expected)
    assert "\n" not in pip_requirements.reason(output)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "  Downloading https://i.invalid/a/torch-2.4.whl (797.1 MB)\n",
            "downloading torch-2.4.whl, 797.1 MB",
        ),
        ("  Downloading torch-2.4.whl (797.1 MB)\n", "downloading torch-2.4.whl, 797.1 MB"),
        ("Installing collected packages: a, b, c\n", "installing 3"),
        ("Collecting a\n", None),
    ],
)
def test_only_what_a_person_waits_for_is_shown(line: str, expected: str | None) -> None:
    assert pip_requirements.progress_of(line) == expected
