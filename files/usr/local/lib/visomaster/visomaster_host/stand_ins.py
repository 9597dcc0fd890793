"""Folders of state below /run, in place of those that cannot be written: a container's own files may be read-only.

What is in a stand-in lasts until /run is emptied, and no longer than the reason for it.
"""

from __future__ import annotations

import os
from pathlib import Path

from visomaster_host import paths
from visomaster_host.beneath import Folder
from visomaster_host.files import ROOT, Owner, ensure_directory
from visomaster_host.problems import say
from visomaster_host.refusals import refusal


def of(folder: Path) -> Path:
    """Where the stand-in of `folder` is, if there is one."""
    return paths.STAND_INS / folder.relative_to("/")


def actual(folder: Path) -> Path:
    """`folder`, or what stands in for it since the last start."""
    return of(folder) if os.path.isdir(of(folder)) else folder


def make(folder: Path, *, mode: int, owner: Owner = ROOT) -> None:
    """Make `folder` with this mode and owner; where that cannot be, or nothing can be written in it, make its stand-in,
    and say so. Raises OSError when that cannot be either.
    """
    try:
        ensure_directory(folder, mode=mode, owner=owner)
        with Folder.open(folder) as opened:
            opened.require_writable()
    except OSError as error:
        ensure_directory(of(folder), mode=mode, owner=owner)
        say(f"visomaster-start: {refusal(error)}; going on: what belongs there is kept in {of(folder)} for now")
        return
    forget(folder)


def forget(folder: Path) -> None:
    """Remove the stand-in of `folder`, if there is one. Raises OSError."""
    if os.path.isdir(of(folder)):
        import shutil  # 2 ms that all but the first start after a repair would wait for

        shutil.rmtree(of(folder))
