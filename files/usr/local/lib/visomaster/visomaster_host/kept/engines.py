"""What engines are built for: the card, and the version of TensorRT. Others do not load them."""

from __future__ import annotations

import os
import re

from visomaster_host import nvidia, paths

NO_GPU = "no-gpu"

_WITHIN = 10  # seconds for nvidia-smi
_MOST = 64 * 1024  # bytes
_LONGEST = 120  # characters of a folder's name
_MODEL = re.compile(r"^Model:\s*(.+?)\s*$", re.MULTILINE)
_TENSORRT = re.compile(r"tensorrt(?:_cu\d+)?(?:_libs|_bindings)?-(\d[\w.+]*)\.dist-info")


def machine() -> str:
    """The name of a folder for what is built for this machine's cards and this environment's TensorRT, such as
    "NVIDIA GeForce RTX 4090-10.6.0".
    """
    found = "-".join(part for part in (_cards() or NO_GPU, _tensorrt()) if part)
    return re.sub(r"[^A-Za-z0-9 ._+-]", "_", found)[:_LONGEST].strip(" .")


def _cards() -> str:
    """The names of the cards that are here, each once; empty without any."""
    found = {name for text in _information() for name in _MODEL.findall(text)} or set(_asked())
    return " + ".join(sorted(found))


def _information() -> list[str]:
    """What the driver says of each card."""
    try:
        folders = sorted(os.listdir(paths.NVIDIA_CARDS))
    except OSError:
        return []
    texts = []
    for folder in folders:
        try:
            with open(paths.NVIDIA_CARDS / folder / "information", "rb") as file:
                texts.append(file.read(_MOST).decode("utf-8", "replace"))
        except OSError:
            continue
    return texts


def _asked() -> list[str]:
    """What the driver's own program says, where a container has that and not the driver's files."""
    try:
        return nvidia.ask("name", within=_WITHIN)
    except nvidia.Silent:
        return []


def _tensorrt() -> str:
    """The version of TensorRT in the program's environment; empty without it."""
    library = paths.ENVIRONMENT / "lib"
    found: list[str] = []
    try:
        for python in (name for name in os.listdir(library) if name.startswith("python3")):
            found += map(str, os.listdir(library / python / "site-packages"))
    except OSError:
        return ""
    versions = {match[1] for name in found if (match := _TENSORRT.fullmatch(name))}
    return max(versions, key=lambda version: [int(part) for part in re.findall(r"\d+", version)], default="")
