"""The Conda environment and CUDA libraries."""

from __future__ import annotations

from typing import Any

from visomaster_host import paths
from visomaster_host.host import Host

from operations.cuda import BASE_IMAGE_FOLDERS
from operations.facts.cuda import CudaLibraries
from operations.remote.uv_requirements import WORK
from spec.here import ROOT


def cuda_report(host: Any, sonames: tuple[str, ...]) -> Any:
    fact = CudaLibraries()
    command = fact.command("/dev/null", (str(paths.ENVIRONMENT), *BASE_IMAGE_FOLDERS), sonames)
    return fact.process(host.run(command.get_raw_value()).stdout.splitlines())


def test_the_environment_is_what_its_lock_says(host: Any) -> None:
    """The program's Python environment is complete.

    Names and builds in conda-meta equal those of the lock kept beside the host's description.
    """
    lock = host.file(str(paths.ENVIRONMENT_LOCK)).content_string
    names = host.check_output(f"ls {paths.ENVIRONMENT}/conda-meta").split()
    installed = {name.removesuffix(".json") for name in names if name.endswith(".json")}
    locked = {
        line.rpartition("/")[2].removesuffix(".conda").removesuffix(".tar.bz2")
        for line in lock.partition("\npackages:")[2].splitlines()
        if line.startswith("- conda: ")
    }
    assert installed == locked and installed


def test_python_packages_agree_with_each_other(host: Any) -> None:
    """The program's Python packages fit together."""
    check = host.run(f"{paths.PYTHON} -I -m pip check")
    assert check.rc == 0, check.stdout


def test_every_cuda_library_is_there_once(host: Any) -> None:
    """Every CUDA library is there once.

    Of two copies the program loads either, and a version clash shows as a crash hours later.

    If not: remove the copy that is not in /opt/conda, or take a base image without CUDA.
    """
    assert cuda_report(host, ()).copies == {}


def test_cuda_libraries_load_by_their_soname(host: Any, described: Host) -> None:
    """The CUDA libraries can be loaded.

    As onnxruntime and TensorRT open them: no search path of their own, no variable set.
    """
    assert cuda_report(host, described.cuda_libraries).unloadable == ()


def test_nothing_of_the_installer_stays(host: Any) -> None:
    """The tools that set the host up are not left on it.

    rattler, uv and pyinfra build the host; they are not part of it. A host that checks itself has them in this
    repository.

    If not: what is found may be deleted.
    """
    checkout = f"-path {ROOT} -prune -o" if host.backend.get_connection_type() == "local" else ""
    named = f"\\( -name 'py_rattler*' -o -name 'pyinfra*' -o -name {WORK} -o -name 'stream.work' \\)"
    found = host.run(f"find / -xdev {checkout} {named} -not -path '/proc/*' -print 2>/dev/null").stdout
    assert found.split() == []
