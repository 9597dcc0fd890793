"""A folder of files brought to the host as a whole: one question, and one archive of what differs."""

from __future__ import annotations

import base64
import fnmatch
import hashlib
import io
import tarfile
from collections.abc import Collection, Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pyinfra import host
from pyinfra.api import FunctionCommand, StringCommand, operation

from operations.as_user import as_user, folder_command, in_roots_folder
from operations.facts.tree import FoundTree, RemoteFile, RemoteFolder
from operations.stream import streamed


@dataclass(frozen=True, kw_only=True)
class LocalFile:
    """One file to bring: where it is here, whether it is a program, and whether it is this project's own."""

    path: Path
    executable: bool
    own: bool = False

    @property
    def content(self) -> bytes:
        """What the host gets. A text of ours has line ends of Unix: with others a host could not run it."""
        found = self.path.read_bytes()
        return found if b"\0" in found or not self.own else found.replace(b"\r\n", b"\n")

    @property
    def mode(self) -> str:
        """Permission bits on the host, in octal."""
        return "755" if self.executable else "644"


def local_files(folder: Path, exclude: frozenset[str] = frozenset(), *, own: bool = False) -> dict[str, LocalFile]:
    """The regular files below `folder` by relative path, without version control, what tools leave behind and the
    entries of its top level named in `exclude`.

    `own`: they are of this project, which knows by itself what of it is a program. Archives, and file systems of
    Windows, lose the bit that says so.
    """
    unwanted = {".git", ".mypy_cache", ".pytest_cache", ".ruff_cache", "__pycache__"}
    return {
        path.relative_to(folder).as_posix(): LocalFile(path=path, executable=_is_program(path, own=own), own=own)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and not unwanted.intersection(path.relative_to(folder).parts)
        and path.relative_to(folder).parts[0] not in exclude
    }


def _is_program(path: Path, *, own: bool) -> bool:
    if not own:
        return bool(path.stat().st_mode & 0o100)
    with path.open("rb") as file:
        return file.read(2) == b"#!"


def digest(files: Mapping[str, LocalFile]) -> str:
    """One sha256 over names, modes and contents of `files`."""
    whole = hashlib.sha256()
    for name, file in sorted(files.items()):
        whole.update(f"{name}\0{file.mode}\0{_sha256(file)}\n".encode())
    return whole.hexdigest()


def differing(wanted: Mapping[str, LocalFile], found: Mapping[str, RemoteFile], owner: str) -> list[str]:
    """The names in `wanted` whose content, mode or owner on the host is another one, or that are not there."""
    return [
        name
        for name, file in wanted.items()
        if found.get(name) != RemoteFile(mode=file.mode, owner=owner, sha256=_sha256(file))
    ]


@operation()
def copied(
    source: Path,
    dest: str,
    user: str = "root",
    group: str = "root",
    prune: str = "*",
    exclude: frozenset[str] = frozenset(),
    own: bool = False,
    kept: Sequence[str] = (),
) -> Generator[FunctionCommand | StringCommand]:
    """Bring the files below the local folder `source` to the folder `dest`, owned by `user` and `group`. `own`: they
    are this project's, as in `local_files`.

    Programs get mode 755, other files 644, folders 755. Files that are not in `source` are removed when their path
    matches the pattern `prune`: with a narrower one, or "" for none, `dest` may hold files of others. `exclude` names
    entries at the top of `source` to leave out. Where `dest` has a link at one of the paths `kept`, what is there lives
    elsewhere and stays as it is.
    """
    found = host.get_fact(FoundTree, path=dest, user=user)
    wanted = without_kept(local_files(source, exclude, own=own), found.links.intersection(kept))
    changed = differing(wanted, found.files, f"{user}:{group}")
    closed = private(folders_of(wanted), found.folders)
    surplus = sorted(fnmatch.filter(set(found.files) - set(wanted), prune))
    if not (changed or closed or surplus):
        host.noop(f"{dest} is up to date ({len(wanted)} files)")
        return
    if changed or closed:
        if user != "root":
            yield StringCommand(folder_command(dest, user, "755"))
        archive = packed({name: wanted[name] for name in changed}, closed, user, group)
        yield streamed(unpack_command(dest, user), stdin=base64.encodebytes(archive).decode())
    if surplus:
        yield StringCommand(_in_folder(dest, user, 'rm -f -- "$@"', *surplus))


def without_kept(files: Mapping[str, LocalFile], links: Collection[str]) -> dict[str, LocalFile]:
    """`files` but those at or below one of `links`."""
    return {name: file for name, file in files.items() if not any(f"{name}/".startswith(f"{link}/") for link in links)}


def unpack_command(dest: str, user: str) -> str:
    """The shell command that unpacks a tar archive, in base64 on standard input, into `dest`.

    So it has no name on the host that somebody could foretell. In a folder of somebody else's it is `user` who unpacks.
    Owners are taken by name from the archive. tar removes a file before it writes the new one: a program that is
    running keeps its old one.
    """
    return _in_folder(dest, user, "base64 --decode | tar -x --preserve-permissions -f -")


def _in_folder(dest: str, user: str, script: str, *words: str) -> str:
    if user == "root":
        return in_roots_folder(dest, script, *words, make=True)
    return as_user(user, f'cd -- "$1"\nshift\n{script}', dest, *words)


def folders_of(files: Mapping[str, LocalFile]) -> set[str]:
    """The folders that `files` are in, the uppermost one is `.`."""
    return {str(parent) for name in files for parent in PurePosixPath(name).parents}


def private(wanted: set[str], found: Mapping[str, RemoteFolder]) -> set[str]:
    """Those of the folders `wanted` that are there, but not for everybody: the umask of whoever ran an older playbook
    made them so."""
    return {name for name in wanted & set(found) if int(found[name].mode, 8) & 0o055 != 0o055}


def packed(files: Mapping[str, LocalFile], folders: set[str], user: str, group: str) -> bytes:
    """A tar archive of `files` and `folders` with their modes, owned by `user` and `group`."""
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w") as tar:
        for folder in sorted(folders | folders_of(files)):
            tar.addfile(_member(f"{folder}/", 0o755, user, group, tarfile.DIRTYPE))
        for name, file in files.items():
            content = file.content
            member = _member(name, int(file.mode, 8), user, group, tarfile.REGTYPE)
            # Python trusts bytecode that was made from a source of this size and time.
            member.size, member.mtime = len(content), int(file.path.stat().st_mtime)
            tar.addfile(member, io.BytesIO(content))
    return whole.getvalue()


def _member(name: str, mode: int, user: str, group: str, kind: bytes) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.mode, member.uname, member.gname, member.type = mode, user, group, kind
    return member


def _sha256(file: LocalFile) -> str:
    return hashlib.sha256(file.content).hexdigest()
