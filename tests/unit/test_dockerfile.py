"""The Dockerfile is what the tables say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from spec.application import load_application
from spec.dockerfile import Build, render
from spec.here import GUIDE, ROOT
from spec.layer import IMAGE_LAYERS, Layer
from spec.variant import VARIANTS


def test_the_committed_file_is_current() -> None:
    assert (ROOT / "Dockerfile").read_text() == render("visomaster"), "run `make dockerfile`"


def test_every_variant_is_a_target_with_its_port() -> None:
    stages = re.split(r"^FROM ", render("visomaster"), flags=re.MULTILINE)
    ports = {
        stage.split("\n")[0].split(" AS ")[1]: re.findall(r"^EXPOSE (\d+)", stage, re.MULTILINE) for stage in stages[1:]
    }
    assert {name: ports[name] for name in VARIANTS} == {name: [str(v.port)] for name, v in VARIANTS.items()}


def test_s_alt_shares_every_layer_of_s_def() -> None:
    text = render("visomaster")
    assert "FROM services-s-def AS s-def\n" in text and "FROM services-s-def AS s-alt\n" in text


@pytest.mark.parametrize("application", ["fusion", "sandbox", "visomaster"])
def test_what_a_layer_reads_is_there(application: str) -> None:
    """A missing path would fail the build after minutes."""
    build = Build(application=load_application(application))
    paths = {path for layer in IMAGE_LAYERS for path in (*build.common, *build.reads(layer))}
    assert [path for path in sorted(paths) if not (ROOT / path).exists()] == []


def test_only_the_services_see_the_guide() -> None:
    """It lies in a folder that the application's layer reads: without hiding it there an edit would check the program
    out anew, and every image would be pushed with it."""
    build = Build(application=load_application("visomaster"))
    guide = GUIDE.relative_to(ROOT)

    def sees(layer: Layer) -> bool:
        read = any(guide.is_relative_to(path) for path in (*build.common, *build.reads(layer)))
        return read and guide.as_posix() not in build.hides(layer)

    assert [layer for layer in IMAGE_LAYERS if sees(layer)] == [Layer.SERVICES]


def test_only_the_services_read_the_templates() -> None:
    """That is what makes an edit of a template a layer of kilobytes."""
    build = Build(application=load_application("visomaster"))
    readers = [layer for layer in IMAGE_LAYERS if any(Path(p).parts[0] == "templates" for p in build.reads(layer))]
    assert readers == [Layer.SERVICES]
