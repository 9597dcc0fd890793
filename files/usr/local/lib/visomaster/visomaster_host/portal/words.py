"""What a person calls what is here: services, their logs, the portal's links."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePath

from visomaster_host import paths
from visomaster_host.service import Service

_ROTATED = re.compile(r"(.+\.log)\.([0-9]{1,3})")


class Words:
    """The titles of `services`; what none of them knows keeps its name. `program` is the program
    itself, if it is among them.
    """

    def __init__(self, services: Iterable[Service] = ()) -> None:
        titled = [service for service in services if service.title]
        self.program = next((service for service in titled if service.is_program), None)
        self._titles = {service.name: service.title for service in titled}
        self._links = {link.name: link.title for service in titled for link in service.links}
        self._logs = {name: title for service in titled for name, title in _logs_of(service)}
        self._logs[paths.SUPERVISORD_LOG.name] = "Starts and stops (supervisord)"
        names = "|".join(self._titles) or "(?!)"
        self._ended = re.compile(rf"(?<!the )\b({names})(?= (?:ended|was killed)\b)")

    def log(self, path: str) -> str:
        """What the log at `path` is called; empty where it has its file's name alone."""
        name = PurePath(path).name
        if (rotated := _ROTATED.fullmatch(name)) is not None:
            before = self._logs.get(rotated[1], "")
            return f"{before}, older ({rotated[2]})" if before else ""
        return self._logs.get(name, "")

    def is_of_program(self, path: str) -> bool:
        """Whether the log at `path` is of the program, which people look for first."""
        return self.program is not None and self.log(path) in {title for _, title in _logs_of(self.program)}

    def page(self, name: str) -> str:
        """What the page that is offered as `name` is; empty where only the name says it."""
        return self._links.get(name, "")

    def said(self, text: str) -> str:
        """`text` on how services ended, with what a person calls them."""

        def title(match: re.Match[str]) -> str:
            found = self._titles[match[1]]
            return found if match.start() == 0 else f"{found[0].lower()}{found[1:]}"

        return self._ended.sub(title, text)


def _logs_of(service: Service) -> list[tuple[str, str]]:
    """The names of the files of `service`'s logs, with their titles."""
    if service.error_log is None:
        return [(service.log.name, service.title)]
    return [(service.log.name, f"{service.title}'s output"), (service.error_log.name, f"{service.title}'s errors")]
