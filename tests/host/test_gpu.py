"""The GPU, as the program reaches it: asked through the driver and the libraries, never by looking at a file."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest
from visomaster_host import paths, users

REMOTE = Path(__file__).parent / "remote"


@pytest.fixture(scope="module")
def gpu(host: Any, request: pytest.FixtureRequest) -> None:
    """Skips where the host has no GPU, which is no fault of the host; of one that must have one, it is."""
    if host.run("ls -d /dev/nvidia[0-9]* /dev/dxg").stdout == "":
        if request.config.getoption("--gpu"):
            pytest.fail("no GPU: there is neither /dev/nvidia0 nor /dev/dxg")
        pytest.skip("no GPU")


def answer(host: Any, script: str) -> str:
    """What a script of remote/ prints on the host, as the program's user in its environment."""
    text = (REMOTE / script).read_text(encoding="utf-8")
    as_user = f"setpriv --reuid {users.DESKTOP} --regid {users.DESKTOP} --init-groups"
    done = host.run(f"cd / && {as_user} {paths.PYTHON} -c {shlex.quote(text)}")
    assert done.rc == 0, done.stderr.strip().splitlines()[-1]
    return str(done.stdout.strip())


def missing(request: pytest.FixtureRequest, what: str) -> None:
    """The program has none of `what`: its profile may do without, but not on a host that must compute on a GPU."""
    (pytest.fail if request.config.getoption("--gpu") else pytest.skip)(f"the program has no {what}")


@pytest.mark.usefixtures("gpu")
def test_the_driver_gives_a_gpu(host: Any) -> None:
    """The graphics card answers through its driver, and keeps what it is given.

    If not: the driver is the machine's, not the image's. Rent another machine; or, on one of your own, install NVIDIA's
    container toolkit and start the container with `--gpus all`.
    """
    assert "CUDA" in answer(host, "cuda_init.py")


@pytest.mark.usefixtures("gpu")
def test_onnxruntime_computes_on_the_gpu(host: Any, request: pytest.FixtureRequest) -> None:
    """Models are computed on the graphics card, with the processor's numbers.

    onnxruntime goes on with the processor when CUDA's libraries do not load, and everything is a hundred times slower.

    If not: the accelerator does not suit the driver; apply deploy.py with `--data accelerator=` and an older CUDA.
    """
    said = answer(host, "onnx_cuda.py")
    if said == "not installed":
        missing(request, "onnxruntime")
    assert "CUDAExecutionProvider" in said


@pytest.mark.usefixtures("gpu")
def test_pytorch_computes_on_the_gpu(host: Any, request: pytest.FixtureRequest) -> None:
    """PyTorch computes on the graphics card, with the processor's numbers.

    If not: the accelerator does not suit the card or its driver: a newer card needs a newer CUDA (`--data
    accelerator=`, or the application `fusion`), an older driver an older one.
    """
    said = answer(host, "torch_cuda.py")
    if said == "not installed":
        missing(request, "PyTorch for CUDA")
    assert "PyTorch" in said


@pytest.mark.usefixtures("gpu")
def test_opengl_reaches_the_gpu(host: Any) -> None:
    """Drawing can use the graphics card.

    If not: the container lacks the driver's graphics part: set NVIDIA_DRIVER_CAPABILITIES=all and make it anew.
    """
    assert "NVIDIA" in answer(host, "gl_renderer.py")


def test_opengl_draws(host: Any) -> None:
    """Drawing works, on whatever there is.

    If not: OpenGL's libraries are missing; apply deploy.py once more.
    """
    assert answer(host, "gl_renderer.py")
