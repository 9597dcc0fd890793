"""How root touches a folder on the host.

One that is root's alone is entered element by element. In anybody else's nothing is done but by a process that is that
user and nothing more: a link laid there then leads nowhere that they could not go by themselves.
"""

from __future__ import annotations

import shlex
from pathlib import Path, PurePosixPath

from visomaster_host import paths

_ENTER = (Path(__file__).parent / "remote" / "enter.sh").read_text(encoding="utf-8")


def as_user(user: str, script: str, *words: str) -> str:
    """The shell command that runs `script` (for sh, with `words` as $1, $2 …) in / as `user`, with standard input.

    It gets none of the caller's variables, which may hold secrets, and no terminal, into which it could type. Who is
    not root runs it as they are.
    """
    inner = shlex.join(["sh", "-euc", script, "as-user", *words])
    clean = shlex.join(["env", "--ignore-environment", "HOME=/", "LANG=C.UTF-8", f"PATH={paths.SYSTEM_PATH}"])
    become = shlex.join(["setpriv", "--reuid", user, "--regid", user, "--init-groups"])
    return f'cd / && if test "$(id -u)" = 0; then setsid --wait {clean} {become} {inner}; else {inner}; fi'


def as_user_if_there(user: str, script: str, *words: str) -> str:
    """As `as_user`; nothing at all on a host that has no such user yet."""
    return f"if id -u {shlex.quote(user)} >/dev/null 2>&1; then {as_user(user, script, *words)}; fi"


def in_roots_folder(folder: str, script: str, *words: str, make: bool = False) -> str:
    """The shell command that runs `script` (for sh, with `words` as $1, $2 …) in `folder`, which is made if `make` says
    so; it fails in one line where the folder is not root's alone.
    """
    enter = f"enter {shlex.quote(folder)}{' make' if make else ''}"
    return shlex.join(["sh", "-euc", f"{_ENTER}\n{enter}\n{script}", "in-roots-folder", *words])


def folder_command(path: str, owner: str, mode: str) -> str:
    """The shell command that has the folder `path`, in a folder that is root's alone, belong to `owner`."""
    where = PurePosixPath(path)
    script = 'install -d -o "$2" -g "$2" -m "$3" -- "$1"'
    return in_roots_folder(str(where.parent), script, where.name, owner, mode)
