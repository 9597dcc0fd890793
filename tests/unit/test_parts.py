"""What of an environment is a layer of its own, and what an edit of a requirement set moves."""

from __future__ import annotations

from pathlib import Path

import pytest

from spec.environment import Accelerator, RequirementSet
from spec.layer import Part
from spec.parts import parts_of, up_to
from spec.requirements import parse

HASH = f"--hash=sha256:{'0' * 64}"
LOCKED = f"""\
small==1.0 {HASH}
    # via torch
torch==2.4.1 ; sys_platform == 'linux' \\
    {HASH}
nvidia-cublas-cu12==12.1 {HASH}
torchmetrics==1.0 {HASH}
"""
UNLOCKED = "torch==2.4.1+cu118\nnvidia-nccl-cu12==2.20\n"
BUILT = f"tensorrt-cu12==10.6.0 {HASH}\ntensorrt-cu12-libs==10.6.0 {HASH}\n"


def accelerator(folder: Path, *texts: str, build: tuple[str, ...] = ()) -> Accelerator:
    """One with a requirement set of each text; `build` is of the last."""
    sets = []
    for number, text in enumerate(texts):
        file = folder / f"{number}.txt"
        file.write_text(text)
        sets.append(RequirementSet(file=file, build=build if text is texts[-1] else ()))
    return Accelerator(name="cu124", requirements=tuple(sets), cuda_libraries=("libcublas.so.12",))


def lines(part: Part, one: Accelerator) -> dict[str, list[str]]:
    """What is left of each set up to `part`."""
    below, texts = up_to(part, one)
    assert [file.file for file in below.requirements] == list(texts)
    return {file.name: text.splitlines() for file, text in texts.items()}


def test_a_part_has_its_packages_and_those_below(tmp_path: Path) -> None:
    one = accelerator(tmp_path, LOCKED)
    cuda = [f"nvidia-cublas-cu12==12.1 {HASH}"]
    assert lines(Part.CUDA, one) == {"0.txt": cuda}
    assert lines(Part.TORCH, one) == {"0.txt": [f'torch==2.4.1; sys_platform == "linux" {HASH}', *cuda]}
    assert parts_of([one]) == (Part.CUDA, Part.TORCH)


def test_what_is_left_says_the_same_of_each_package(tmp_path: Path) -> None:
    """Version, marker and hashes: a later layer finds what it stands on, and brings nothing of it again."""
    below, texts = up_to(Part.TORCH, accelerator(tmp_path, LOCKED))
    (text,) = texts.values()
    assert {one.line for one in parse(text, "part")} < {one.line for one in parse(LOCKED, "all")}
    assert below.cuda_libraries == ()


def test_what_is_not_locked_or_is_built_comes_with_the_rest(tmp_path: Path) -> None:
    """uv resolves the one among all else, and builds the other with all else."""
    one = accelerator(tmp_path, UNLOCKED, BUILT, build=("tensorrt-cu12",))
    assert lines(Part.TORCH, one) == {"1.txt": [f"tensorrt-cu12-libs==10.6.0 {HASH}"]}
    assert up_to(Part.TORCH, one)[0].requirements[0].build == ()
    assert parts_of([one]) == (Part.CUDA,)
    assert lines(Part.CUDA, accelerator(tmp_path, UNLOCKED)) == {}


@pytest.mark.parametrize(
    ("old", "new", "moves"),
    [
        ("small==1.0", "small==1.1", set()),
        ("# via torch", "# via torch, small", set()),
        ("torchmetrics==1.0", "torchmetrics==1.1", set()),
        ("torch==2.4.1", "torch==2.5.0", {Part.TORCH}),
        ("cublas-cu12==12.1", "cublas-cu12==12.2", {Part.CUDA, Part.TORCH}),
    ],
)
def test_an_edit_moves_the_part_of_its_package_and_what_is_above(
    old: str, new: str, moves: set[Part], tmp_path: Path
) -> None:
    before = {part: lines(part, accelerator(tmp_path, LOCKED)) for part in Part}
    assert old in LOCKED
    after = {part: lines(part, accelerator(tmp_path, LOCKED.replace(old, new))) for part in Part}
    assert {part for part in Part if before[part] != after[part]} == moves


def test_a_malformed_set_is_refused_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^0\.txt: '--index-url x': expected a requirement, no option"):
        up_to(Part.CUDA, accelerator(tmp_path, "--index-url x\n"))
