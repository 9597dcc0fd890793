"""What each layer of the Dockerfile sees, and that it is enough."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from layers.rebuilt import VALUES, readers, rebuilt, table
from layers.stages import all_stages, main, write
from spec.closure import closure
from spec.distribution import Release
from spec.here import ROOT
from spec.layer import BUILD_ORDER, Layer, Part

DATA = {"application": "sandbox", "mirrors": "http://assets.sandbox.invalid=http://127.0.0.1:1"}

EVERY = {
    "__init__.py",
    "stream.py",
    "text.py",
    "terminal.py",
    "here.py",
    "shell.py",
    "clean.sh",
    "paths.py",
    "variables.py",
}
"""What every layer's code needs, by name: packages, streamed commands, and what guards terminal and commands."""


@pytest.fixture(scope="module")
def stages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folders of all layers."""
    folder = tmp_path_factory.mktemp("layers") / "stages"
    write(folder, DATA, Release.BOOKWORM)
    return folder


def contents(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Every file below `folder` with what it holds and its mode."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): (path.read_bytes(), path.stat().st_mode) for path in files}


def seen_by(layer: str) -> set[str]:
    """The files that `layer` of the default application sees."""
    return {file for file, seen in readers("visomaster").items() if layer in seen.by}


SET = "VisoMaster/requirements/visomaster-cu124.txt"
LOWER = tuple(f"{Layer.ENVIRONMENT}-{part}" for part in Part)


def test_the_environment_sees_what_makes_it_and_nothing_else() -> None:
    """It is the largest layers, and each that stands on them is built anew with them."""
    seen = seen_by(Layer.ENVIRONMENT)
    remote = {name for name in seen if name.startswith("operations/remote/") and Path(name).name not in EVERY}
    kinds = ("conda_", "cuda_", "uv", "pinned_wheel", "mirrors", "rattler")
    assert remote and all(Path(name).name.startswith(kinds) for name in remote)
    assert {name for name in seen - remote if Path(name).name not in EVERY} == {
        SET,
        *(f"operations/{name}.py" for name in ("conda", "cuda", "uv")),
        *(f"operations/facts/{name}.py" for name in ("conda", "cuda", "uv")),
        *("spec/environment.py", "spec/requirements.py", "tasks/environment.py", "tasks/packages.py"),
    }


@pytest.mark.parametrize("layer", LOWER)
def test_what_is_below_sees_nothing_of_the_loader_and_its_own_lines(layer: str) -> None:
    """An edit of what puts libraries on the loader path is no reason to install them again."""
    of_the_rest = {SET, "tasks/environment.py"}
    of_the_rest |= {f"operations/{name}.py" for name in ("cuda", "facts/cuda", "remote/cuda_libraries")}
    assert seen_by(Layer.ENVIRONMENT) - seen_by(layer) == of_the_rest
    assert readers("visomaster")[SET].in_part_by == set(LOWER)
    assert f"{SET} " in table("visomaster") and f"({' '.join(LOWER)} {VALUES})\n" in table("visomaster")


def names(stages: Path, stage: str) -> list[str]:
    """The packages of the requirement set that a stage has."""
    return re.findall(r"^([\w.-]+)==", (stages / stage / SET).read_text(), re.MULTILINE)


def test_each_part_has_its_lines_and_those_below(tmp_path: Path) -> None:
    write(tmp_path / "stages", {"application": "visomaster"}, Release.BOOKWORM)
    cuda, torch, every = (names(tmp_path / "stages", stage) for stage in (*LOWER, Layer.ENVIRONMENT))
    assert cuda and all(name.startswith("nvidia-") for name in cuda)
    above = {"onnxruntime-gpu", "torch", "torchaudio", "torchvision", "triton"}
    assert set(torch) == {*cuda, *above} and set(every) > set(torch)
    lines = (tmp_path / "stages" / LOWER[1] / SET).read_text().splitlines()
    assert len(lines) == len(torch) and all(" --hash=sha256:" in line for line in lines)


def test_an_application_without_parts_has_one_layer() -> None:
    """Nothing of the sandbox's is large: empty layers would cost a start of pyinfra each."""
    assert not {layer for seen in readers("sandbox").values() for layer in (*seen.by, *seen.in_part_by)} & set(LOWER)


def test_the_models_see_the_fetcher_its_manifest_and_operation() -> None:
    """Models are gigabytes to fetch."""
    host, fetch = "files/usr/local/lib/visomaster/visomaster_host", "files/usr/local/bin/visomaster-fetch"
    seen = seen_by(Layer.MODELS)
    assert fetch in seen and {path.relative_to(ROOT).as_posix() for path in closure(ROOT / fetch)} <= seen
    fetcher = {path.relative_to(ROOT).as_posix() for path in closure(ROOT / fetch)}
    assert {name for name in seen - fetcher if Path(name).name not in EVERY} == {
        "VisoMaster/models/visomaster.json",
        *(f"operations/{name}.py" for name in ("as_user", "file", "models", "tree")),
        *(f"operations/facts/{name}.py" for name in ("file", "models", "tree")),
        *("operations/remote/enter.sh", "spec/folder.py", "tasks/fetcher.py", "tasks/models.py"),
    }
    assert not {name for name in fetcher if name.startswith((f"{host}/portal", f"{host}/services"))}


def test_only_the_services_see_templates_the_guide_and_supervisor() -> None:
    seen = readers("visomaster")
    for file in (
        "VisoMaster/Install_Guide.ipynb",
        "operations/supervisor.py",
        "templates/etc/supervisor/conf.d/program.conf.j2",
    ):
        assert seen[file].by == {Layer.SERVICES}


def test_nothing_that_reads_settings_is_in_a_layer() -> None:
    seen = readers("visomaster")
    for file in ("VisoMaster/visomaster.toml", "deploy.py", "spec/settings.py", "spec/packages.py", "spec/variant.py"):
        assert file not in seen
    (line,) = (line for line in table("visomaster").splitlines() if line.startswith("spec/settings.py "))
    assert line.endswith(f"  {VALUES}")


def test_layers_on_a_rebuilt_one_are_rebuilt() -> None:
    assert rebuilt([LOWER[0]]) == BUILD_ORDER
    assert rebuilt([Layer.ENVIRONMENT]) == BUILD_ORDER[len(LOWER) :]
    assert rebuilt([Layer.MODELS]) == (Layer.MODELS,)
    assert rebuilt([Layer.PROGRAMS, Layer.MODELS]) == (Layer.PROGRAMS, Layer.SERVICES, Layer.MODELS)


ALONE = """
import importlib.metadata, sys
sys.meta_path = [finder for finder in sys.meta_path if "editable" not in finder.__module__]
every, ours = importlib.metadata.entry_points, "connectors.bake"
importlib.metadata.entry_points = lambda **wanted: [one for one in every(**wanted) if ours not in one.value]
from pyinfra_cli.main import cli
sys.argv = ["pyinfra", "inventory.py", "layer.py", "--dry"]
try:
    cli()
finally:
    files = [getattr(module, "__file__", None) or "" for module in list(sys.modules.values())]
    assert not [file for file in files if file.startswith(REPOSITORY) and "site-packages" not in file]
"""
"""pyinfra in a folder alone: an installed repository would lend it what it lacks."""


def planned(folder: Path) -> str:
    """What pyinfra says of a plan of the layer in `folder`, with nothing else to import."""
    inventory = folder / "inventory.py"
    inventory.write_text('hosts = [("@fake/box", {"fake_responses": {"db:Status-Status": [""]}})]\n')
    fast = {"PYINFRA_FAKE_DELAY": "0", "PYINFRA_FAKE_DELAY_JITTER": "0", "PYINFRA_PROGRESS": "off"}
    done = subprocess.run(
        [sys.executable, "-B", "-c", f"REPOSITORY = {str(ROOT)!r}\n{ALONE}"],
        cwd=folder,
        env={**os.environ, **fast, "PYTHONPATH": "files/usr/local/lib/visomaster"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return "" if done.returncode == 0 else f"{folder.name}: {done.stderr}"


def test_each_layer_is_planned_with_its_folder_alone(stages: Path, tmp_path: Path) -> None:
    """Every module and every program for the target is there."""
    copies = [shutil.copytree(stages / stage.name, tmp_path / stage.name) for stage in all_stages()]
    with ThreadPoolExecutor(max_workers=2) as pool:
        assert [failed for failed in pool.map(planned, map(Path, copies)) if failed] == []


def test_a_second_writing_is_the_same(stages: Path, tmp_path: Path) -> None:
    write(tmp_path / "again", DATA, Release.BOOKWORM)
    assert contents(tmp_path / "again") == contents(stages)


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what the Dockerfile gives to its stage, to be edited."""
    copy = tmp_path_factory.mktemp("copy")
    for name in (
        "VisoMaster",
        "connectors",
        "controller",
        "files",
        "layers",
        "operations",
        "spec",
        "tasks",
        "templates",
    ):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


def differing(copied: Path, folder: Path, stages: Path) -> set[str]:
    """The layers' folders that the edited copy writes otherwise."""
    words = [word for key, value in DATA.items() for word in ("--data", f"{key}={value}")]
    # The release of the machine is asked there: the packages' names may be others, so it is told here.
    program = "import sys; from layers import stages; from spec.distribution import Release as R; "
    program += f"stages.write(__import__('pathlib').Path(sys.argv[1]), {DATA!r}, R.BOOKWORM)"
    subprocess.run(
        [sys.executable, "-c", program, str(folder), *words],
        cwd=copied,
        env={
            **os.environ,
            "PYTHONPATH": f"{copied}:{copied}/files/usr/local/lib/visomaster",
            "PYTHONPYCACHEPREFIX": str(copied.with_name("compiled")),
        },
        check=True,
        timeout=60,
    )
    return {stage.name for stage in all_stages() if contents(folder / stage.name) != contents(stages / stage.name)}


EDITS: Mapping[str, set[str]] = {
    "spec/settings.py": set(),
    "spec/packages.py": set(),
    "VisoMaster/sandbox.toml": set(),
    "operations/conda.py": {*LOWER, "environment"},
    "operations/cuda.py": {"environment"},
    "operations/supervisor.py": {"services-default", "services-alt", "services-s-def"},
    "tasks/models.py": {"models"},
}


@pytest.mark.parametrize("file", EDITS)
def test_an_edit_is_seen_by_those_that_read_it(file: str, copied: Path, stages: Path, tmp_path: Path) -> None:
    """A comment, that is: another value is seen by the layers that it is given to."""
    before = (copied / file).read_bytes()
    try:
        (copied / file).write_bytes(before + b"\n# edited\n")
        assert differing(copied, tmp_path / "stages", stages) == EDITS[file]
    finally:
        (copied / file).write_bytes(before)


def test_a_package_more_is_seen_by_its_layer_alone(copied: Path, stages: Path, tmp_path: Path) -> None:
    packages = copied / "spec/packages.py"
    before = packages.read_text()
    try:
        packages.write_text(before.replace('"fontconfig",', '"fontconfig",\n    "xterm",'))
        assert differing(copied, tmp_path / "stages", stages) == {"desktop"}
    finally:
        packages.write_text(before)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["accelerator=rocm"], "accelerator: 'rocm' is unknown to sandbox, expected one of: cu124"),
        (["variant=alt"], "variant: expected none, the target of the build decides"),
        (["layers=system"], "layers: expected none, the target of the build decides"),
        (["source=/elsewhere"], "sandbox: source names /elsewhere, which is no folder"),
        (["source=/usr"], "/usr is outside of the repository, which is all a build can see"),
        (["mirrors"], "data: expected KEY=VALUE, got 'mirrors'"),
    ],
)
def test_what_a_build_is_told_wrongly_is_one_line(
    words: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("platform.freedesktop_os_release", lambda: {"ID": "debian", "VERSION_ID": "12"})
    given = [part for word in ["application=sandbox", *words] for part in ("--data", word)]
    assert main([str(tmp_path / "stages"), *given]) == 1
    assert capsys.readouterr().err == f"{said}\n"
