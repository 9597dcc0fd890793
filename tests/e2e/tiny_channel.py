"""A Conda channel of a few hand-made packages, in a folder."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path


def add_package(
    channel: Path,
    name: str,
    version: str,
    files: Mapping[str, str],
    *,
    depends: Sequence[str] = (),
    noarch: str | None = None,
) -> Path:
    """Write one package into the channel; its archive."""
    subdir = "noarch" if noarch else "linux-64"
    archive = channel / subdir / f"{name}-{version}-h0_0.tar.bz2"
    archive.parent.mkdir(parents=True, exist_ok=True)
    index: dict[str, object] = {"name": name, "version": version, "build": "h0_0", "build_number": 0}
    index |= {"depends": list(depends), "subdir": subdir, "license": "MIT", "timestamp": 1700000000000}
    if noarch:
        index["noarch"] = noarch
    contents = {path: text.encode() for path, text in files.items()}
    paths = [
        {
            "_path": path,
            "path_type": "hardlink",
            "sha256": hashlib.sha256(data).hexdigest(),
            "size_in_bytes": len(data),
        }
        for path, data in contents.items()
    ]
    contents["info/index.json"] = json.dumps(index).encode()
    contents["info/paths.json"] = json.dumps({"paths": paths, "paths_version": 1}).encode()
    if noarch == "python":
        link = {"noarch": {"type": "python"}, "package_metadata_version": 1}
        contents["info/link.json"] = json.dumps(link).encode()
    with tarfile.open(archive, "w:bz2") as tar:
        for path, data in contents.items():
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode = len(data), 0o755 if path.startswith("bin/") else 0o644
            entry.uid = entry.gid = 1234  # whoever built it; never who owns the installed file
            tar.addfile(entry, io.BytesIO(data))
    return archive


def index(channel: Path) -> None:
    """Write the channel's repodata."""
    from rattler.index import index_fs

    for subdir in ("linux-64", "noarch"):
        (channel / subdir).mkdir(parents=True, exist_ok=True)
    asyncio.run(index_fs(channel, force=True))
