"""A program's source on the host: at a git commit, or a copy of a local folder (`operations.tree`)."""

from __future__ import annotations

import re
import shlex
from collections.abc import Generator, Mapping, Sequence

from pyinfra import host
from pyinfra.api import FunctionCommand, StringCommand, operation

from operations import apt
from operations.as_user import as_user
from operations.facts.checkout import CheckoutCommit, CheckoutIgnores, PrivateFiles, private_command
from operations.remote.mirrors import swap_prefix
from operations.stream import streamed

_CHECKOUT = apt.script("apt_debs.sh", "enter.sh", "git_beside.sh", "git_checkout.sh")


@operation()
def at_commit(url: str, commit: str, dest: str, user: str, mirrors: Mapping[str, str]) -> Generator[FunctionCommand]:
    """Bring the checkout in `dest`, owned by `user`, to `commit` of the repository at `url`, or where `mirrors`
    (FROM -> TO prefixes) say it is reached.

    Files that git does not track (thumbnails, outputs, TensorRT engines) stay. Where the program's folder has
    links to what it keeps, files of the commit come instead, and the next start of the program takes along what is new
    of them. A tracked file that was changed by hand is never overwritten: the operation fails and says so.
    """
    if host.get_fact(CheckoutCommit, path=dest, user=user) == commit:
        host.noop(f"{dest} is at {commit}")
        return
    yield streamed(checkout_command(swap_prefix(url, mirrors), commit, dest, user))


def checkout_command(url: str, commit: str, dest: str, user: str) -> str:
    """The shell command that brings the checkout in `dest` to `commit` of the repository at `url`."""
    return shlex.join(["sh", "-c", _CHECKOUT, "git-checkout", url, commit, dest, user])


@operation()
def ignores(dest: str, patterns: Sequence[str], user: str) -> Generator[StringCommand]:
    """Have git take no notice of `patterns` in the checkout in `dest`, which is `user`'s: a file that is put there is
    then no change of the checkout. Nothing to do for a plain folder."""
    found = host.get_fact(CheckoutIgnores, path=dest, patterns=tuple(patterns), user=user)
    missing = [pattern for pattern in patterns if pattern not in found]
    if not missing:
        host.noop(f"git ignores {', '.join(patterns)} in {dest}")
        return
    append = """cd -- "$1"\nshift\nmkdir -p .git/info\nprintf '%s\\n' "$@" >>.git/info/exclude"""
    yield StringCommand(as_user(user, append, dest, *missing))


def pattern_of(path: str) -> str:
    """What names `path`, relative to a checkout, and nothing else to git."""
    return "/" + re.sub(r"([*?\[\]\\])", r"\\\1", path)


@operation()
def readable(dest: str, user: str) -> Generator[StringCommand]:
    """Let everybody read what git knows of the checkout in `dest`, which is `user`'s."""
    private = host.get_fact(PrivateFiles, path=dest, user=user)
    if not private:
        host.noop(f"{dest} can be read")
        return
    yield StringCommand(as_user(user, *private_command(dest, "heal")))
