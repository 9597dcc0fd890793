"""The beginner's guide names nothing that is not there."""

from __future__ import annotations

import re

import pytest
from visomaster_host.choices import Access, ModelsAt

from spec.here import FILES, GUIDE, ROOT
from spec.variant import VARIANTS
from tests.unit.test_notebook import TITLES

TEXT = (ROOT / "docs/guide.md").read_text(encoding="utf-8")
CODE = "\n".join(re.findall(r"(?s)```\n(.*?)```", TEXT) + re.findall(r"`([^`\n]+)`", TEXT))


def named(pattern: str) -> set[str]:
    """What the guide's code names by `pattern`."""
    found = set(re.findall(pattern, CODE))
    assert found, pattern
    return found


def test_every_make_target_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert named(r"\bmake ([a-z-]+)") <= set(re.findall(r"(?m)^([a-z-]+):", makefile))


def test_every_command_of_the_host_exists() -> None:
    commands = {path.name for path in (FILES / "usr/local/bin").iterdir()}
    assert named(r"(?m)^(visomaster-[a-z]+)\b") <= commands


def test_every_key_of_data_exists() -> None:
    """As the README's table lists them."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert named(r"--data ([a-z]+)=") <= set(re.findall(r"`([a-z]+)`", readme))


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\]\(([^)#:]+)\)", TEXT))))
def test_every_link_leads_somewhere(target: str) -> None:
    assert (ROOT / "docs" / target).exists()


@pytest.mark.parametrize("anchor", sorted(set(re.findall(r"\]\(#([^)]+)\)", TEXT))))
def test_every_chapter_of_the_contents_exists(anchor: str) -> None:
    """GitHub makes an anchor of a heading: lower case, no punctuation, dashes for spaces."""
    headings = re.findall(r"(?m)^## (.*)$", TEXT)
    assert anchor in {re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_variants_are_those_of_the_table() -> None:
    """With their tags and ports, and each with a workflow that exists."""
    row = r"(?m)^\| `([a-z-]+)` \| (.*?) \| (.*?) \| `([a-z-]+)` \| ([\d, ]+) \| `(build-[a-z-]+\.yml)`"
    rows = re.findall(row, TEXT)
    for name, reached, models, tag, ports, workflow in rows:
        variant = VARIANTS[name]
        assert (variant.tags()[0], ", ".join(map(str, variant.ports))) == (tag, ports)
        assert ("VNC" in reached) == (variant.access is Access.VNC)
        assert ("in the image" in models) == (variant.models is ModelsAt.BUILD)
        assert (ROOT / ".github/workflows" / workflow).is_file()
    assert [row[0] for row in rows] == list(VARIANTS)


def test_every_cell_of_the_notebook_exists() -> None:
    cells = set(re.findall(r"(?:Check|Repair): [A-Za-z-]+", TEXT))
    assert cells and cells <= set(TITLES.values())
    assert f"/app/VisoMaster/{GUIDE.name}" in CODE
