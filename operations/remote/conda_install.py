"""Make a prefix hold what a lock lists."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from operations.remote.conda_errors import InstallationError, translated
from operations.remote.conda_journal import PENDING, Journal, files_changing, remove_orphans
from operations.remote.conda_prefix import find_by_name, readable_records, remove_old_interpreters, tidy_records
from operations.remote.conda_progress import Reporter, say
from operations.remote.conda_rattler import client, subdir
from operations.remote.conda_request import Request
from operations.remote.mirrors import swap_prefix

if TYPE_CHECKING:
    from rattler import RepoDataRecord


async def install(request: Request, prefix: Path, wanted: Sequence[RepoDataRecord], work: Path) -> None:
    """Make the prefix hold exactly ``wanted``, and redo what an earlier run left half done."""
    from rattler import install as rattler_install

    meta = prefix / "conda-meta"
    installed = readable_records(meta)
    journal = Journal(meta / PENDING)
    interrupted = set(journal.packages)
    journal.begin({**files_changing(installed, wanted), **journal.packages})
    remove_orphans(prefix, installed, journal)
    canonical = {record.sha256.hex(): (record.url, record.channel) for record in wanted if record.sha256}
    for record in wanted:
        record.url = swap_prefix(record.url, request.mirrors)
    verify_local_archives(wanted)
    with translated("cannot install"):
        await rattler_install(
            list(wanted),
            prefix,
            cache_dir=work / "packages",
            installed_packages=installed,
            reinstall_packages=interrupted,
            platform=subdir(request.platform),
            execute_link_scripts=False,
            client=client(),
            reporter=Reporter(journal, work / "packages", wanted),
        )
    remove_old_interpreters(prefix, wanted)
    find_by_name(prefix, wanted)
    tidy_records(meta, canonical)
    journal.end()
    say(f"{len(wanted)} packages in {prefix}")


def verify_local_archives(wanted: Sequence[RepoDataRecord]) -> None:
    """Raises ``InstallationError`` for an archive that is not the locked one.

    rattler 0.28 checks the sha256 of what it downloads, but not that of ``file://`` archives.
    """
    for record in wanted:
        if not record.url.startswith("file://") or record.sha256 is None:
            continue
        digest = hashlib.sha256()
        with Path(unquote(urlsplit(record.url).path)).open("rb") as archive:
            for block in iter(partial(archive.read, 1 << 20), b""):
                digest.update(block)
        if digest.digest() != record.sha256:
            raise InstallationError(f"{record.file_name}: its sha256 is not the one in the lock")
