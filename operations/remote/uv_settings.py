"""How this machine reaches a package index: what it says to pip, in files and variables. Standard library only.

A box says where its packages come from in variables, in files and in the environment's own pip.conf, and much of that
would decide what is installed: another index beside ours, a constraint that names an address, a folder of links. Of all
of it only what says how an index is reached is read, and which index is the box's own.
"""

from __future__ import annotations

import configparser
import os
from collections.abc import Iterator
from pathlib import Path

OPTIONS = (*("cert", "client-cert", "default-timeout", "index-url", "proxy", "retries", "timeout", "trusted-host"),)
_STRONGER_LAST = ("global", "install")
_FILE = "pip.conf"


def configured(prefix: Path) -> dict[str, str]:
    """Option -> value, the strongest, for the Python environment in the folder `prefix`.

    The places and their order are those of pip's documentation ("Configuration"). Raises ``ValueError`` naming a file
    that cannot be read as one.
    """
    found: dict[str, dict[str, str]] = {section: {} for section in _STRONGER_LAST}
    for path in _files(prefix):
        for section, options in _read(path).items():
            if section in found:
                found[section].update(options)
    merged = {name: value for section in found.values() for name, value in section.items()}
    for name in OPTIONS:
        merged[name] = os.environ.get(f"PIP_{name.upper().replace('-', '_')}") or merged.get(name, "")
    return {name: merged[name] for name in OPTIONS if merged[name]}


def _files(prefix: Path) -> Iterator[Path]:
    """The files that pip reads, the strongest last."""
    named = os.environ.get("PIP_CONFIG_FILE")
    if named == os.devnull:
        return
    home = Path(os.environ.get("HOME") or "/")
    for folder in (os.environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(os.pathsep):
        yield Path(folder, "pip", _FILE)
    yield Path("/etc/pip.conf")
    if not (named and Path(named).exists()):
        yield home / ".pip" / _FILE
        yield Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config", "pip", _FILE)
    yield prefix / _FILE
    if named:
        yield Path(named)


def _read(path: Path) -> dict[str, dict[str, str]]:
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(path.read_text(encoding="utf-8"), source=str(path))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, UnicodeDecodeError, configparser.Error) as error:
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise ValueError(f"{path}: cannot be read as a configuration of pip: {reason}") from None
    return {
        section: {name.replace("_", "-"): value for name, value in parser.items(section)}
        for section in parser.sections()
    }
