"""What pip is told of the machine it runs on, for the programs of this package that run it. Standard library only.

A box says where its packages come from in variables, in files and in the environment's own pip.conf, and pip adds all
of it up: another index stands beside ours as an equal, a constraint may name an address, links are taken as they are.
So pip starts with none of that, and is handed the few things that say how to reach an index, and which the box's own
one is.
"""

from __future__ import annotations

import ast
import os
import subprocess

OWN_INDEX = "default"
"""Stands for the index that the box's pip is configured for."""

_REACHING = ("cert", "client-cert", "default-timeout", "proxy", "retries", "timeout")
_INDEX = ("index-url", "trusted-host")
_STRONGER_LAST = ("global", "install", ":env:")


def pip_environment(python: str, index: str) -> dict[str, str]:
    """The variables with which the pip of `python` asks `index` (a URL, or `default`) and nothing else.

    The URL is a variable since it may hold a password, and arguments are seen by everybody. Raises
    `subprocess.CalledProcessError`, with pip's output, when that Python has no pip or a broken configuration.
    """
    said = configured(python)
    own = index == OWN_INDEX
    wanted = {name: said[name] for name in (*_REACHING, *(_INDEX if own else ())) if name in said}
    if not own:
        wanted["index-url"] = index
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("PIP_")},
        **{f"PIP_{name.upper().replace('-', '_')}": value for name, value in wanted.items()},
        "PIP_CONFIG_FILE": os.devnull,
        "PYTHONNOUSERSITE": "1",
        "PYTHONUNBUFFERED": "1",
        # The sources of NVIDIA's tensorrt run a second pip while they are installed, with an index of their own.
        "NVIDIA_TENSORRT_DISABLE_INTERNAL_PIP": "1",
    }


def configured(python: str) -> dict[str, str]:
    """What the box says to the pip of `python`, in files and variables: option -> value, the strongest."""
    command = [python, "-I", "-m", "pip", "--disable-pip-version-check", "config", "list"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found: dict[str, dict[str, str]] = {section: {} for section in _STRONGER_LAST}
    for line in listed.splitlines():
        key, _, value = line.partition("=")
        section, _, name = key.rpartition(".")
        if section in found:
            found[section][name] = ast.literal_eval(value)
    return {name: value for section in found.values() for name, value in section.items()}
