"""What a person calls what is here: services, their logs, the portal's links."""

from __future__ import annotations

import re
from functools import cache
from pathlib import PurePath

from visomaster_host import paths
from visomaster_host.services import known

_ROTATED = re.compile(r"(.+\.log)\.([0-9]{1,3})")


@cache
def _logs() -> dict[str, str]:
    """The titles of logs by the names of their files."""
    found = {paths.SUPERVISORD_LOG.name: "Starts and stops (supervisord)"}
    for service in known().values():
        if service.title and service.error_log:
            found[service.error_log.name] = f"{service.title}'s errors"
            found[service.log.name] = f"{service.title}'s output"
        elif service.title:
            found[service.log.name] = service.title
    return found


def log(path: str) -> str:
    """What the log at `path` is called; empty where it has its file's name alone."""
    name = PurePath(path).name
    if (rotated := _ROTATED.fullmatch(name)) is not None:
        before = _logs().get(rotated[1], "")
        return f"{before}, older ({rotated[2]})" if before else ""
    return _logs().get(name, "")


@cache
def _links() -> dict[str, str]:
    return {link.name: link.title for service in known().values() for link in service.links if link.title}


def link(name: str) -> str:
    """What the page that is offered as `name` is; empty where only the name says it."""
    return _links().get(name, "")


@cache
def _services() -> re.Pattern[str]:
    names = "|".join(name for name, service in known().items() if service.title)
    return re.compile(rf"(?<!the )\b({names})(?= (?:ended|was killed)\b)")


def said(text: str) -> str:
    """`text` on how services ended, with what a person calls them."""

    def title(match: re.Match[str]) -> str:
        found = known()[match[1]].title
        return found if match.start() == 0 else f"{found[0].lower()}{found[1:]}"

    return _services().sub(title, text)
