"""Compare, file by file, the environment that uv makes with pip's of the same set: `make bench-same-environment`, or

    python -m bench.same_environment [--profile PROFILE] [--accelerator NAME] [--keep FOLDER]

Both are made in the same place, one after the other, so that what names its own folder is the same: pip with
`--require-hashes --no-deps`, and uv by the very program that the operation sends to a host. Then names, modes, links
and contents are compared, bytecode as code, records as lists; what differs is shown in groups, all of it read. In uv's,
each CUDA library of the profile is counted by its soname and loaded in a process of its own, and `pip check` is asked.
"""

from __future__ import annotations

import argparse
import csv
import marshal
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.processes import machine
from bench.report import table
from operations import remote
from sandbox.shell import SandboxError, say, step
from spec import requirements
from spec.application import load_application
from spec.environment import Accelerator

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results" / "same_environment.md"
WITHIN = 900
"""Seconds for an installer."""
_PYC_HEADER = 16
_ENTRY = re.compile(rb"^from (\S+) import (\w+)$.*\b(\w+(?:\.\w+)*)\(\)", re.MULTILINE | re.DOTALL)
_PIPS = ("CONSTRAINT", "EXTRA_INDEX_URL", "FIND_LINKS", "INDEX_URL", "NO_INDEX", "REQUIRE_VIRTUALENV")
_CUDA = re.compile(r"^lib(?:cu|nv|nccl)\w*\.so[.\d]*$")


@dataclass(frozen=True, kw_only=True)
class Found:
    """A file: its mode, where it links to ("": it is no link), and where it is."""

    mode: int
    link: str
    path: Path


def by_pip(prefix: Path, accelerator: Accelerator) -> None:
    """Install the accelerator's sets with pip, which says nothing of the machine's own configuration."""
    own = {name: value for name, value in os.environ.items() if name.removeprefix("PIP_") not in _PIPS}
    pip = [sys.executable, "-I", "-m", "pip", "--disable-pip-version-check", "--python", prefix / "bin/python"]
    for one in accelerator.requirements:
        words = ["install", "--quiet", "--no-cache-dir", "--no-deps", "--only-binary", ":all:", "--require-hashes"]
        command = [*map(str, pip), *words, "--requirement", str(one.file)]
        done = subprocess.run(
            command, env=own | {"PIP_CONFIG_FILE": os.devnull}, capture_output=True, timeout=WITHIN, check=False
        )
        if done.returncode:
            raise SandboxError(
                f"pip ended with status {done.returncode}: {done.stderr.decode(errors='replace')[-300:]}"
            )


def by_uv(prefix: Path, accelerator: Accelerator) -> None:
    """Install them as the operation does."""
    every = requirements.merge(
        requirements.Text(name=one.file.name, text=one.file.read_text(), index=one.index, build=one.build)
        for one in accelerator.requirements
    )
    batches = [asdict(one) for one in requirements.batches(every, every)]
    request = {"python": str(prefix / "bin/python"), "batches": batches, "uv": remote.text("uv.txt")}
    job: Any = remote.job("uv_requirements", {**request, "index": accelerator.index})
    done = subprocess.run(
        job.command.get_raw_value(), input=job.stdin, shell=True, text=True, capture_output=True, timeout=WITHIN,
        check=False,
    )  # fmt: skip
    if done.returncode:
        raise SandboxError(done.stderr.strip())


MAKERS = {"pip": by_pip, "uv": by_uv}


def make(folder: Path, accelerator: Accelerator) -> Mapping[str, Path]:
    """Both environments, each made as `folder`/environment and then moved aside."""
    made = {}
    for name, maker in MAKERS.items():
        prefix = folder / "environment"
        venv.create(prefix, with_pip=False, symlinks=True)
        with step(f"installing with {name}"):
            maker(prefix, accelerator)
        made[name] = prefix.rename(folder / name)
    return made


def files(prefix: Path) -> dict[str, Found]:
    """All files of an environment by their names in it."""
    found = {}
    for root, folders, names in os.walk(prefix):
        for name in (*names, *(one for one in folders if Path(root, one).is_symlink())):
            path = Path(root, name)
            link = str(path.readlink()) if path.is_symlink() else ""
            found[str(path.relative_to(prefix))] = Found(mode=path.lstat().st_mode, link=link, path=path)
    return found


def group_of(name: str, one: Found, other: Found) -> str | None:
    """What kind of difference there is between two files of one name; None: none that counts."""
    if (one.mode, one.link) != (other.mode, other.link):
        return "**mode or link**"
    if one.link:
        return None
    contents = one.path.read_bytes(), other.path.read_bytes()
    if contents[0] == contents[1]:
        return None
    if name.endswith(".pyc"):
        same = marshal.loads(contents[0][_PYC_HEADER:]) == marshal.loads(contents[1][_PYC_HEADER:])
        return None if same else "**bytecode**"
    return kind_of(name, *contents)


def kind_of(name: str, one: bytes, other: bytes) -> str:
    """What kind of difference there is between two contents."""
    if name.endswith(".dist-info/INSTALLER"):
        return f"`INSTALLER`: `{one.decode().strip()}` and `{other.decode().strip()}`"
    if name.endswith(".dist-info/RECORD"):
        return _records(one.decode(), other.decode())
    if name.startswith("bin/"):
        entries = [_ENTRY.search(content) for content in (one, other)]
        same = entries[0] and entries[1] and entries[0].groups() == entries[1].groups()
        return "programs in `bin/`: the lines around the same call" if same else "**programs in `bin/`**"
    return "**content**"


def _records(one: str, other: str) -> str:
    """How two RECORDs differ."""
    rows = [set(map(tuple, csv.reader(text.splitlines()))) for text in (one, other)]
    files = {row[0] for row in rows[0] ^ rows[1] if row}
    kinds = {_record_kind(file) for file in files}
    return f"`RECORD`: {', '.join(sorted(kinds)) or 'order of lines'}"


def _record_kind(file: str) -> str:
    if file.endswith(".pyc"):
        return "bytecode is not listed"
    if file.endswith("/INSTALLER"):
        return "the hash of INSTALLER"
    if "/bin/" in file:
        return "the hash of a program in bin/"
    return "**a file of the package**" if not file.endswith("/REQUESTED") else "REQUESTED"


def compare(one: Mapping[str, Found], other: Mapping[str, Found]) -> Mapping[str, Sequence[str]]:
    """Kind of difference -> the names of the files that have it."""
    groups: dict[str, list[str]] = {}
    for name in sorted(one.keys() | other.keys()):
        if name in one and name in other:
            kind = group_of(name, one[name], other[name])
        else:
            kind = f"**only {'pip' if name in one else 'uv'}'s**: {Path(name).suffix or Path(name).name}"
        if kind:
            groups.setdefault(kind, []).append(name)
    return groups


def cuda_folders(prefix: Path) -> list[str]:
    """The folders of an environment that have CUDA libraries, as the loader is told them."""
    return sorted({str(path.parent) for path in prefix.rglob("lib*.so*") if _CUDA.match(path.name)})


def soname(path: Path) -> str:
    """What a library is known by to the loader."""
    said = subprocess.run(["objdump", "-p", str(path)], capture_output=True, text=True, check=False).stdout
    found = re.search(r"^\s*SONAME\s+(\S+)", said, re.MULTILINE)
    return found[1] if found else path.name


def twice(prefix: Path) -> list[str]:
    """Sonames of CUDA libraries that more than one file has."""
    found = (path for path in prefix.rglob("lib*.so*") if _CUDA.match(path.name) and not path.is_symlink())
    return sorted(name for name, count in Counter(map(soname, found)).items() if count > 1)


def loads(prefix: Path, names: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Each library with what its loading in a process of its own said; "loads"."""
    environment = {**os.environ, "LD_LIBRARY_PATH": os.pathsep.join(cuda_folders(prefix))}
    for name in names:
        command = [str(prefix / "bin/python"), "-I", "-c", f"import ctypes; ctypes.CDLL({name!r})"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        yield name, done.stderr.strip().splitlines()[-1] if done.returncode else "loads"


def checked(prefix: Path) -> str:
    """What `pip check` says."""
    command = [sys.executable, "-I", "-m", "pip", "--disable-pip-version-check", "--python", str(prefix / "bin/python")]
    done = subprocess.run([*command, "check"], capture_output=True, text=True, check=False)
    return "; ".join(line.strip() for line in done.stdout.splitlines() if line.strip())


def report(title: str, made: Mapping[str, Path], libraries: Sequence[str]) -> str:
    """The page."""
    listed = {name: files(prefix) for name, prefix in made.items()}
    groups = compare(listed["pip"], listed["uv"])
    compiled = sum(name.endswith(".pyc") for name in listed["uv"])
    rows = [
        (kind, str(len(names)), ", ".join(f"`{_short(name)}`" for name in names[:3])) for kind, names in groups.items()
    ]
    loaded = list(loads(made["uv"], libraries))
    return "\n".join(
        [
            "# The environment that uv makes, beside pip's\n",
            f"- Command: `python -m bench.same_environment`, {time.strftime('%Y-%m-%d')}; {machine()}",
            f"- {title}: {len(listed['pip'])} files by pip, {len(listed['uv'])} by uv, of which {compiled} are"
            " bytecode, compared as code.",
            "- `.lock` is uv's own, which it puts into virtual environments alone: Conda's, as hosts have them, get"
            " none.",
            f"- `pip check`: pip's: {checked(made['pip'])} uv's: {checked(made['uv'])}",
            f"- CUDA libraries that are there twice by soname: pip's {twice(made['pip']) or 'none'},"
            f" uv's {twice(made['uv']) or 'none'}\n",
            table(("what differs", "files", "such as"), rows or [("nothing", "0", "")]),
            "",
            table(("library, in a process of its own, without a GPU", ""), loaded),
            "",
        ]
    )


def _short(name: str) -> str:
    return name.partition("site-packages/")[2] or name


def parser() -> argparse.ArgumentParser:
    """The command line's grammar."""
    options = argparse.ArgumentParser(prog="python -m bench.same_environment", description=__doc__)
    options.add_argument("--profile", default=str(HERE / "real_size.toml"))
    options.add_argument("--accelerator")
    options.add_argument("--keep", type=Path, metavar="FOLDER", help="where both stay; they are compared if there")
    options.add_argument("--write", type=Path, help=f"where the page goes ({RESULTS.relative_to(HERE.parent)})")
    return options


def main() -> int:
    """Make both, compare them, print the page and write it down."""
    options = parser().parse_args()
    folder = options.keep or Path(tempfile.mkdtemp(prefix="visomaster-bench-same-"))
    try:
        accelerator = load_application(options.profile).accelerator(options.accelerator)
        folder.mkdir(parents=True, exist_ok=True)
        made = {name: folder / name for name in MAKERS}
        if not all(prefix.is_dir() for prefix in made.values()):
            made = dict(make(folder, accelerator))
        page = report(f"`{Path(options.profile).name}`, {accelerator.name}", made, accelerator.cuda_libraries)
    except (SandboxError, ValueError) as error:
        say(f"error: {error}")
        return 1
    finally:
        if not options.keep:
            shutil.rmtree(folder, ignore_errors=True)
    print(page)
    (options.write or RESULTS).write_text(page)
    return 0


if __name__ == "__main__":
    sys.exit(main())
