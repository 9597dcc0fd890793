"""A folder of files brought to the host as a whole: one question, and one archive of what differs."""

from __future__ import annotations

import base64
import fnmatch
import io
import tarfile
from collections.abc import Collection, Generator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from pyinfra import host
from pyinfra.api import FunctionCommand, StringCommand, operation

from operations.as_user import as_user, folder_command, in_roots_folder
from operations.facts.tree import CopiedFiles, FoundTree, RemoteFile, RemoteFolder, RemoteTree
from operations.stream import refused, streamed
from spec.folder import LocalFile, digest, local_files, without


def differing(wanted: Mapping[str, LocalFile], found: Mapping[str, RemoteFile], owner: str) -> list[str]:
    """The names in `wanted` whose content, mode or owner on the host is another one, or that are not there."""
    return [
        name
        for name, file in wanted.items()
        if found.get(name) != RemoteFile(mode=file.mode, owner=owner, sha256=file.sha256)
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
) -> Generator[FunctionCommand | StringCommand]:
    """Bring the files below the local folder `source` to the folder `dest`, owned by `user` and `group`. `own`: they
    are this project's, as in `local_files`.

    Programs get mode 755, other files 644, folders 755. Files that are not in `source` are removed when their path
    matches the pattern `prune`: with a narrower one, or "" for none, `dest` may hold files of others. `exclude` names
    entries at the top of `source` to leave out.
    """
    found = host.get_fact(FoundTree, path=dest, user=user)
    wanted = local_files(source, exclude, own=own)
    surplus = sorted(fnmatch.filter(set(found.files) - set(wanted), prune))
    yield from _brought(wanted, found, surplus, dest, user, group)


@operation()
def followed(
    source: Path, exclude: frozenset[str], kept: Sequence[str], fingerprint: str, dest: str, user: str, listing: str
) -> Generator[FunctionCommand | StringCommand]:
    """Have the folder `dest` of `user`'s, who writes there too, follow the local folder `source`, from copy to copy.

    As `copied`, but of what is on the host nothing is removed that did not come with the last copy, which `listing`
    names, or that has changed there since. Where `dest` has a link at one of the paths `kept`, what is there lives
    elsewhere and stays as it is. Fails in one line where `source` has not the `fingerprint` any more that it had when
    the run was planned.
    """
    try:
        whole = local_files(source, exclude)
        if digest(without(whole, kept)) != fingerprint:
            yield refused(f"{source}: it has changed since this run began: run it again")
            return
        found = host.get_fact(FoundTree, path=dest, user=user)
        wanted = without(whole, found.links.intersection(kept))
        before = host.get_fact(CopiedFiles, path=listing)
        yield from _brought(wanted, found, gone(before, wanted, found.files), dest, user, user)
    except OSError as error:
        yield refused(f"{error.filename}: {error.strerror}")


def gone(before: Mapping[str, str], wanted: Collection[str], found: Mapping[str, RemoteFile]) -> list[str]:
    """The names that the last copy brought (`before`, with the sha256 of each), that are not `wanted` any more, and
    that are still `found` as they came."""
    return sorted(
        name for name in set(before).difference(wanted) if name in found and found[name].sha256 == before[name]
    )


def listed(files: Mapping[str, LocalFile]) -> str:
    """What a host is told of a copy of `files`, for `followed` to read at the next one."""
    return "".join(f"{file.sha256}  {name}\n" for name, file in sorted(files.items()))


def _brought(
    wanted: Mapping[str, LocalFile], found: RemoteTree, surplus: Sequence[str], dest: str, user: str, group: str
) -> Generator[FunctionCommand | StringCommand]:
    """The commands that bring what of the files `wanted` is not as `found`, and remove those called `surplus`."""
    changed = differing(wanted, found.files, f"{user}:{group}")
    closed = private(folders_of(wanted), found.folders)
    if not (changed or closed or surplus):
        host.noop(f"{dest} is up to date ({len(wanted)} files)")
        return
    if changed or closed:
        if user != "root":
            yield StringCommand(folder_command(dest, user, "755"))
        archive = packed({name: wanted[name] for name in changed}, closed, user, group)
        yield streamed(unpack_command(dest, user), stdin=base64.encodebytes(archive).decode())
    if surplus:
        yield streamed(remove_command(dest, user), stdin="".join(f"{name}\n" for name in surplus))


def unpack_command(dest: str, user: str) -> str:
    """The shell command that unpacks a tar archive, in base64 on standard input, into `dest`.

    So it has no name on the host that somebody could foretell. In a folder of somebody else's it is `user` who unpacks.
    Owners are taken by name from the archive. tar removes a file before it writes the new one: a program that is
    running keeps its old one.
    """
    return _in_folder(dest, user, "base64 --decode | tar -x --preserve-permissions -f -")


def remove_command(dest: str, user: str) -> str:
    """The shell command that removes the files of `dest` that are named on standard input, a line each: there may be
    more of them than a command has room for."""
    return _in_folder(dest, user, r"xargs --no-run-if-empty --delimiter='\n' rm -f --")


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
