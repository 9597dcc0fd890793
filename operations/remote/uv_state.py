"""What is installed for a Python, and whether all of it is whole. Standard library only.

As a program, run by that Python with the name of the work folder as its argument, it prints one line of JSON: what is
installed, whether a run was cut off (its work folder is still beside the environment), and the values that requirement
markers are decided by.

A distribution without RECORD was cut off while being installed. pip writes that file last, but uv brings the wheel's
own with the other files, so after a run that was cut off a RECORD is believed only with all that it names.
"""

from __future__ import annotations

import csv
import importlib.metadata
import json
import os
import platform
import sys
from collections.abc import Iterator
from pathlib import Path


def is_whole(info: Path) -> bool:
    """Whether the distribution of the `.dist-info` folder `info` has been installed to its end, and nothing of it is
    gone: the installer's name is recorded, and all files are there, those of the package in the size they have there.
    """
    site, rows = info.parent, list(recorded(info))
    if f"{info.name}/INSTALLER" not in {path for path, _ in rows}:
        return False
    for path, size in rows:
        if path.endswith(".pyc"):
            continue
        try:
            found = os.stat(site / path).st_size
        except OSError:
            return False
        if size and not path.startswith("..") and int(size) != found:
            return False
    return True


def recorded(info: Path) -> Iterator[tuple[str, str]]:
    """The files of a distribution, relative to the folder of `info`, each with its size ("": not said)."""
    try:
        text = (info / "RECORD").read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return
    for row in csv.reader(text.splitlines()):
        if row:
            yield row[0], row[2] if len(row) > 2 and row[2].isdigit() else ""


def of_conda(prefix: Path) -> set[str]:
    """The files that Conda's packages brought to the environment, relative to it. Their RECORDs are the builders', and
    need not be true."""
    found: set[str] = set()
    for path in prefix.glob("conda-meta/*.json"):
        try:
            found.update(json.loads(path.read_text(encoding="utf-8")).get("files", ()))
        except (OSError, ValueError):
            continue  # a damaged record: its package is installed again
    return found


def damaged(prefix: Path, site: Path) -> list[Path]:
    """The `.dist-info` folders of what a run that was cut off has left half installed, or half removed."""
    conda = of_conda(prefix)
    infos = [
        info for info in sorted(site.glob("*.dist-info")) if str(info.relative_to(prefix) / "METADATA") not in conda
    ]
    return [info for info in infos if not is_whole(info)]


def installed(*, without: set[str]) -> list[tuple[str, str]]:
    """Name and version of each distribution with a RECORD, short of the `.dist-info` folders named `without`."""
    return [
        (one.metadata["Name"], one.version)
        for one in importlib.metadata.distributions()
        if one.metadata and one.metadata["Name"] and one.read_text("RECORD") and _folder(one) not in without
    ]


def _folder(one: importlib.metadata.Distribution) -> str:
    """The name of its `.dist-info` folder. There is no public way to ask for it."""
    return Path(str(getattr(one, "_path", ""))).name


def markers() -> dict[str, str]:
    """The variables of PEP 508."""
    return {
        "implementation_name": sys.implementation.name,
        "os_name": os.name,
        "platform_machine": platform.machine(),
        "platform_python_implementation": platform.python_implementation(),
        "platform_system": platform.system(),
        "python_full_version": platform.python_version(),
        "python_version": ".".join(platform.python_version_tuple()[:2]),
        "sys_platform": sys.platform,
    }


def main(work: str) -> None:
    """Print the report."""
    import sysconfig  # 2 ms, and where this file is a module nobody needs it

    prefix = Path(sys.prefix)
    pending = (prefix.parent / work).exists()
    broken = damaged(prefix, Path(sysconfig.get_path("purelib"))) if pending else []
    found = installed(without={info.name for info in broken})
    print(json.dumps({"installed": found, "pending": pending, "markers": markers()}))


if __name__ == "__main__":
    main(sys.argv[1])
