"""The account that images go to: `python -m release.account name|login [REGISTRY]`. Standard library only.

Its name and token come from the environment, as the workflows have them of their secrets.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence

import spec.here  # noqa: F401 - before any virtual environment is made, the on-host package is found through it

# isort: split
from visomaster_host.text import brief

from spec import image

NAME, TOKEN, REPOSITORY = "DOCKERHUB_USERNAME", "DOCKERHUB_TOKEN", "REPOSITORY"
DOCKER_HUB = ("", "docker.io", "index.docker.io", "https://index.docker.io/v1/")


def check_repository(environment: Mapping[str, str]) -> None:
    """Raise `ValueError` when REPOSITORY is no image's name. In a workflow it is made of the secret, which is named."""
    try:
        image.own_repository(environment.get(REPOSITORY, ""))
    except ValueError as error:
        made_of = f"{NAME}, of which the images' name is made: " if environment.get("GITHUB_ACTIONS") == "true" else ""
        raise ValueError(f"{made_of}{error}") from None


def read_account(environment: Mapping[str, str], registry: str = "") -> tuple[str, str]:
    """Name and token. Raises `ValueError` that says which is missing or has not its form; a token is never repeated.

    Other registries than Docker Hub have names of other forms.
    """
    name, token = (environment.get(variable, "") for variable in (NAME, TOKEN))
    for variable, value, what in ((NAME, name, "a name of Docker Hub"), (TOKEN, token, "an access token of it")):
        if not value.strip():
            raise ValueError(f"{variable}: expected {what}, got nothing")
    if registry in DOCKER_HUB:
        try:
            image.account(name)
        except ValueError as error:
            raise ValueError(f"{NAME}: {error}") from None
    for variable, value in ((NAME, name), (TOKEN, token)):
        if not re.fullmatch(r"[!-~]+", value):
            raise ValueError(f"{variable}: expected no space and no line break in it, also none at its end")
    return name, token


def login(environment: Mapping[str, str], registry: str = "") -> int:
    """Log the Docker client in; its exit status. Raises `ValueError` as `read_account` does, and without a client."""
    name, token = read_account(environment, registry)
    words = ["docker", "login", "--username", name, "--password-stdin", *([registry] if registry else [])]
    try:
        return subprocess.run(words, input=token, text=True, check=False).returncode
    except OSError as error:
        raise ValueError(f"docker: {error.strerror}") from None


def main(arguments: Sequence[str]) -> int:
    """The command line; 0, or another status after one line."""
    try:
        match list(arguments):
            case ["name"]:
                check_repository(os.environ)
            case ["login", *registry] if len(registry) < 2:
                return login(os.environ, *registry)
            case _:
                raise ValueError("expected `name` or `login [REGISTRY]`")
    except ValueError as error:
        print(brief(f"account: {error}"), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
