"""The Dockerfile is what the tables say."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from layers.dockerfile import Build, render
from layers.stages import all_stages
from spec.application import load_application
from spec.here import ROOT
from spec.layer import BUILD_ORDER
from spec.program import FolderSource
from spec.variant import VARIANTS


def test_the_committed_file_is_current() -> None:
    assert (ROOT / "Dockerfile").read_text() == render("visomaster"), "run `make dockerfile`"


def test_every_variant_is_a_target_with_its_port() -> None:
    stages = re.split(r"^FROM ", render("visomaster"), flags=re.MULTILINE)
    ports = {
        stage.split("\n")[0].split(" AS ")[1]: re.findall(r"^EXPOSE (\d+)", stage, re.MULTILINE) for stage in stages[1:]
    }
    assert {name: ports[name] for name in VARIANTS} == {
        name: [str(port) for port in v.ports] for name, v in VARIANTS.items()
    }


def test_s_alt_shares_every_layer_of_s_def() -> None:
    text = render("visomaster")
    assert "FROM services-s-def AS s-def\n" in text and "FROM services-s-def AS s-alt\n" in text


def parents(text: str) -> dict[str, str]:
    """Stage -> the one it stands on."""
    return {name: parent for parent, name in re.findall(r"^FROM (\S+) AS (\S+)$", text, re.MULTILINE)}


@pytest.mark.parametrize("host", ["default", "alt", "s-def"])
def test_layers_stand_on_one_another_as_the_table_says(host: str) -> None:
    """`make layers` counts on it."""
    on, stage, found = parents(render("visomaster")), host, []
    while (stage := on[stage]) != "base":
        found.append(stage.removesuffix(f"-{host}").removesuffix("-vnc").removesuffix("-portal"))
    assert [name for name in reversed(found) if name != "models"] == list(BUILD_ORDER)
    assert on["models"] == "base"


def test_each_layer_mounts_a_folder_that_is_made() -> None:
    mounted = re.findall(r"source=/stages/(\S+?),", render("visomaster"))
    assert set(mounted) == {stage.name for stage in all_stages()}


def test_no_installer_is_told_what_the_base_image_says() -> None:
    """A base with PIP_TARGET or PIP_CONSTRAINT: they are for whoever uses it, not for what is made in it."""
    said = render("visomaster")
    assert "RUN /usr/bin/python3 -I -B /playbook /playbook/venv /playbook/requirements.txt /playbook/uv.txt\n" in said
    assert "pip" not in re.sub(r"# .*", "", said)


def test_what_gets_pyinfra_has_all_that_it_imports(tmp_path: Path) -> None:
    """In a folder of its own, as the build has it."""
    shutil.copy(ROOT / "operations/remote/uv_venv.py", tmp_path / "__main__.py")
    (tmp_path / "operations/remote").mkdir(parents=True)
    for path in Build(application=load_application("sandbox")).playbook_programs:
        shutil.copy(ROOT / path, tmp_path / path)
    words = [sys.executable, "-I", "-B", tmp_path, tmp_path / "no/venv", tmp_path / "none", tmp_path / "uv.txt"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert done.stderr.startswith("packages: ") and str(tmp_path / "uv.txt") in done.stderr


def test_a_profile_that_no_build_sees_is_refused(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_bytes((ROOT / "VisoMaster/sandbox.toml").read_bytes())
    with pytest.raises(
        ValueError, match=r"^application: .*/own\.toml is not in VisoMaster/, which is all a build can see"
    ):
        render(str(own))
    assert render(str(ROOT / "VisoMaster/sandbox.toml")) == render("sandbox")


@pytest.mark.parametrize("application", ["fusion", "sandbox", "visomaster"])
def test_what_layers_are_made_from_is_there(application: str) -> None:
    """A missing path would fail the build."""
    paths = Build(application=load_application(application)).sources
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_a_program_of_ones_own_in_the_repository_is_copied_too() -> None:
    own = replace(load_application("sandbox"), source=FolderSource(path=ROOT / "sandbox/application"))
    assert Build(application=own).sources[-1] == "sandbox/application"
    with pytest.raises(ValueError, match="/elsewhere is outside of the repository"):
        _ = Build(application=replace(own, source=FolderSource(path=Path("/elsewhere")))).sources
