"""A slip after `make` ends it before anything is done, in one line that has the right word."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from fleet.rendered import Engine
from release.image import Compression
from sandbox.command_line import CHOICES, slip
from spec.here import ROOT

MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TAKES = ("APP", "BOX", "DOCKERHUB_TOKEN", "ENGINE", "GPU", "HOST", "HOURS", "MAX_PRICE", "VARIANT", "YES")
TARGETS = ("help", "open", "rent", "up", "verify")

SLIPS = {
    "variant=alt": "variant=alt: write VARIANT=alt",
    "hours=4": "hours=4: write HOURS=4",
    "max-price=0.4": "max-price=0.4: write MAX_PRICE=0.4",
    "VARAINT=alt": "VARAINT=alt: write VARIANT=alt",
    "VARIANTS=alt": "VARIANTS=alt: write VARIANT=alt",
    "PRICE=0.4": "PRICE=0.4: write MAX_PRICE=0.4",
    "VARIANT=alr": "VARIANT=alr: expected one of: default, alt, s-def, s-alt",
    "VARIANT=": "VARIANT=: expected one of: default, alt, s-def, s-alt",
    "ENGINE=k8s": "ENGINE=k8s: expected one of: kubernetes, dstack, skypilot",
    "YES=y": "YES=y: expected one of: yes, no",
    "dockerhub_token=secret": "dockerhub_token=…: write DOCKERHUB_TOKEN=…",
    "alt": "alt: write VARIANT=alt",
    "docker://box": "docker://box: write HOST=docker://box",
    "7012345": "7012345: write BOX=7012345",
    "rnet": "rnet: there is no such target: write make rent",
    "everything": "everything: there is no such target: make help lists them",
}
GOOD = ("VARIANT= s-alt ", "GPU=", "GPU=all", "PYTHON=python3", "SHELL=/bin/sh", "CC=gcc", "http_proxy=http://p", "up")
GOOD_TOO = ("DOCKER_HOST=tcp://h", "VAST_API_KEY=k", "PYTEST_ADDOPTS=-x", "FOO=1", ".venv/.installed", "BOX=1")


@pytest.mark.parametrize("word", SLIPS)
def test_a_slip_is_one_line_with_the_right_word(word: str) -> None:
    assert slip(["up", "BOX=1", word], TAKES, TARGETS) == SLIPS[word]


def test_what_is_no_slip_is_let_through() -> None:
    """Also what is make's own, and what other programs find in their environment."""
    assert slip([*GOOD, *GOOD_TOO], TAKES, TARGETS) is None


def make(*words: str, **variables: str) -> tuple[int, str, str]:
    """What `make` ends with and says; nothing of a recipe is run."""
    command = ["make", "--just-print", "--old-file=.venv/.installed", f"PYTHON={sys.executable}", *words]
    done = subprocess.run(command, cwd=ROOT, env={"PATH": "/usr/bin:/bin", **variables}, capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("words", [("up", "variant=alt"), ("variant=alt",), ("rent", "alt"), ("alt", "up")])
def test_make_does_nothing_then(words: tuple[str, ...]) -> None:
    status, done, said = make(*words)
    assert (status, done) == (2, "")
    assert re.fullmatch(r"Makefile:\d+: \*\*\* (variant=alt|alt): write VARIANT=alt\.  Stop\.\n", said)


def test_blanks_around_a_value_are_no_part_of_it() -> None:
    for word in ("VARIANT=alt ", "VARIANT= alt"):
        assert "up --variant alt\n" in make("up", word)[1]
    assert "--repository" in make("push", "VARIANT=alt", REPOSITORY="a/b")[1]


def test_a_value_is_no_command(tmp_path: Path) -> None:
    """What is looked at goes through a shell."""
    for value in (f"$(touch {tmp_path}/a)", f"'; touch {tmp_path}/a; '", f"`touch {tmp_path}/a`"):
        make("up", f"variant={value.replace('$', '$$')}")
    assert not list(tmp_path.iterdir())


def listed(name: str) -> set[str]:
    """The words of a list of the Makefile's."""
    (found,) = re.findall(rf"^{name} := ((?:.*\\\n)*.*)$", MAKEFILE, re.MULTILINE)
    return set(str(found).replace("\\\n", " ").split())


def test_the_makefile_names_what_it_takes_and_makes() -> None:
    """Whatever a recipe is given by a person, and no more; what has few values is one of these."""
    recipes = MAKEFILE.partition(".DEFAULT_GOAL")[2]
    set_here = set(re.findall(r"^(?:export )?([A-Z_]+) *:?=", MAKEFILE, re.MULTILINE))
    used = set(re.findall(r"\$\(([A-Z_]+)\)", recipes)) | set(re.findall(r"\(([A-Z_]+)\),", recipes))
    asked = {name for name in used if name not in set_here} - {"MAKE", "MAKEFILE_LIST", "PYTHON"}
    environment = {"DOCKERHUB_TOKEN", "DOCKERHUB_USERNAME", "PYINFRA_PROGRESS", "REPOSITORY"}
    assert asked | environment == listed("TAKES")
    assert set(re.findall(r"^([a-z-]+):.* ## ", MAKEFILE, re.MULTILINE)) == listed("TARGETS")
    assert set(CHOICES) <= listed("TAKES")


def test_the_values_are_those_of_who_reads_them() -> None:
    assert set(CHOICES["ENGINE"]) - {""} == {each.value for each in Engine}
    assert set(CHOICES["COMPRESSION"]) - {""} == {each.value for each in Compression}
