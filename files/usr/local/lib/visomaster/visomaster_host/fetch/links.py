"""The program's `model_assets` tree: one symlink per model into the store, beside the small files a checkout ships."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from visomaster_host.fetch.manifest import ModelFile
from visomaster_host.fetch.owner import adopt
from visomaster_host.fetch.store import Layout, StoreError, prepare_folder

# The program lists this folder at start and fails when it is missing.
DFM_FOLDER = "model_assets/dfm_models"


def link_all(layout: Layout, files: Iterable[ModelFile]) -> tuple[list[str], list[str]]:
    """Link every file that is in the store into the tree; a tree that is not there is left alone.

    Returns (kept, failed): the user's own files that stand where a link would be, and problems in words.
    """
    kept: list[str] = []
    failed: list[str] = []
    if not layout.tree.is_dir():
        return kept, [f"{layout.tree} is not a folder: nothing was linked"]
    try:
        prepare_folder(layout.tree, layout.tree / DFM_FOLDER / "x")
    except StoreError as error:
        failed.append(str(error))
    for file in files:
        if file.root != "model_assets" or not layout.target(file).is_file():
            continue
        try:
            if not _link(layout, file):
                kept.append(str(layout.tree / file.path))
        except StoreError as error:
            failed.append(str(error))
    return kept, failed


def is_linked(layout: Layout, file: ModelFile) -> bool:
    """Whether the tree offers `file` (linked, or a file of the user's own)."""
    return file.root != "model_assets" or (layout.tree / file.path).is_file()


def _link(layout: Layout, file: ModelFile) -> bool:
    """Make one link; False when a file of the user's own stands there. Raises StoreError."""
    link, target = layout.tree / file.path, layout.target(file).absolute()
    prepare_folder(layout.tree, link)
    if link.is_symlink():
        current = Path(os.readlink(link))
        if current == target:
            return True
        if link.exists() and layout.store.absolute() not in current.parents:
            return False
    elif link.exists():
        return False
    temporary = link.with_name(f".{link.name}.{os.getpid()}")
    try:
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(target)
        adopt(temporary, link.parent)
        os.replace(temporary, link)
    except OSError as error:
        raise StoreError(f"{link}: {error.strerror}") from error
    return True
