"""The account that images go to: what its secrets may be, said before anything is built or sent."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from release import account
from spec.here import ROOT

GOOD = {"DOCKERHUB_USERNAME": "jane", "DOCKERHUB_TOKEN": "dckr_pat_canary"}
FORM = "expected the name of an account at Docker Hub, in lower case"

REFUSED = [
    ("DOCKERHUB_USERNAME", "", "expected a name of Docker Hub, got nothing"),
    ("DOCKERHUB_USERNAME", " \n", "expected a name of Docker Hub, got nothing"),
    ("DOCKERHUB_USERNAME", "jane@example.org", f"{FORM}, got 'jane@example.org' (this looks like an e-mail address)"),
    ("DOCKERHUB_USERNAME", "JaneDoe", f"{FORM}, got 'JaneDoe' (names at Docker Hub are lower case: janedoe)"),
    (
        "DOCKERHUB_USERNAME",
        "YOUR_NAME",
        "YOUR_NAME stands for your own name at Docker Hub: write that instead, got 'YOUR_NAME'",
    ),
    ("DOCKERHUB_USERNAME", "jane doe", f"{FORM}, got 'jane doe'"),
    ("DOCKERHUB_USERNAME", "jane\n", f"{FORM}, got 'jane\\n' (there is a blank at its end or beginning)"),
    ("DOCKERHUB_USERNAME", "jane/visomaster", f"{FORM}, got 'jane/visomaster'"),
    ("DOCKERHUB_USERNAME", "--help", f"{FORM}, got '--help'"),
    ("DOCKERHUB_TOKEN", "", "expected an access token of it, got nothing"),
    ("DOCKERHUB_TOKEN", "canary\n", "expected no space and no line break in it, also none at its end"),
    ("DOCKERHUB_TOKEN", "can ary", "expected no space and no line break in it, also none at its end"),
]


@pytest.mark.parametrize(("variable", "value", "expected"), REFUSED)
def test_a_secret_of_another_form_is_refused_by_its_name(variable: str, value: str, expected: str) -> None:
    with pytest.raises(ValueError) as refused:
        account.read_account({**GOOD, variable: value})
    assert str(refused.value) == f"{variable}: {expected}"
    assert "canary" not in str(refused.value)


def test_names_of_other_registries_have_other_forms() -> None:
    robot = {**GOOD, "DOCKERHUB_USERNAME": "robot$Team+jane@example.org"}
    assert account.read_account(robot, "registry.example:5000")[0] == robot["DOCKERHUB_USERNAME"]
    with pytest.raises(ValueError, match="DOCKERHUB_USERNAME: expected no space"):
        account.read_account({**GOOD, "DOCKERHUB_USERNAME": "a b"}, "registry.example:5000")


@pytest.mark.parametrize("name", ["jane@example.org", "Jane", "", "jane\n"])
def test_a_workflow_names_the_secret_that_its_images_are_called_after(name: str) -> None:
    variables = {"REPOSITORY": f"{name}/visomaster", "GITHUB_ACTIONS": "true"}
    with pytest.raises(ValueError, match=r"^DOCKERHUB_USERNAME, of which the images' name is made: repository: "):
        account.check_repository(variables)
    account.check_repository({**variables, "REPOSITORY": "jane/visomaster"})


def make(target: str, folder: Path, **variables: str) -> tuple[int, list[str]]:
    """What `make` ends with and says, where a docker writes down what it is given."""
    docker = folder / "docker"
    docker.write_text(f'#!/bin/sh\n{{ echo "$@"; cat; }} >{folder}/given\n')
    docker.chmod(0o755)
    environment = {"PATH": f"{folder}:/usr/bin:/bin", **variables}
    ours = (f"PYTHON={sys.executable}", f"BIN={Path(sys.executable).parent}")
    command = ["make", "--silent", "--old-file=.venv/.installed", target, *ours]  # this environment is not made anew
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, [line for line in done.stderr.splitlines() if not line.startswith("make: ***")]


def test_the_token_is_given_on_standard_input_alone(tmp_path: Path) -> None:
    assert make("login", tmp_path, **GOOD) == (0, [])
    assert (tmp_path / "given").read_text() == "login --username jane --password-stdin\ndckr_pat_canary"


def test_nothing_is_sent_with_a_wrong_secret(tmp_path: Path) -> None:
    status, said = make("login", tmp_path, **{**GOOD, "DOCKERHUB_USERNAME": "jane@example.org"})
    assert (status, len(said)) == (2, 1) and said[0].startswith("account: DOCKERHUB_USERNAME: ")
    assert not (tmp_path / "given").exists()


NAMES = ("JaneDoe/visomaster", "jane\n/visomaster", '$(touch x)"`id`/x')
TARGETS = ("bake", "image", "publish", "push", "template", "cache")


@pytest.mark.parametrize(("target", "names"), [("runner", NAMES), *((target, NAMES[2:]) for target in TARGETS)])
def test_every_target_refuses_a_name_that_no_engine_takes(target: str, names: tuple[str, ...], tmp_path: Path) -> None:
    """Before it does anything. `runner` is the workflows' first step; a secret holds what it holds."""
    for name in names:
        status, said = make(target, tmp_path, REPOSITORY=name)
        assert status == 2 and len(said) == 1, said
        assert "repository: expected an image's name in lower case" in said[0] and repr(name) in said[0]
    assert not (tmp_path / "given").exists()
