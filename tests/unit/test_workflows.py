"""The workflows are what the table of variants and the guide say."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from release.image import Release
from spec.here import ROOT
from spec.variant import VARIANTS

WORKFLOWS = ROOT / ".github" / "workflows"
BY_HAND: dict[str, Any] = {"workflow_dispatch": None}
TRIGGERS: dict[str, dict[str, Any]] = {
    "default": {"push": {"branches": ["main"]}},
    "alt": BY_HAND,
    "s-def": BY_HAND,
    "s-alt": BY_HAND,
}
"""As the guide has them."""

COMMIT = "c" * 40


def workflow(name: str) -> dict[Any, Any]:
    """A workflow; YAML 1.1 reads the key `on` as true."""
    found = yaml.safe_load((WORKFLOWS / f"{name}.yml").read_text())
    return {"on" if key is True else key: value for key, value in found.items()}


def files() -> list[str]:
    return sorted(path.stem for path in WORKFLOWS.iterdir())


def test_one_workflow_for_each_variant_beside_the_common_ones() -> None:
    assert files() == sorted([*(f"build-{name}" for name in VARIANTS), "image", "test"])


@pytest.mark.parametrize("name", VARIANTS)
def test_a_workflow_builds_its_variant_when_the_guide_says_so(name: str) -> None:
    found = workflow(f"build-{name}")
    (job,) = found["jobs"].values()
    assert found["on"] == TRIGGERS[name]
    assert job["uses"] == "./.github/workflows/image.yml"
    assert job["with"] == {"variant": name}
    assert job["secrets"] == {key: f"${{{{ secrets.{key} }}}}" for key in ("DOCKERHUB_USERNAME", "DOCKERHUB_TOKEN")}


@pytest.mark.parametrize("name", VARIANTS)
def test_a_workflow_names_the_tags_that_it_pushes(name: str) -> None:
    first_line = (WORKFLOWS / f"build-{name}.yml").read_text().splitlines()[0]
    assert re.findall(r"`([^`]+)`", first_line) == list(VARIANTS[name].tags("<sha>"))


@pytest.mark.parametrize("name", VARIANTS)
def test_what_is_pushed_has_the_tags_of_the_table(name: str) -> None:
    release = Release(variant=VARIANTS[name], repository="someone/visomaster", commit=COMMIT)
    assert release.references == tuple(f"someone/visomaster:{tag}" for tag in reversed(VARIANTS[name].tags(COMMIT)))


def test_the_images_go_to_the_accounts_repository() -> None:
    job = workflow("image")["jobs"]["image"]
    assert job["env"] == {
        "VARIANT": "${{ inputs.variant }}",
        "COMPRESSION": "${{ inputs.compression }}",
        "REPOSITORY": "${{ secrets.DOCKERHUB_USERNAME }}/visomaster",
    }


def test_nothing_is_pushed_before_it_was_tested() -> None:
    runs = [step["run"] for step in workflow("image")["jobs"]["image"]["steps"] if "run" in step]
    assert runs == [
        "make runner",
        "make image CACHE=registry ATTEST=yes",
        "make verify-image GPU=none",
        "make login",
        "make push",
        "make cache",
        "make logout",
    ]


def test_the_token_is_on_disk_only_to_push() -> None:
    """Builds and tests run what others wrote. No step but the login has it, and it is taken away whatever happened."""
    job = workflow("image")["jobs"]["image"]
    steps = {step["run"]: step for step in job["steps"] if "run" in step}
    assert [run for run, step in steps.items() if "DOCKERHUB_TOKEN" in str(step)] == ["make login"]
    assert "DOCKERHUB_TOKEN" not in str(job["env"])
    assert steps["make logout"]["if"] == "always()"


def test_pull_requests_are_checked_as_on_a_desk() -> None:
    found = workflow("test")
    assert found["on"] == {"pull_request": None}
    assert [step["run"] for step in found["jobs"]["test"]["steps"] if "run" in step] == ["make lint", "make test"]


@pytest.mark.parametrize("name", files())
def test_what_a_workflow_may_do(name: str) -> None:
    """Nothing by default. Actions are pinned by commit, the checkout keeps no credentials, and every job ends."""
    text, found = (WORKFLOWS / f"{name}.yml").read_text(), workflow(name)
    assert found["permissions"] == {}
    for job in found["jobs"].values():
        assert job["permissions"] == {"contents": "read"}
        assert "timeout-minutes" in job or job["uses"].startswith("./")
        checkouts = [step for step in job.get("steps", []) if step.get("uses", "").startswith("actions/checkout@")]
        assert [step["with"]["persist-credentials"] for step in checkouts] == [False] * len(checkouts)
    if name != "image":  # its callers have one for each variant
        assert "concurrency" in found
    for line in re.findall(r"uses: (?!\./)(.*)", text):
        assert re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line), line


def test_every_target_a_workflow_runs_is_in_the_makefile() -> None:
    makefile = (ROOT / "Makefile").read_text()
    runs = [run for path in WORKFLOWS.iterdir() for run in re.findall(r"run: make (\S+)", Path(path).read_text())]
    assert runs and [target for target in runs if not re.search(rf"^{target}:.* ## ", makefile, re.MULTILINE)] == []
