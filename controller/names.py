"""Who and what a run is for, as it was typed: a name that means nobody is refused in one line.

pyinfra 3.10 shows an empty table instead, with exit status 0, or a traceback.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.host import Host
from pyinfra.api.inventory import Inventory
from pyinfra.api.state import State
from pyinfra.connectors.sshuserclient.client import get_ssh_config
from pyinfra.context import ctx_host
from pyinfra_cli.exceptions import CliError, UnexpectedExternalError
from visomaster_host.text import brief

_EXPECTED = "expected a host's name or address, several as a,b, @local, @docker/NAME, or an inventory file such as"


def make_inventory(make: Callable[..., Inventory], inventory: str, **options: Any) -> Inventory:
    """`make`, pyinfra's own, of what `inventory` names. Raises `CliError`, one line, when that is nobody."""
    is_file = Path(inventory).is_file()
    if not is_file:
        _require_names(inventory)
    try:
        found = make(inventory, **options)
    except CliError:
        raise
    except PyinfraError as error:
        raise CliError(f"inventory {inventory}: {brief(error)}") from None
    except UnexpectedExternalError as error:
        raise CliError(f"{error.filename}: {_described(error.exception)}") from None
    except Exception as error:  # of an inventory's own code
        raise CliError(f"inventory {inventory}: {_described(error)}") from None
    if not len(found):
        raise CliError(f"inventory {inventory}: there is no host in it, so nothing was done")
    return found


def _described(error: BaseException) -> str:
    return brief(f"{type(error).__name__}: {error}")


def _require_names(inventory: str) -> None:
    """Raise `CliError` where `inventory`, which is no file, cannot be a list of hosts."""
    if inventory and Path(inventory).is_dir():
        raise CliError(f"inventory {inventory!r} is a folder, {_expected()}")
    if "/" in inventory and "@" not in inventory and "," not in inventory:
        raise CliError(f"inventory {inventory!r}: there is no such file, {_expected()}")
    for name in inventory.split(","):
        if not name or name != name.strip():
            raise CliError(f"inventory {inventory!r}: {name!r} is no host's name, expected names as in a,b")
        user, at, host = name.rpartition("@")
        if at and user:
            raise CliError(f"inventory {inventory!r}: the user is named apart, expected {host} --ssh-user {user}")


def _expected() -> str:
    files = sorted(map(str, Path("inventories").glob("*.py")))  # pyinfra is started in the repository
    return f"{_EXPECTED} {', '.join(files)}"


def resolves(resolve: Callable[[str], bool], name: str) -> bool:
    """`resolve`, pyinfra's own: whether there is a host called `name`. Raises `CliError` where there is none."""
    config = get_ssh_config()
    if config is not None and {"proxycommand", "proxyjump"} & set(config.lookup(name)):
        return True  # the name may mean something to the jump host alone
    with suppress(UnicodeError):  # of what cannot be a host's name at all
        if resolve(name):
            return True
    raise CliError(f"{name!r} is no host that is known here, nor a file: {_expected()}; a port is --ssh-port NUMBER")


def matches(match: Callable[..., list[Host]], inventory: Inventory, patterns: Iterable[str], option: str) -> list[Host]:
    """`match`, pyinfra's own: the hosts of `inventory` that `option` means. Raises `CliError` when one of the
    `patterns` means none: who mistyped a name would have others changed, or nobody."""
    for pattern in patterns:
        if pattern not in inventory.groups and not any(fnmatch(host.name, pattern) for host in inventory):
            names = sorted({*(host.name for host in inventory), *inventory.groups})
            raise CliError(f"{option} {pattern}: no such host or group, expected one of: {brief(', '.join(names))}")
    return match(inventory, patterns, option)


def connect(connect_all: Callable[[State], None], state: State) -> None:
    """`connect_all`, pyinfra's own. Raises `CliError` where --limit and --exclude left nobody to connect to."""
    if not any(state.is_host_in_limit(host) for host in state.inventory):
        raise CliError("--limit and --exclude leave no host, so nothing was done")
    connect_all(state)


def require_host() -> None:
    """Raise `CliError` where a deploy is read without a host: pyinfra takes a file for a function, and what follows for
    its arguments, where a word stands behind it that is no file's name."""
    if not ctx_host.isset():
        raise CliError("deploy.py is followed by a word that is no option: a setting is written --data variant=alt")


def override_data(read: Callable[..., Mapping[str, object]], data: Iterable[str], *more: Any) -> Mapping[str, object]:
    """`read`, pyinfra's own, of the values of --data. Raises `CliError` for one that is no KEY=VALUE."""
    for pair in data:
        key, separator, _ = pair.partition("=")
        if not key.strip() or not separator:
            raise CliError(f"--data {pair}: expected KEY=VALUE")
    return read(data, *more)
