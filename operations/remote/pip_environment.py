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
import sys

OWN_INDEX = "default"
"""Stands for the index that the box's pip is configured for."""

_REACHING = ("cert", "client-cert", "default-timeout", "proxy", "retries", "timeout")
_INDEX = ("index-url", "trusted-host")
_STRONGER_LAST = ("global", "install", ":env:")
_KEPT = (
    "HOME",
    "LANG",
    "NETRC",
    "PATH",
    "TMPDIR",
    "CURL_CA_BUNDLE",
    "REQUESTS_CA_BUNDLE",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
)
_PROXY = "_proxy"
_LISTING = {f"PIP_{name}": "0" for name in ("GLOBAL", "QUIET", "SITE", "USER", "VERBOSE")} | {"PIP_LOG": os.devnull}
"""In a file these would have pip list some of what it is told, or nothing: `user`, which is of `pip install`, is an
option of `pip config` as well. A variable is stronger than a file."""


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
        **_reaching_servers(),
        **{_variable(name): value for name, value in wanted.items()},
        "PIP_CONFIG_FILE": os.devnull,
        "PYTHONNOUSERSITE": "1",
        "PYTHONUNBUFFERED": "1",
        # The sources of NVIDIA's tensorrt run a second pip while they are installed, with an index of their own.
        "NVIDIA_TENSORRT_DISABLE_INTERNAL_PIP": "1",
    }


def configured(python: str) -> dict[str, str]:
    """What the box says to the pip of `python`, in files and variables: option -> value, the strongest."""
    command = [python, "-I", "-m", "pip", "--disable-pip-version-check", "config", "list"]
    # Another of pip's variables could have it write a log, or run another Python.
    names = ("PIP_CONFIG_FILE", "XDG_CONFIG_DIRS", "XDG_CONFIG_HOME", *map(_variable, (*_REACHING, *_INDEX)))
    named = {name: os.environ[name] for name in names if name in os.environ}
    listing = {**_reaching_servers(), **named, **_LISTING}
    listed = subprocess.run(command, capture_output=True, text=True, check=True, env=listing).stdout
    found: dict[str, dict[str, str]] = {section: {} for section in _STRONGER_LAST}
    for line in listed.splitlines():
        key, _, value = line.partition("=")
        section, _, name = key.rpartition(".")
        if section in found:
            found[section][name] = ast.literal_eval(value)
    return {name: value for section in found.values() for name, value in section.items()}


def _reaching_servers() -> dict[str, str]:
    """The variables of this process that say how servers are reached, and what every program needs. What a box says of
    Python, of an environment or of a compiler is not for the one that is made here."""
    kept = {name: value for name, value in os.environ.items() if name in _KEPT or name.lower().endswith(_PROXY)}
    return {**kept, **{name: value for name, value in os.environ.items() if name.startswith("LC_")}}


def _variable(option: str) -> str:
    return f"PIP_{option.upper().replace('-', '_')}"


def main(words: list[str]) -> int:
    """Run the pip of the Python that comes first of `words` with the others; its exit status."""
    python, *rest = words
    command = [python, "-I", "-m", "pip", *rest]
    return subprocess.run(command, env=pip_environment(python, OWN_INDEX), check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
