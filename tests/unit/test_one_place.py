"""A fact has one place: no port, no path of the host and no service's name stands twice."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import pytest
from visomaster_host import choices, paths
from visomaster_host.services import known

from spec.here import FILES, ROOT, local

PRODUCT = (
    "bench",
    "connectors",
    "controller",
    "fleet",
    "inventories",
    "layers",
    "locks",
    "operations",
    "release",
    "sandbox",
    "spec",
    "tasks",
    "vast",
)
HOST = local(paths.PACKAGE)
CADDYFILE = local(paths.PORTAL_SHARE) / "Caddyfile"
PATHS = HOST / "paths.py"

ABSOLUTE = re.compile(
    r"(?<![\w./:~}*-])/(?:app|boot|dev|etc|home|opt|proc|root|run|sys|tmp|usr|var|workspace)(?:/[\w.+@-]+)*(?![\w*])"
)
PORTS = frozenset({*choices.PORT.values(), choices.TLS_PORT, choices.VNC_PORT, choices.WEBSOCKET_PORT})

MAY_STAND_TWICE: Mapping[str, str] = MappingProxyType(
    {
        "/dev/null": "of every Unix, no choice of ours",
        "/proc": "of every Linux, no choice of ours",
        "/tmp": "of every Unix, no choice of ours",
        "/usr/sbin": "of every Unix, no choice of ours",
        "/proc/sys/kernel/random/boot_id": "of every Linux; one of the programs that name it stands alone",
        "/etc/visomaster/models.json": "sandbox/application stands in for a program of others",
        "files": "the service, and a word of many others: a manifest's field, a folder of the repository",
        "lease": "the service, and what it keeps",
        "fluxbox": "the service, its folder in /etc/visomaster, and the distribution's package",
        "pulseaudio": "the service, and the distribution's package",
        "portal": "the service, the kind of access, and folders that are called after it",
        "websockify": "the service, its Python package, and what is said to people of it",
        "x11vnc": "the service, and the distribution's package",
        "xtigervnc": "the service, and the program of the distribution's package",
        "xvfb": "the service, and the distribution's package",
    }
)
"""What is allowed, each with its reason."""


def sources() -> Iterator[Path]:
    """The product's Python files."""
    yield from (ROOT / name for name in ("config.py", "deploy.py"))
    for folder in (*(ROOT / name for name in PRODUCT), HOST):
        yield from sorted(folder.rglob("*.py"))


def constants(source: str) -> Iterator[str | int]:
    """Every string and number in `source` that is no docstring."""
    tree = ast.parse(source)
    said = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and node not in said and type(node.value) in (str, int):
            yield node.value


def texts() -> Iterator[tuple[Path, str | int]]:
    """What stands in which file, in the Caddyfile without its comments."""
    for path in sources():
        for value in constants(path.read_text(encoding="utf-8")):
            yield path, value
    yield CADDYFILE, re.sub(r"^\s*#.*$", "", CADDYFILE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    for value in vars(paths).values():  # those that are put together of others
        if isinstance(value, Path):
            yield PATHS, str(value)


def paths_in(value: str | int) -> set[str]:
    """The absolute paths in `value`; `/usr` and its like alone are no facts."""
    return set(ABSOLUTE.findall(value)) if isinstance(value, str) else set()


def ports_in(value: str | int) -> set[str]:
    """Our ports in `value`."""
    found = re.findall(r"\d+", value) if isinstance(value, str) else [value]
    return {str(number) for number in found if int(number) in PORTS}


def services_in(value: str | int) -> set[str]:
    """The service that `value` is the name of."""
    return {str(value)} & set(known())


@pytest.mark.parametrize("facts_in", [paths_in, ports_in, services_in])
def test_it_stands_in_one_file(facts_in: Callable[[str | int], set[str]]) -> None:
    places: dict[str, set[str]] = defaultdict(set)
    for path, value in texts():
        for fact in facts_in(value):
            places[fact].add(str(path.relative_to(ROOT)))
    twice = {fact: files for fact, files in places.items() if len(files) > 1 and fact not in MAY_STAND_TWICE}
    assert twice == {}, "import it from where it is said, or say in MAY_STAND_TWICE why not"
    expected = {paths_in: "/run/visomaster/front/caddy.sock", ports_in: "6080", services_in: "visomaster_app"}[facts_in]
    assert len(places[expected]) == 1, "what looks for them finds nothing"


def test_what_is_allowed_is_there() -> None:
    said = {fact for _, value in texts() for fact in paths_in(value) | services_in(value)}
    assert set(MAY_STAND_TWICE) <= said


@pytest.mark.parametrize(
    "source",
    ['x = "/run/visomaster/portal.json"', 'f"cat {a} /run/visomaster/portal.json | less"', "x = 'y:6080'", "x = 6080"],
)
def test_one_is_noticed_however_it_is_written(source: str) -> None:
    assert {fact for value in constants(source) for fact in paths_in(value) | ports_in(value)} in (
        {"/run/visomaster/portal.json"},
        {"6080"},
    )


def test_the_folder_of_a_shipped_file_is_one_that_the_host_knows() -> None:
    """`files/` mirrors the host's root: what is below it has its place in `paths`."""
    for path in (paths.PACKAGE, paths.PORTAL_SHARE, paths.FRONT_SHARE, paths.FLUXBOX, paths.SYSTEMD_UNIT):
        assert local(path).exists() and local(path).is_relative_to(FILES)
