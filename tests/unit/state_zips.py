"""A /workspace, and zips of the state as others may have made them: each is good but for one thing."""

from __future__ import annotations

import hashlib
import io
import json
import os
import struct
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from visomaster_host.workspace.home.manifest import NAME
from visomaster_host.workspace.home.restoring import Restore
from visomaster_host.workspace.home.saving import Archive, Wanted, look
from visomaster_host.workspace.tree import Tree

WANTED = Wanted(application="visomaster", commit="c0ffee", out=True)
PRESET = "state/visomaster/presets/one.json"


def workspace_in(folder: Path) -> Path:
    """A /workspace in `folder`, and a folder that nobody may reach, beside it."""
    for name in ("workspace/in", "workspace/out", "workspace/state", "victim"):
        (folder / name).mkdir(parents=True)
    (folder / "victim/precious").write_text("precious")
    return folder / "workspace"


def put(workspace: Path, path: str, content: bytes = b"x", age: float = 100) -> Path:
    file = workspace / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    when = file.stat().st_mtime - age
    os.utime(file, (when, when))
    return file


def contents(folder: Path) -> dict[str, str]:
    """Every file and empty folder below, links as what they are."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            found[name] = f"-> {path.readlink()}"
        elif path.is_file():
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
        elif not path.is_dir():
            found[name] = "odd"
        elif not any(path.iterdir()):
            found[name] = "empty"
    return found


def saved(workspace: Path, wanted: Wanted = WANTED) -> bytes:
    tree, sink = Tree(workspace), io.BytesIO()
    archive = Archive(tree, look(tree, wanted), wanted)
    archive.write(sink.write)
    assert len(sink.getvalue()) == archive.length
    return sink.getvalue()


def restore(workspace: Path, content: bytes, application: str = "visomaster") -> Restore:
    file = workspace.parent / "given.zip"
    file.write_bytes(content)
    with file.open("rb") as opened:
        return Restore(Tree(workspace), os.dup(opened.fileno()), application)


Files = Mapping[str, bytes]
GOOD: Files = {"state/visomaster/presets/one.json": b'{"one": 1}', "out/a.mp4": b"video" * 100}


def document(files: Files, **changes: Any) -> dict[str, Any]:
    """What `visomaster-state.json` says of `files`."""
    kept = {
        path: {"size": len(content), "sha256": hashlib.sha256(content).hexdigest(), "modified": 1_700_000_000_123}
        for path, content in files.items()
    }
    about = {"application": "visomaster", "commit": "c0ffee", "saved": "2026-11-26T21:00:00Z"}
    return {"format": 1, **about, "left_out": [], "files": kept, **changes}


def zipped(
    files: Files | None = None,
    *,
    said: object = None,
    infos: Mapping[str, Callable[[zipfile.ZipInfo], None]] | None = None,
    method: int = zipfile.ZIP_STORED,
) -> bytes:
    """A zip of `files`, whose document is `said`; `infos` change how an entry is written."""
    files = GOOD if files is None else files
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for path, content in {**files, NAME: json.dumps(document(files) if said is None else said)}.items():
            info = zipfile.ZipInfo(path)
            info.compress_type = method
            (infos or {}).get(path, lambda info: None)(info)
            archive.writestr(info, content)
    return buffer.getvalue()


def patched(content: bytes, mark: bytes, offset: int, form: str, value: int, *, which: int = 0) -> bytes:
    """`content` with the number at `offset` behind the signature `mark`, its occurrence `which`, replaced."""
    at = -1
    for _ in range(which + 1):
        at = content.index(mark, at + 1)
    changed = bytearray(content)
    struct.pack_into(form, changed, at + offset, value)
    return bytes(changed)


LOCAL, CENTRAL, END = b"PK\3\4", b"PK\1\2", b"PK\5\6"


def bomb() -> bytes:
    """A file that is a thousand times what the zip says."""
    path = "state/visomaster/bomb"
    content = zipped({path: bytes(10_000_000)}, said=document({path: bytes(10_000)}), method=zipfile.ZIP_DEFLATED)
    return patched(content, CENTRAL, 24, "<L", 10_000)


def overlapping() -> bytes:
    """Two files whose data is the same bytes: how a zip of a few kilobytes holds petabytes."""
    files = {"state/visomaster/a": b"x" * 100, "state/visomaster/b": b"x" * 100}
    return patched(zipped(files), CENTRAL, 42, "<L", 0, which=1)


def link(info: zipfile.ZipInfo) -> None:
    """Make it a link, as `zip --symlinks` does."""
    info.create_system, info.external_attr = 3, 0o120777 << 16


def with_name(path: str) -> bytes:
    """A zip with a file at `path`."""
    return zipped({path: b"x"})


def renamed(old: str, new: bytes) -> bytes:
    """A zip whose file `old` is called `new`, of as many bytes, wherever a zip names it."""
    assert len(old.encode()) == len(new)
    content = zipped({old: b"x"})
    return content.replace(old.encode(), new)
