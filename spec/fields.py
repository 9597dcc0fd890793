"""Reading untyped data (TOML tables, host data) into typed values, with errors that name the field."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import TypeVar

from visomaster_host.enums import StrEnum

Choice = TypeVar("Choice", bound=StrEnum)

_COMMIT = re.compile(r"[0-9a-f]{40}")
_PACKAGE = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
_URL = re.compile(r"(https?|file|ssh|git)://[^\s]+")


def one_of(values: Iterable[str]) -> str:
    """The accepted values as an error message lists them."""
    return "one of: " + ", ".join(str(value) for value in values)


def refuse_unknown(table: Mapping[str, object], known: Collection[str], where: str) -> None:
    """Raise `ValueError` naming the first key of `table` that is not in `known`."""
    for key in table:
        if key not in known:
            raise ValueError(f"{where}: unknown field {key!r}, expected {one_of(known)}")


def text(table: Mapping[str, object], key: str, where: str) -> str:
    """The non-empty string under `key`. Raises `ValueError` when it is missing or something else."""
    value = table.get(key)
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{where}: {key} must be a non-empty string, got {value!r}")
    return value


def texts(table: Mapping[str, object], key: str, where: str) -> tuple[str, ...]:
    """The list of strings under `key`, empty when absent. Raises `ValueError` when it is something else."""
    value = table.get(key, [])
    if not isinstance(value, list | tuple) or not all(isinstance(item, str) and item for item in value):
        raise ValueError(f"{where}: {key} must be a list of strings, got {value!r}")
    return tuple(value)


def section(table: Mapping[str, object], key: str, where: str) -> Mapping[str, object]:
    """The table under `key`. Raises `ValueError` when it is missing or no table."""
    value = table.get(key)
    if not isinstance(value, dict):
        raise ValueError(f"{where}: [{key}] must be a table, got {value!r}")
    return value


def commit(value: str, where: str) -> str:
    """`value` when it is a full git commit id. Raises `ValueError` otherwise: a branch or a short id can move."""
    if not _COMMIT.fullmatch(value):
        raise ValueError(f"{where}: commit must be 40 hexadecimal digits in lower case, got {value!r}")
    return value


def url(value: str, where: str) -> str:
    """`value` when it is a URL with a scheme this project reads, and without a login: that would show in process lists
    and stay in images. Raises `ValueError` otherwise; a login is not repeated. The user of ssh://git@… is no secret.
    """
    login = re.split("[/?#]", value.partition("://")[2], maxsplit=1)[0].rpartition("@")[0]
    if login and (":" in login or not value.startswith("ssh://")):
        raise ValueError(f"{where}: expected a URL without user and password, which would show in process lists")
    if not _URL.fullmatch(value):
        raise ValueError(f"{where}: expected a URL beginning with https://, http://, file:// or ssh://, got {value!r}")
    return value


def choice(kind: type[Choice], value: object, where: str) -> Choice:
    """The member of `kind` that `value` names. Raises `ValueError` listing the members otherwise."""
    try:
        return kind(str(value))
    except ValueError:
        raise ValueError(f"{where}: {value!r} is unknown, expected {one_of(kind)}") from None


def index(value: str, where: str) -> str:
    """`value` when it is a pip index: a URL, or `default` for what the host's pip is configured for.

    Raises `ValueError` otherwise.
    """
    return value if value == "default" else url(value, where)


def channel(value: str, where: str) -> str:
    """`value` when it is a Conda channel: a name, an absolute path or a URL. Raises `ValueError` otherwise."""
    return url(value, where) if "://" in value else value


def package(value: str, where: str) -> str:
    """`value` when it is the name of a Python package (PEP 508). Raises `ValueError` otherwise."""
    if not _PACKAGE.fullmatch(value):
        raise ValueError(f"{where}: expected the name of a package, got {value!r}")
    return value
