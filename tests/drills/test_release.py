"""A publication from the first step to the last: what the workflow's own steps leave at Docker Hub."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from release.image import Release, summary
from sandbox import desktop
from spec.variant import VARIANTS
from tests.drills.runner import ACCOUNT, SUMMARY, Runner, github_runner

VARIANT = "default"
DISK = "10"
"""GB. What the sandbox's application takes, image, build and cache together, is under 5."""

NO_MATCH = "test $? -le 2"
"""What grep says of a file without a match, or without a file."""

EDITED = "templates/etc/supervisor/conf.d/program.conf.j2"
COMMIT = "git -c user.name=somebody -c user.email=somebody@example.org commit --quiet --all --message=Edited"


@dataclass(frozen=True, kw_only=True)
class Publication:
    """The runner after the workflow, what is to be published, what each step printed, and those that left the token."""

    runner: Runner
    release: Release
    printed: dict[str, str]
    left_the_token: list[str]

    def at_hub(self, name: str, what: str) -> Any:
        """`what` of Manifest, SBOM or Provenance that the registry has for an image, as anybody can ask for it."""
        ask = f"docker buildx imagetools inspect {name} --format '{{{{json .{what}}}}}'"
        return json.loads(self.runner.bash(ask))


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory, asset_server: str) -> Iterator[Publication]:
    """The sandbox's application, published by the workflow's steps in their order."""
    mirrors = desktop.mirrors(asset_server)
    settings = {
        "APPLICATION": "sandbox",
        "BUILD_OPTIONS": f"'--build-arg=DATA=--data mirrors={mirrors}'",
        "VISOMASTER_MIRRORS": mirrors,
        "DISK": DISK,
    }
    with github_runner(tmp_path_factory.mktemp("checkout") / "visomaster", settings) as runner:
        printed, left = {}, []
        for step in runner.steps(VARIANT):
            printed[step.command] = runner.does(step)
            if runner.bash(f"grep -s '\"auth\"' ~/.docker/config.json || {NO_MATCH}"):
                left.append(step.command)
        commit = runner.bash("git rev-parse HEAD").strip()
        repository = f"{ACCOUNT}/visomaster"
        release = Release(variant=VARIANTS[VARIANT], repository=repository, commit=commit)
        yield Publication(runner=runner, release=release, printed=printed, left_the_token=left)


def test_every_name_leads_to_what_was_tested(published: Publication) -> None:
    """By its digest, which the summary gives as well."""
    digest = published.runner.bash(f"cat .state/verified/{VARIANT}").strip()
    assert [published.at_hub(name, "Manifest")["digest"] for name in published.release.references] == [digest] * 2
    expected = summary(published.release, f"{published.release.repository}@{digest}")
    assert published.runner.bash(f"cat {SUMMARY}") == expected


def test_the_sbom_lists_what_is_in_the_image(published: Publication) -> None:
    """Every package that dpkg has there."""
    name = published.release.references[0]
    listed = {package["name"] for package in published.at_hub(name, "SBOM")["SPDX"]["packages"]}
    query = f"docker run --rm --entrypoint=dpkg-query {name} --show --showformat='${{Package}}\\n'"
    assert listed == set(published.runner.bash(query).split())


def test_the_provenance_tells_how_the_image_was_built(published: Publication) -> None:
    """From which base and commit, and by which steps: these are in the long form (mode=max) alone."""
    found = published.at_hub(published.release.references[0], "Provenance")["SLSA"]
    assert any(material["uri"].startswith("pkg:docker/debian@bookworm-slim") for material in found["materials"])
    assert found["invocation"]["parameters"]["args"]["build-arg:REVISION"] == published.release.commit
    assert found["buildConfig"]["llbDefinition"]


def test_the_token_is_on_the_disk_only_to_push(published: Publication) -> None:
    """Builds and tests run what others wrote."""
    assert published.left_the_token == ["make login", "make push", "make cache"]


def test_the_token_is_written_nowhere(published: Publication) -> None:
    name = published.release.references[0]
    history = published.runner.bash(f"docker history --no-trunc {name}; docker image inspect {name}")
    provenance = json.dumps(published.at_hub(name, "Provenance"))
    checkout = published.runner.bash('grep -rlF -e "$TOKEN" . ~ || test $? = 1', {"TOKEN": published.runner.token})
    assert checkout == ""
    assert [text for text in (*published.printed.values(), history, provenance) if published.runner.token in text] == []


def test_zstd_is_another_packing_of_the_same_layers(published: Publication) -> None:
    """Built again it comes from the cache, so what it holds is what was tested; its ID is what is pushed."""
    runner, name = published.runner, published.release.references[0]
    layers = f"docker image inspect {name} --format '{{{{json .RootFS.Layers}}}}'"
    tested = runner.bash(layers)
    steps = {step.command.split()[1]: step for step in runner.steps(VARIANT)}
    with_zstd = {**steps["image"].environment, "COMPRESSION": "zstd"}
    runner.does(replace(steps["image"], environment=with_zstd))
    assert runner.bash(layers) == tested
    runner.bash(f"docker images --quiet --no-trunc {name} >.state/verified/{VARIANT}")  # the tests, once more, are slow
    for step in ("login", "push", "logout"):
        runner.does(steps[step])
    found = published.at_hub(name, "Manifest")
    assert found["digest"] == runner.bash(f"cat .state/verified/{VARIANT}").strip()
    raw = f"docker buildx imagetools inspect --raw {published.release.repository}@{found['manifests'][0]['digest']}"
    kinds = {layer["mediaType"] for layer in json.loads(runner.bash(raw))["layers"]}
    assert kinds == {"application/vnd.oci.image.layer.v1.tar+zstd"}


def test_the_next_commit_is_built_from_the_cache(published: Publication) -> None:
    """On a runner that has nothing of its own: only what was edited is made again, the layer and what it reads."""
    published.runner.bash("docker system prune --all --force --volumes && docker builder prune --all --force")
    published.runner.bash(f"echo '; edited' >>{EDITED} && {COMMIT}")
    (build,) = (step for step in published.runner.steps(VARIANT) if step.command.startswith("make image "))
    log = published.runner.does(build)
    stages = dict(re.findall(r"^#(\d+) \[(\S+) +\d+/\d+\] (?:RUN|COPY) ", log, re.MULTILINE))
    cached = set(re.findall(r"^#(\d+) CACHED$", log, re.MULTILINE))
    assert {stages[number] for number in stages.keys() - cached} == {"stages", f"services-{VARIANT}"}
