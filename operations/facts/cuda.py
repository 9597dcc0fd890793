"""Which CUDA libraries a host has, and whether the loader finds them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pyinfra.api import FactBase, QuoteString, StringCommand
from visomaster_host import paths

_REPORT = (Path(__file__).parent.parent / "remote" / "cuda_libraries.py").read_text(encoding="utf-8")


@dataclass(frozen=True, kw_only=True)
class CudaReport:
    """`folders` hold CUDA libraries, `copies` maps a library to its files where it has more than one, `surplus` are the
    distribution packages that brought second copies of the environment's, `configured` is what the loader's
    configuration lists, `unloadable` are the sonames that do not load."""

    folders: tuple[str, ...] = ()
    copies: dict[str, list[str]]
    surplus: tuple[str, ...] = ()
    configured: tuple[str, ...] = ()
    unloadable: tuple[str, ...] = ()


class CudaLibraries(FactBase[CudaReport]):
    """A `CudaReport` over some folders, the loader configuration file and the sonames wanted."""

    @staticmethod
    def default() -> CudaReport:
        return CudaReport(copies={})

    def requires_command(self, *_: object, **__: object) -> str:
        return str(paths.SYSTEM_PYTHON)

    def command(self, configuration: str, folders: tuple[str, ...], sonames: tuple[str, ...]) -> StringCommand:
        arguments = (configuration, ",".join(folders), ",".join(sonames))
        return StringCommand(
            str(paths.SYSTEM_PYTHON), "-I -c", QuoteString(_REPORT), *(QuoteString(item) for item in arguments)
        )

    def process(self, output: Iterable[str]) -> CudaReport:
        report = json.loads("".join(output))
        return CudaReport(
            folders=tuple(report["folders"]),
            copies=report["copies"],
            surplus=tuple(report["surplus"]),
            configured=tuple(report["configured"]),
            unloadable=tuple(report["unloadable"]),
        )
