"""What a service is: all that supervisord, readiness, the portal and visomaster-service know of one.

Each service is one file of `visomaster_host.services`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from visomaster_host import paths, users
from visomaster_host.choices import Access, ModelsAt, Screen
from visomaster_host.host import Host

STOP_WITHIN = 10
"""Seconds that `docker stop` gives; supervisord stops one service after another."""

ROOT_FOLDER = Path("/")

PROGRAM_CHECK = "program"
"""The check that finds the program itself, which a person comes for."""


@dataclass(frozen=True, kw_only=True)
class Need:
    """Something that must be there before a service starts: `probe` raises `NotReady` until it is; `within` seconds,
    None for ever.
    """

    probe: Callable[[Host], str]
    within: float | None


@dataclass(frozen=True, kw_only=True)
class Launch:
    """The command a service becomes, and the variables it has besides those of every process."""

    argv: tuple[str, ...]
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, kw_only=True)
class Check:
    """What readiness asks of a service: `probe` says how it was found, or raises `NotReady`, or `Warned`.

    Without the part called `after` it cannot be. `place` is where it stands among all checks, None for where the
    service stands.
    """

    name: str
    probe: Callable[[Host], str]
    after: str | None = None
    place: int | None = None


@dataclass(frozen=True, kw_only=True)
class Result:
    """What one check found. `detail` is one line for a person; it holds no secret. A `warning` is one of a part that is
    there: what it says does not keep a person from the desktop.
    """

    name: str
    ok: bool
    detail: str = ""
    warning: bool = False

    def as_json(self) -> dict[str, object]:
        """The result as programs read it; `warning` is there where it is one."""
        found: dict[str, object] = {"name": self.name, "ok": self.ok, "detail": self.detail}
        return found | ({"warning": True} if self.warning else {})


@dataclass(frozen=True, kw_only=True)
class Link:
    """One of the portal's own pages, offered when PORTAL_CONFIG says nothing. `title` says what it is where `name` does
    not, `place` orders the links.
    """

    name: str
    path: str
    place: int
    title: str = ""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Service:
    """One service. Times in seconds; its file is called as it is.

    Where: `access`, `models` and `screen` name the only hosts that have it, None for every one.

    As supervisord runs it: `priority` orders starting and, backwards, stopping; waiting for one another is the
    services' own matter, by `needs`. `error_log` None sends errors to the same log. `startretries` is about half an
    hour of trying, each pause a second longer; after that the service is FATAL. `reads` are the folders and files of
    ours that its program reads, Python with all that it imports: they, its own file and what that imports, and another
    description of the host start it anew. A service that is to go on whatever else is updated is `steady`: what it
    reads and the public port alone do so. `given_secret` is the access whose secret it gets at its start: another
    secret starts it anew. `public` is the access whose public port it is given at its start: another port starts it
    anew, and nobody else. `holds_work` marks one with whose end is lost what a person has open and not saved.

    As a process: `launch` is called as root once everything in `needs` was there: it prepares the host and says what to
    run. The program's environment is what `launch` says and what `inherits` names (a name ending in "_" is a prefix),
    never all that the container was given. `groups` are more than the user has. `once` marks a program that ends by
    itself when its work is done.

    For people: `title` is what a person calls it; what readiness and the status page ask, and the portal's links.
    """

    name: str
    title: str = ""
    launch: Callable[[Host], Launch]

    access: Access | None = None
    models: ModelsAt | None = None
    screen: Screen | None = None

    priority: int
    log: Path
    error_log: Path | None = None
    startsecs: int = 1
    startretries: int = 60
    stopwaitsecs: int = 1
    autorestart: str = "true"
    autostart: bool = True
    reads: tuple[Path, ...] = ()
    steady: bool = False
    given_secret: Access | None = None
    public: Access | None = None
    holds_work: bool = False

    user: str = users.DESKTOP
    home: Path = paths.HOME
    directory: Path = paths.HOME
    needs: tuple[Need, ...] = ()
    inherits: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    umask: int = 0o022
    once: bool = False

    checks: tuple[Check, ...] = ()
    links: tuple[Link, ...] = ()

    @property
    def command(self) -> str:
        """What supervisord runs: it waits for what the service needs, then becomes its program."""
        return f"{paths.SERVICE} {self.name}"

    @property
    def is_program(self) -> bool:
        """Whether it is the program itself."""
        return any(check.name == PROGRAM_CHECK for check in self.checks)

    def is_on(self, access: Access, models: ModelsAt, screen: Screen) -> bool:
        """Whether a host with this access and screen, whose models arrive then, has the service."""
        return self.access in (None, access) and self.models in (None, models) and self.screen in (None, screen)
