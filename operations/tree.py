"""A folder of files brought to the host as a whole: one question, and one archive of what differs."""

from __future__ import annotations

import fnmatch
import hashlib
import io
import shlex
import tarfile
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pyinfra import host
from pyinfra.api import FileUploadCommand, StringCommand, operation

from operations.facts.tree import FolderFiles, RemoteFile


@dataclass(frozen=True, kw_only=True)
class LocalFile:
    """One file to bring: where it is here, and whether it is a program."""

    path: Path
    executable: bool

    @property
    def mode(self) -> str:
        """Permission bits on the host, in octal."""
        return "755" if self.executable else "644"


def local_files(folder: Path, exclude: frozenset[str] = frozenset()) -> dict[str, LocalFile]:
    """The regular files below `folder` by relative path, without version control, what tools leave behind and the
    entries of its top level named in `exclude`."""
    unwanted = {".git", ".mypy_cache", ".pytest_cache", ".ruff_cache", "__pycache__"}
    return {
        path.relative_to(folder).as_posix(): LocalFile(path=path, executable=bool(path.stat().st_mode & 0o100))
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and not unwanted.intersection(path.relative_to(folder).parts)
        and path.relative_to(folder).parts[0] not in exclude
    }


def digest(files: Mapping[str, LocalFile]) -> str:
    """One sha256 over names, modes and contents of `files`."""
    whole = hashlib.sha256()
    for name, file in sorted(files.items()):
        whole.update(f"{name}\0{file.mode}\0{_sha256(file.path)}\n".encode())
    return whole.hexdigest()


def differing(wanted: Mapping[str, LocalFile], found: Mapping[str, RemoteFile], owner: str) -> list[str]:
    """The names in `wanted` whose content, mode or owner on the host is another one, or that are not there."""
    return [
        name
        for name, file in wanted.items()
        if found.get(name) != RemoteFile(mode=file.mode, owner=owner, sha256=_sha256(file.path))
    ]


@operation()
def copied(
    source: Path,
    dest: str,
    user: str = "root",
    group: str = "root",
    prune: str = "*",
    exclude: frozenset[str] = frozenset(),
) -> Generator[FileUploadCommand | StringCommand]:
    """Bring the files below the local folder `source` to the folder `dest`, owned by `user` and `group`.

    Programs get mode 755, other files 644, folders 755. Files that are not in `source` are removed when their path
    matches the pattern `prune`: with a narrower one, or "" for none, `dest` may hold files of others. `exclude` names
    entries at the top of `source` to leave out.
    """
    wanted = local_files(source, exclude)
    found = host.get_fact(FolderFiles, path=dest)
    changed = differing(wanted, found, f"{user}:{group}")
    surplus = sorted(fnmatch.filter(set(found) - set(wanted), prune))
    if not (changed or surplus):
        host.noop(f"{dest} is up to date ({len(wanted)} files)")
        return
    if changed:
        archive = str(host.get_temp_filename(f"{dest}-{digest(wanted)}"))
        yield FileUploadCommand(_archive({name: wanted[name] for name in changed}, user, group), archive)
        yield unpack(archive, dest)
    if surplus:
        yield StringCommand(f"cd {shlex.quote(dest)} && rm -f -- {shlex.join(surplus)}")


def unpack(archive: str, dest: str) -> StringCommand:
    """The command that unpacks `archive` into `dest` and removes it.

    Owners are taken by name from the archive. tar removes a file before it writes the new one: a program that is
    running keeps its old one.
    """
    target, source = shlex.quote(dest), shlex.quote(archive)
    return StringCommand(
        f"mkdir -p {target} && tar -x --preserve-permissions -C {target} -f {source} && rm -f {source}"
    )


def _archive(files: Mapping[str, LocalFile], user: str, group: str) -> io.BytesIO:
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w") as tar:
        for folder in sorted({parent for name in files for parent in PurePosixPath(name).parents}):
            tar.addfile(_member(f"{folder}/", 0o755, user, group, tarfile.DIRTYPE))
        for name, file in files.items():
            content = file.path.read_bytes()
            member = _member(name, int(file.mode, 8), user, group, tarfile.REGTYPE)
            # Python trusts bytecode that was made from a source of this size and time.
            member.size, member.mtime = len(content), int(file.path.stat().st_mtime)
            tar.addfile(member, io.BytesIO(content))
    whole.seek(0)
    return whole


def _member(name: str, mode: int, user: str, group: str, kind: bytes) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.mode, member.uname, member.gname, member.type = mode, user, group, kind
    return member


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
