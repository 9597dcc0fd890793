"""CUDA libraries: one copy of each, where the loader finds it."""

from __future__ import annotations

import shlex
from collections.abc import Generator

from pyinfra import host
from pyinfra.api import FunctionCommand, StringCommand, operation
from visomaster_host import paths

from operations.facts.cuda import CudaLibraries
from operations.stream import refused, streamed

_LOAD = """
import ctypes, sys
for name in sys.argv[1:]:
    try:
        ctypes.CDLL(name)
    except OSError as error:
        sys.exit(f"cuda: {error}")
print(f"cuda: {len(sys.argv) - 1} libraries load")
""".strip()

LOADER_CONFIGURATION = "/etc/ld.so.conf.d/visomaster-cuda.conf"
BASE_IMAGE_FOLDERS = ("/usr/local/cuda/lib64", "/usr/local/cuda/targets")
"""Where NVIDIA's images keep theirs."""


@operation()
def on_loader_path(environment: str, sonames: tuple[str, ...]) -> Generator[StringCommand | FunctionCommand]:
    """Put the CUDA libraries of the Conda environment `environment` (or of the base image) on the loader path and
    prove it by loading each of `sonames`.

    onnxruntime and TensorRT open them by soname at run time, without any search path of their own. Where packages of
    the base image (NVIDIA's) brought a second copy of what the environment has, those packages are removed: the
    program would load either. Fails in one line when a library is still there twice or does not load.
    """
    question = {
        "configuration": LOADER_CONFIGURATION,
        "folders": (environment, *BASE_IMAGE_FOLDERS),
        "sonames": sonames,
    }
    found = host.get_fact(CudaLibraries, **question)
    if found.surplus:
        yield streamed(remove_command(found.surplus))
        found = host.get_fact(CudaLibraries, **question)
    for library, copies in sorted(found.copies.items()):
        yield refused(f"cuda: lib{library} is there {len(copies)} times: {', '.join(copies)}; keep one")
        return
    if found.folders == found.configured and not found.unloadable:
        host.noop(f"{len(sonames)} CUDA libraries load")
        return
    yield StringCommand(configure_command(found.folders))
    yield streamed(shlex.join([str(paths.SYSTEM_PYTHON), "-I", "-c", _LOAD, *sonames]))


def remove_command(packages: tuple[str, ...]) -> str:
    """The shell command that removes distribution packages, and those that need them."""
    purge = shlex.join(["apt-get", "-qq", "-y", "purge", *packages])
    return f"echo {shlex.quote('cuda: removing second copies: ' + ' '.join(packages))} && {purge} >/dev/null"


def configure_command(folders: tuple[str, ...]) -> str:
    """The shell command that makes the loader search `folders` (and nothing else of ours)."""
    if not folders:
        return f"rm -f {LOADER_CONFIGURATION} && ldconfig"
    lines, new = shlex.join(["printf", "%s\\n", *folders]), f"{LOADER_CONFIGURATION}.new"
    return f"{lines} >{new} && mv {new} {LOADER_CONFIGURATION} && ldconfig"
