"""The program's `model_assets` tree: one symlink per model into the store, beside the small files a checkout ships.

The tree belongs to the program's user. Root has no business in it: a process that is nothing but that user, and knows
none of our variables, looks at it and makes the links.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import BinaryIO

from visomaster_host import paths
from visomaster_host.beneath import Folder
from visomaster_host.fetch.manifest import ModelFile
from visomaster_host.fetch.store import Layout, StoreError, prepare_folder, status_of
from visomaster_host.refusals import refusal

# The program lists this folder at start and fails when it is missing.
DFM_FOLDER = "model_assets/dfm_models"

PYTHON = str(paths.SYSTEM_PYTHON)
WITHIN = 60.0  # seconds for all links of a tree; they take milliseconds
ANSWER_MOST = 1024 * 1024
ANSWER_LINES = 200
_PACKAGES = str(Path(__file__).resolve().parents[2])
_AS_OWNER = (
    f"import sys; sys.path.insert(0, {_PACKAGES!r}); from visomaster_host.fetch.links import answer; "
    "sys.exit(answer(sys.stdin.buffer))"
)


def link_all(layout: Layout, files: Iterable[ModelFile]) -> tuple[list[str], list[str]]:
    """Link every file that is in the store into the tree; a tree that is not there is left alone.

    Returns (kept, failed): the user's own files that stand where a link would be, and problems in words.
    """
    wanted = {
        file.path: str(layout.target(file).absolute())
        for file in files
        if file.root == "model_assets" and status_of(layout.target(file))
    }
    return _as_owner("link", layout, wanted)


def unlinked(layout: Layout, files: Iterable[ModelFile]) -> list[str]:
    """The paths of those `files` that the tree does not offer, neither linked nor as files of the user's own."""
    wanted = {file.path: "" for file in files if file.root == "model_assets"}
    lacking, failed = _as_owner("look", layout, wanted)
    return sorted(wanted) if failed else lacking


def _as_owner(what: str, layout: Layout, wanted: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """Do `what` in the tree as the user whose it is; the paths of `wanted` it names, and problems in words."""
    try:
        with Folder.open(layout.tree) as tree:
            owner = tree.owner
    except OSError:
        return ([] if what == "link" else sorted(wanted)), [f"{layout.tree} is not a folder: nothing was linked"]
    if os.geteuid() != 0 or owner.st_uid == 0:
        return _DO[what](layout.tree, layout.store.absolute(), wanted)
    try:
        found, failed = _ask(
            owner, {"do": what, "tree": str(layout.tree), "store": str(layout.store.absolute()), "wanted": wanted}
        )
    except (OSError, ValueError, TypeError, RecursionError, subprocess.TimeoutExpired) as error:
        reason = refusal(error) if isinstance(error, OSError) else str(error)
        return [], [f"{layout.tree}: linking as user {owner.st_uid} failed: {printable(reason)}"]
    return [path for path in wanted if path in found], [printable(str(line)) for line in failed[:ANSWER_LINES]]


def _ask(owner: os.stat_result, question: Mapping[str, object]) -> tuple[list[str], list[str]]:
    """The answer of a process that is the user `owner` alone. It is in their hands from its start: what it says is
    bounded, and believed of their tree only. Raises OSError, ValueError, TypeError,
    RecursionError, subprocess.TimeoutExpired.
    """
    asked, said = os.memfd_create("question"), os.memfd_create("answer")
    with os.fdopen(asked, "r+b") as asked_file, os.fdopen(said, "r+b") as said_file:
        asked_file.write(json.dumps(question).encode())
        asked_file.seek(0)
        status = _run_as(owner, asked_file, said_file)
        said_file.seek(0)
        text = said_file.read(ANSWER_MOST).decode("utf-8", "replace")
    if status != 0:
        raise ValueError(f"status {status}: {(text.strip().splitlines() or ['it said nothing'])[-1][:500]}")
    found, failed = json.loads(text)
    return list(found), list(failed)


def _run_as(owner: os.stat_result, asked: BinaryIO, said: BinaryIO) -> int:
    """The status of the process. Raises OSError, subprocess.TimeoutExpired."""
    with subprocess.Popen(
        [PYTHON, "-I", "-S", "-c", _AS_OWNER],
        env={"PATH": paths.SYSTEM_PATH, "LANG": "C.UTF-8"},  # no HF_TOKEN, whatever else we were given
        cwd="/",
        stdin=asked,
        stdout=said,
        stderr=said,
        user=owner.st_uid,
        group=owner.st_gid,
        extra_groups=[],
        umask=0o022,
        start_new_session=True,  # no terminal of ours, into which it could type
    ) as process:
        try:
            _until_ended(process.pid)
            return process.wait(timeout=WITHIN)
        finally:
            process.kill()


def _until_ended(process: int) -> None:
    """Wait for the end of a process, at most WITHIN seconds; not at all on a kernel that cannot tell (before 5.3)."""
    with contextlib.suppress(OSError):
        descriptor = os.pidfd_open(process)
        try:
            select.select([descriptor], [], [], WITHIN)
        finally:
            os.close(descriptor)


def answer(question: BinaryIO) -> int:
    """In the process that is the tree's owner: do what root asks, and tell what came of it."""
    asked = json.load(question)
    print(json.dumps(_DO[asked["do"]](Path(asked["tree"]), Path(asked["store"]), asked["wanted"])))
    return 0


def printable(text: str) -> str:
    """`text` without what a terminal would obey."""
    return "".join(character if character.isprintable() else "?" for character in text)


def _link_tree(tree: Path, store: Path, wanted: Mapping[str, str]) -> tuple[list[str], list[str]]:
    kept: list[str] = []
    failed: list[str] = []
    try:
        prepare_folder(tree, tree / DFM_FOLDER / "x").close()
    except StoreError as error:
        failed.append(str(error))
    for path, target in wanted.items():
        try:
            if not _link(tree, path, Path(target), store):
                kept.append(path)
        except StoreError as error:
            failed.append(str(error))
    return kept, failed


def _look_at_tree(tree: Path, store: Path, wanted: Mapping[str, str]) -> tuple[list[str], list[str]]:
    return [path for path in wanted if not (tree / path).is_file()], []


_DO = {"link": _link_tree, "look": _look_at_tree}


def _link(tree: Path, path: str, target: Path, store: Path) -> bool:
    """Make one link; False when a file of the user's own stands there. Raises StoreError."""
    link = tree / path
    with prepare_folder(tree, link) as folder:
        try:
            if folder.status(link.name) is not None:
                current = _target_of(folder, link.name)
                if current == target:
                    return True
                if current is None or (link.exists() and store not in current.parents):
                    return False
            folder.link(link.name, str(target))
        except OSError as error:
            raise StoreError(refusal(error)) from error
    return True


def _target_of(folder: Folder, name: str) -> Path | None:
    """Where the link `name` leads, None when it is none."""
    try:
        return Path(os.readlink(name, dir_fd=folder.descriptor))
    except OSError:
        return None
