"""A bare git repository with one commit, written without git: the same files always give the same commit.

It is served as static files (git's "dumb" HTTP). Formats: gitformat-loose(5), gitrepository-layout(5).
"""

from __future__ import annotations

import hashlib
import zlib
from pathlib import Path

from sandbox.shell import source_files

BRANCH = "main"
# Nobody, at a fixed moment: the commit's name depends on the files alone.
SIGNATURE = "Sandbox <sandbox@sandbox.invalid> 1600000000 +0000"
MESSAGE = "The sandbox's application\n"


def commit_of(folder: Path) -> str:
    """Return the commit that `write_repository` makes of `folder`."""
    return _objects(folder)[0]


def write_repository(folder: Path, repository: Path) -> str:
    """Write a bare repository of `folder`'s files to `repository`, empty or missing; return its commit."""
    commit, objects = _objects(folder)
    for name, content in objects.items():
        _write(repository / "objects" / name[:2] / name[2:], zlib.compress(content))
    _write(repository / "HEAD", f"ref: refs/heads/{BRANCH}\n".encode())
    _write(repository / "config", b"[core]\n\trepositoryformatversion = 0\n\tbare = true\n")
    _write(repository / "refs" / "heads" / BRANCH, f"{commit}\n".encode())
    _write(repository / "info" / "refs", f"{commit}\trefs/heads/{BRANCH}\n".encode())
    _write(repository / "objects" / "info" / "packs", b"\n")
    return commit


def _objects(folder: Path) -> tuple[str, dict[str, bytes]]:
    """Return the commit's name and every object of the repository by its name."""
    objects: dict[str, bytes] = {}
    tree = _tree(folder, source_files(folder), objects)
    text = f"tree {tree}\nauthor {SIGNATURE}\ncommitter {SIGNATURE}\n\n{MESSAGE}"
    return _add(objects, "commit", text.encode()), objects


def _tree(folder: Path, files: list[Path], objects: dict[str, bytes]) -> str:
    """Add the tree of `folder`, which holds `files` at any depth; return its name."""
    entries: dict[str, tuple[bytes, str]] = {}
    for name in {path.relative_to(folder).parts[0] for path in files}:
        path = folder / name
        if path.is_dir():
            below = [file for file in files if file.is_relative_to(path)]
            # git sorts a folder as if its name ended in a slash
            entries[f"{name}/"] = b"40000", _tree(path, below, objects)
        else:
            mode = b"100755" if path.stat().st_mode & 0o100 else b"100644"
            entries[name] = mode, _add(objects, "blob", path.read_bytes())
    lines = (
        mode + b" " + name.rstrip("/").encode() + b"\0" + bytes.fromhex(object_name)
        for name, (mode, object_name) in sorted(entries.items(), key=lambda entry: entry[0].encode())
    )
    return _add(objects, "tree", b"".join(lines))


def _add(objects: dict[str, bytes], kind: str, content: bytes) -> str:
    whole = f"{kind} {len(content)}\0".encode() + content
    name = hashlib.sha1(whole, usedforsecurity=False).hexdigest()
    objects[name] = whole
    return name


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
