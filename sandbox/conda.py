"""Writing Conda packages (.tar.bz2) and a channel's index; the same content always gives the same bytes."""

from __future__ import annotations

import bz2
import dataclasses
import hashlib
import io
import json
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path

# One fixed moment for every file: a package's hash must depend on its content alone.
EPOCH = 1_600_000_000


@dataclasses.dataclass(frozen=True, kw_only=True)
class Package:
    """What a Conda package says of itself, and the tree of files it installs."""

    name: str
    version: str
    build: str
    subdir: str
    tree: Path
    depends: tuple[str, ...] = ()
    license: str = ""
    summary: str = ""
    noarch_python: bool = False
    entry_points: tuple[str, ...] = ()

    @property
    def file_name(self) -> str:
        """The archive's name in the channel."""
        return f"{self.name}-{self.version}-{self.build}.tar.bz2"

    def index(self) -> dict[str, object]:
        """Return the content of info/index.json, which is also the package's record in repodata.json."""
        record: dict[str, object] = {
            "name": self.name,
            "version": self.version,
            "build": self.build,
            "build_number": 0,
            "depends": list(self.depends),
            "constrains": [],
            "license": self.license,
            "subdir": self.subdir,
            "timestamp": EPOCH * 1000,
        }
        if self.noarch_python:
            record["noarch"] = "python"
        elif self.subdir != "noarch":
            system, _, architecture = self.subdir.partition("-")
            record |= {"platform": system, "arch": {"64": "x86_64"}.get(architecture, architecture)}
        return record


def paths(tree: Path) -> list[dict[str, object]]:
    """Return the entries of info/paths.json for every file and link under `tree`."""
    entries: list[dict[str, object]] = []
    for path in _files(tree):
        content = path.read_bytes()
        entries.append(
            {
                "_path": path.relative_to(tree).as_posix(),
                "path_type": "softlink" if path.is_symlink() else "hardlink",
                "sha256": hashlib.sha256(content).hexdigest(),
                "size_in_bytes": len(content),
            }
        )
    return entries


def archive(package: Package) -> bytes:
    """Return the package as a .tar.bz2 archive: fixed order, owner, times and modes."""
    index, entries = package.index(), paths(package.tree)
    information: dict[str, object] = {
        "info/index.json": index,
        "info/paths.json": {"paths_version": 1, "paths": entries},
        "info/about.json": {"summary": package.summary, "license": package.license},
    }
    if package.noarch_python:
        link = {"type": "python", "entry_points": list(package.entry_points)}
        information["info/link.json"] = {"noarch": link, "package_metadata_version": 1}
    texts = {name: json.dumps(content, indent=2, sort_keys=True) for name, content in information.items()}
    texts["info/files"] = "".join(f"{entry['_path']}\n" for entry in entries)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name, text in texts.items():
            _add(tar, name, text.encode(), 0o644)
        for path in _files(package.tree):
            name = path.relative_to(package.tree).as_posix()
            if path.is_symlink():
                _add_link(tar, name, path.readlink().as_posix())
            else:
                _add(tar, name, path.read_bytes(), 0o755 if path.stat().st_mode & 0o100 else 0o644)
    return bz2.compress(buffer.getvalue())


def write_channel(folder: Path, packages: Iterable[Package]) -> None:
    """Write every package and the index of each platform, noarch always among them, below `folder`."""
    records: dict[str, dict[str, Mapping[str, object]]] = {"noarch": {}}
    for package in packages:
        content = archive(package)
        path = folder / package.subdir / package.file_name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        records.setdefault(package.subdir, {})[package.file_name] = record(package, content)
    for subdir, found in records.items():
        (folder / subdir).mkdir(parents=True, exist_ok=True)
        (folder / subdir / "repodata.json").write_text(repodata(subdir, found))


def record(package: Package, content: bytes) -> dict[str, object]:
    """Return the package's entry in repodata.json."""
    return {
        **package.index(),
        "md5": hashlib.md5(content, usedforsecurity=False).hexdigest(),
        "sha256": hashlib.sha256(content).hexdigest(),
        "size": len(content),
    }


def repodata(subdir: str, records: Mapping[str, Mapping[str, object]]) -> str:
    """Return the text of one platform's repodata.json."""
    content = {
        "info": {"subdir": subdir},
        "packages": records,
        "packages.conda": {},
        "removed": [],
        "repodata_version": 1,
    }
    return json.dumps(content, indent=1, sort_keys=True) + "\n"


def _files(tree: Path) -> list[Path]:
    found = (path for path in tree.rglob("*") if path.is_symlink() or path.is_file())
    return sorted(found, key=lambda path: path.relative_to(tree).as_posix())


def _add(tar: tarfile.TarFile, name: str, content: bytes, mode: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode, entry.mtime = len(content), mode, EPOCH
    tar.addfile(entry, io.BytesIO(content))


def _add_link(tar: tarfile.TarFile, name: str, target: str) -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname, entry.mode, entry.mtime = tarfile.SYMTYPE, target, 0o777, EPOCH
    tar.addfile(entry)
