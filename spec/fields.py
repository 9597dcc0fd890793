"""Reading untyped data (TOML tables, host data) into typed values, with errors that name the field."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import TypeVar
from urllib.parse import urlsplit

from visomaster_host.enums import StrEnum
from visomaster_host.text import printable, without_login

Choice = TypeVar("Choice", bound=StrEnum)

_COMMIT = re.compile(r"[0-9a-f]{40}")
_PACKAGE = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
_URL = re.compile(r"(https?|file|ssh|git)://[^\s]+")
_CHANNEL = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_.-]+)*|/\S.*")
_DEBIAN = re.compile(r"[a-z0-9][a-z0-9+.-]+")
_SONAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_+.-]*\.so(\.[0-9]+)*")
_PYTHON = re.compile(r"[0-9]+(\.[0-9]+){1,2}")
_VERSIONS = r"\(*(?:===?|[<>!~]=|[<>])?\s*[A-Za-z0-9_.*+!]+\)*"
_SPEC = re.compile(
    r"(?:[A-Za-z0-9_./:-]+::)?[A-Za-z0-9_][A-Za-z0-9_.-]*"  # a channel, and the package
    rf"(?:(?:\s*=|\s*(?=[<>=!~(])|\s+){_VERSIONS}(?:\s*[,|]\s*{_VERSIONS})*(?:(?:\s+|=)[A-Za-z0-9_.*+]+)?)?"
    r"\s*(?:\[[^\[\]]*\])?"
)
"""A Conda match spec: what rattler reads, and whatever else has its form."""


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
        raise ValueError(f"{where}: {key} must be a non-empty string, got {without_login(repr(value))}")
    return value


def texts(table: Mapping[str, object], key: str, where: str) -> tuple[str, ...]:
    """The list of strings under `key`, empty when absent. Raises `ValueError` when it is something else."""
    value = table.get(key, [])
    if not isinstance(value, list | tuple) or not all(isinstance(item, str) and item for item in value):
        raise ValueError(f"{where}: {key} must be a list of strings, got {without_login(repr(value))}")
    return tuple(value)


def section(table: Mapping[str, object], key: str, where: str) -> Mapping[str, object]:
    """The table under `key`. Raises `ValueError` when it is missing or no table."""
    value = table.get(key)
    if not isinstance(value, dict):
        raise ValueError(f"{where}: [{key}] must be a table, got {without_login(repr(value))}")
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
    if not _URL.fullmatch(value) or printable(value) != value or not _leads_somewhere(value):
        raise ValueError(
            f"{where}: expected a URL beginning with https://, http://, file:// or ssh://, got {without_login(value)!r}"
        )
    return value


def _leads_somewhere(value: str) -> bool:
    """Whether the URL `value` names a file by its whole path, or a host, and a port from 1 to 65535 if any."""
    try:
        split = urlsplit(value)
        if split.scheme == "file":
            return split.netloc in ("", "localhost") and split.path.startswith("/")
        return bool(split.hostname) and not str(split.hostname).startswith("-") and split.port != 0
    except ValueError:  # a bad port, or half an IPv6 address
        return False


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
    if "://" in value:
        return url(value, where)
    return _formed(_CHANNEL, value, where, "a channel's name, an absolute path or a URL")


def package(value: str, where: str) -> str:
    """`value` when it is the name of a Python package (PEP 508). Raises `ValueError` otherwise."""
    return _formed(_PACKAGE, value, where, "the name of a package")


def debian_package(value: str, where: str) -> str:
    """`value` when it is the name of a package of the distribution's. Raises `ValueError` otherwise."""
    return _formed(_DEBIAN, value, where, "the name of a package of Debian's")


def match_spec(value: str, where: str) -> str:
    """`value` when it has the form of a Conda match spec. Raises `ValueError` otherwise."""
    return _formed(_SPEC, value.strip(), where, "a Conda match spec such as 'cuda-cudart 12.*'")


def soname(value: str, where: str) -> str:
    """`value` when it is a library's name as programs load it. Raises `ValueError` otherwise."""
    return _formed(_SONAME, value, where, "a library's soname such as 'libcudart.so.12'")


def python_version(value: str, where: str) -> str:
    """`value` when it is a version of Python's. Raises `ValueError` otherwise."""
    return _formed(_PYTHON, value, where, "a version of Python's such as '3.11'")


def _formed(pattern: re.Pattern[str], value: str, where: str, expected: str) -> str:
    if not pattern.fullmatch(value) or printable(value) != value:
        raise ValueError(f"{where}: expected {expected}, got {without_login(value)!r}")
    return value
