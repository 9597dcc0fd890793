"""Jupyter starts the guide's kernel in the folder of the notebook it was asked to open, which may be the program's."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager
from visomaster_host import paths

from spec.here import local

SPEC = local(paths.GUIDE_KERNEL)
PLANTED = (
    *("IPython", "contextlib", "ctypes", "debugpy", "ipykernel", "ipykernel_launcher", "ipython_config", "json", "os"),
    *(
        "ipython_kernel_config",
        "pathlib",
        "runpy",
        "site",
        "sitecustomize",
        "socket",
        "traitlets",
        "usercustomize",
        "zmq",
    ),
)
LOOK = "import os, sys, contextlib, socket, zmq\nprint(os.getcwd(), sys.executable)"


@pytest.fixture
def programs_folder(tmp_path: Path) -> Path:
    """The program's folder, in which whatever Python could look for says that it ran."""
    folder = tmp_path / "VisoMaster"
    folder.mkdir()
    for name in PLANTED:
        (folder / f"{name}.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'a').write({name!r} + ' ')\n")
    return folder


def said(manager: KernelManager, folder: Path) -> str:
    """What the kernel prints when it is started in `folder`."""
    manager.start_kernel(cwd=str(folder))
    client = manager.client()
    lines: list[str] = []
    try:
        client.start_channels()
        client.wait_for_ready(timeout=30)
        client.execute_interactive(
            LOOK, timeout=30, output_hook=lambda message: lines.append(message["content"].get("text", ""))
        )
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    return "".join(lines)


def manager(tmp_path: Path, name: str) -> KernelManager:
    """A Jupyter's manager of kernels that has the guide's, whose folder is here for once."""
    kernels, guide = tmp_path / "kernels", tmp_path / "guide"
    guide.mkdir()
    (kernels / SPEC.name).mkdir(parents=True)
    text = (SPEC / "kernel.json").read_text(encoding="utf-8")
    assert text.count("'/app/guide'") == 1
    (kernels / SPEC.name / "kernel.json").write_text(text.replace("/app/guide", str(guide)))
    specs = KernelSpecManager(kernel_dirs=[str(kernels)])
    return KernelManager(kernel_name=name, kernel_spec_manager=specs)


def test_it_begins_in_roots_folder_and_finds_nothing_beside_the_link(tmp_path: Path, programs_folder: Path) -> None:
    """With Jupyter's own Python, which has what a kernel needs."""
    assert said(manager(tmp_path, SPEC.name), programs_folder).split() == [str(tmp_path / "guide"), sys.executable]
    assert not (tmp_path / "ran").exists()


def test_any_other_kernel_would(tmp_path: Path, programs_folder: Path) -> None:
    """Why the guide is to be opened in its own folder."""
    with pytest.raises(RuntimeError):  # what it imports is not what it expects
        said(manager(tmp_path, "python3"), programs_folder)
    assert (tmp_path / "ran").read_text()


def test_its_folder_is_the_guides() -> None:
    argv = json.loads((SPEC / "kernel.json").read_text(encoding="utf-8"))["argv"]
    assert argv[:3] == ["python3", "-I", "-c"]
    assert argv[3].startswith(f"import os, runpy, site; os.chdir('{paths.GUIDE.parent}'); ")
