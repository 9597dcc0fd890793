"""Vast templates: what the API documents, what Vast limits, and a page that is current."""

from __future__ import annotations

import json
import re

import pytest
from visomaster_host.choices import Access

from spec.here import ROOT
from spec.variant import VARIANTS
from vast import template as templates

FIELDS = {
    "name": str,
    "desc": str,
    "image": str,
    "tag": str,
    "env": str,
    "onstart": str,
    "runtype": str,
    "use_ssh": bool,
    "ssh_direct": bool,
    "jup_direct": bool,
    "jupyter_dir": str,
    "extra_filters": dict,
    "recommended_disk_space": int,
    "private": bool,
}
"""https://docs.vast.ai/api-reference/templates/create-template, the fields used here."""


def template(name: str) -> templates.Template:
    return templates.Template(variant=VARIANTS[name], repository="someone/visomaster")


@pytest.mark.parametrize("name", VARIANTS)
def test_the_body_has_the_documented_fields(name: str) -> None:
    body = template(name).body()
    assert {field: type(value) for field, value in body.items()} == FIELDS
    assert (body["image"], body["tag"]) == ("someone/visomaster", VARIANTS[name].tags()[0])
    assert body["runtype"] in ("ssh", "jupyter", "args")


@pytest.mark.parametrize("name", VARIANTS)
def test_only_the_variants_ports_are_opened(name: str) -> None:
    assert re.findall(r"-p (\S+)", template(name).env) == [f"{port}:{port}" for port in VARIANTS[name].ports]
    assert ("OPEN_BUTTON_PORT=11111" in template(name).env) is (VARIANTS[name].access is Access.PORTAL)


@pytest.mark.parametrize("name", VARIANTS)
def test_the_limits_of_vast_are_kept(name: str) -> None:
    found = template(name)
    assert 0 < len(templates.ONSTART) < templates.ONSTART_LIMIT
    assert len(found.env) < templates.ENV_LIMIT and len(found.name) < 256
    assert all(len(value) < 256 for value in re.findall(r"-e \w+=(\S*)", found.env))


def test_the_on_start_line_is_a_program_of_the_image() -> None:
    assert (ROOT / "files/usr/local/bin" / templates.ONSTART).is_file()


def test_filters_use_the_operators_of_the_api() -> None:
    assert {operator for condition in templates.filters().values() for operator in condition} <= {"eq", "gte", "lt"}


def test_the_page_is_current() -> None:
    assert (ROOT / "docs/vast.md").read_text() == templates.page(), "run `make vast-page`"


def test_make_template_prints_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert templates.main(["alt", "someone/visomaster"]) == 0
    assert json.loads(capsys.readouterr().out) == template("alt").body()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["none", "someone/visomaster"], "variant: 'none' is unknown, expected one of default, alt, s-def, s-alt"),
        (["alt", "visomaster"], "repository: expected NAME/visomaster, as on Docker Hub, got 'visomaster'"),
        (["alt", "your_name/visomaster"], "repository: your_name stands for your own name at Docker Hub: write that"),
        (["alt", "someone/visomaster:latest"], "repository: expected an image's name in lower case, without a tag"),
    ],
)
def test_a_wrong_argument_is_refused_in_one_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str], expected: str
) -> None:
    assert templates.main(arguments) == 1
    error = capsys.readouterr().err
    assert error.startswith(expected) and error.count("\n") == 1
