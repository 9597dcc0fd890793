"""What the host tests ask of a GPU, with libraries that stand in for it."""

from __future__ import annotations

import ctypes
import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy
import pytest

REMOTE = Path(__file__).parent.parent / "host/remote"
Run = Callable[[str], tuple[str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a script; what it prints, and what it ends with."""

    def run(name: str) -> tuple[str, str]:
        ended = ""
        try:
            runpy.run_path(str(REMOTE / name), run_name="__main__")
        except SystemExit as end:
            ended = str(end.code or "")
        return capsys.readouterr().out.strip(), ended

    return run


class Driver:
    """libcuda.so.1 of a machine with two cards; `broken` are calls that fail with a status."""

    def __init__(self, broken: dict[str, int], count: int = 2, forgets: bool = False) -> None:
        self.broken, self.count, self.forgets, self.memory = broken, count, forgets, b""

    def __getattr__(self, name: str) -> Callable[..., int]:
        def call(*arguments: Any) -> int:
            if name in self.broken:
                return self.broken[name]
            getattr(type(self), f"_{name}", lambda *_: None)(self, *arguments)
            return 0

        return call

    def _cuDriverGetVersion(self, into: Any) -> None:  # noqa: N802 - the driver's
        into._obj.value = 12040

    def _cuDeviceGetCount(self, into: Any) -> None:  # noqa: N802
        into._obj.value = self.count

    def _cuDeviceGetName(self, into: Any, size: int, device: Any) -> None:  # noqa: N802
        into.value = b"NVIDIA Stand-in"

    def _cuGetErrorName(self, status: int, into: Any) -> None:  # noqa: N802
        into._obj.value = {2: b"CUDA_ERROR_OUT_OF_MEMORY"}.get(status)

    def _cuMemcpyHtoD_v2(self, memory: Any, source: Any, size: Any) -> None:  # noqa: N802
        self.memory = source.raw[: size.value]

    def _cuMemcpyDtoH_v2(self, target: Any, memory: Any, size: Any) -> None:  # noqa: N802
        target.raw = b"\0" * size.value if self.forgets else self.memory


@pytest.mark.parametrize(
    ("driver", "said"),
    [
        (Driver({}), ("NVIDIA Stand-in (CUDA 12.4)\nNVIDIA Stand-in (CUDA 12.4)", "")),
        (Driver({"cuInit": 999}), ("", "cuInit answers 999")),
        (Driver({}, count=0), ("", "the driver shows no GPU")),
        (Driver({"cuMemAlloc_v2": 2}), ("", "cuMemAlloc_v2 answers 2 CUDA_ERROR_OUT_OF_MEMORY")),
        (Driver({}, forgets=True), ("", "NVIDIA Stand-in: its memory does not give back what it was given")),
    ],
)
def test_the_driver_is_asked(run: Run, monkeypatch: pytest.MonkeyPatch, driver: Driver, said: tuple[str, str]) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _: driver)
    assert run("cuda_init.py") == said


def onnxruntime(cuda: Callable[[Any], Any], *, falls_back: bool = False) -> ModuleType:
    """onnxruntime whose processor computes the model, and whose CUDA gives that to `cuda`."""

    class Session:
        def __init__(self, model: bytes, options: Any, providers: list[str]) -> None:
            self._provider = providers[0]

        def disable_fallback(self) -> None:
            pass

        def get_providers(self) -> list[str]:
            return ["CPUExecutionProvider"] if falls_back else [self._provider]

        def run(self, outputs: None, given: Any) -> list[Any]:
            windows = numpy.lib.stride_tricks.sliding_window_view(given["X"], (3, 3), axis=(2, 3))
            found = numpy.einsum("ncijkl,ockl->noij", windows, given["K"]) @ given["W"]
            return [found if self._provider == "CPUExecutionProvider" else cuda(found)]

    options = SimpleNamespace(add_session_config_entry=lambda *_: None)
    module: Any = ModuleType("onnxruntime")
    module.InferenceSession, module.SessionOptions, module.__version__ = Session, lambda: options, "1.23.2"
    return module


def raises(_: Any) -> Any:
    raise RuntimeError("no kernel image\nis available")


OFF = "the GPU computes something else than the processor: "


@pytest.mark.parametrize(
    ("module", "said"),
    [
        (onnxruntime(lambda found: found * 1.0005), "onnxruntime 1.23.2 with CUDAExecutionProvider, as the processor"),
        (onnxruntime(lambda found: found * 1.02), f"{OFF}0.02 of the largest number off"),
        (onnxruntime(lambda found: found * 0), f"{OFF}1 of the largest number off"),
        (onnxruntime(lambda found: found * numpy.nan), f"{OFF}nan of the largest number off"),
        (onnxruntime(raises), "onnxruntime with CUDAExecutionProvider: no kernel image is available"),
        (None, "not installed"),
    ],
)
def test_onnxruntime_is_compared(
    run: Run, monkeypatch: pytest.MonkeyPatch, module: ModuleType | None, said: str
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", module)
    if module is None:
        monkeypatch.setattr("builtins.__import__", absent("onnxruntime"))
    assert said in run("onnx_cuda.py")


def test_onnxruntime_that_falls_back_is_found(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", onnxruntime(lambda found: found, falls_back=True))
    assert run("onnx_cuda.py") == (
        "",
        "onnxruntime runs on CPUExecutionProvider: CUDAExecutionProvider could not be loaded",
    )


def absent(name: str) -> Callable[..., Any]:
    """An import that lacks one module."""
    found = __import__

    def look(wanted: str, *arguments: Any) -> Any:
        if wanted == name:
            raise ModuleNotFoundError(name=name)
        return found(wanted, *arguments)

    return look


class Tensor:
    """A tensor of PyTorch's on a device; what a GPU computes goes through `gpu`."""

    def __init__(self, array: Any, gpu: Callable[[Any], Any], device: str = "cpu") -> None:
        self.array, self.gpu, self.device = array, gpu, device

    def _as(self, array: Any) -> Tensor:
        return Tensor(array, self.gpu, self.device)

    def float(self) -> Tensor:
        return self._as(self.array.astype(numpy.float32))

    def to(self, device: str) -> Tensor:
        return Tensor(self.array, self.gpu, device)

    def cpu(self) -> Tensor:
        return Tensor(self.array, self.gpu)

    def __matmul__(self, other: Tensor) -> Tensor:
        found = self.array @ other.array
        return self._as(found if self.device == "cpu" else self.gpu(found))

    def __sub__(self, other: Tensor) -> Tensor:
        return self._as(self.array - other.array)

    def abs(self) -> Tensor:
        return self._as(numpy.abs(self.array))

    def max(self) -> Any:
        return self.array.max()


def torch(gpu: Callable[[Any], Any], *, cuda: str | None = "12.4", available: bool = True) -> ModuleType:
    """PyTorch on a machine with one card."""
    numbers = numpy.random.default_rng(1)
    module: Any = ModuleType("torch")
    module.__version__, module.version = "2.4.1", SimpleNamespace(cuda=cuda)
    module.manual_seed = lambda _: None
    module.randint = lambda low, high, shape: Tensor(numbers.integers(low, high, shape), gpu)
    module.nn = SimpleNamespace(functional=SimpleNamespace(conv2d=lambda picture, kernel: picture))
    module.cuda = SimpleNamespace(
        is_available=lambda: available, device_count=lambda: 1, get_device_name=lambda number: "Stand-in"
    )
    return module


@pytest.mark.parametrize(
    ("module", "said"),
    [
        (torch(lambda found: found), "PyTorch 2.4.1 on Stand-in, as the processor"),
        (torch(lambda found: found + 50), "Stand-in computes something else than the processor: "),
        (torch(lambda found: found * numpy.nan), "Stand-in computes something else than the processor: nan"),
        (torch(raises), "PyTorch 2.4.1 on Stand-in: no kernel image is available"),
        (torch(lambda found: found, available=False), "PyTorch 2.4.1 (CUDA 12.4) sees no GPU"),
        (torch(lambda found: found, cuda=None), "not installed"),
    ],
)
def test_pytorch_is_compared(run: Run, monkeypatch: pytest.MonkeyPatch, module: ModuleType, said: str) -> None:
    monkeypatch.setitem(sys.modules, "torch", module)
    assert any(part.startswith(said) for part in run("torch_cuda.py"))
