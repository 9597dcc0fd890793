"""What an image says about itself: its names, and the metadata that tells an engine how to run it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_REGISTRY = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9a-fA-F:]+\])(?::[0-9]{{1,5}})?")
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_PATH = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_ID = re.compile(r"[0-9a-f]{64}")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_PLACEHOLDER = "your_name"
_LONGEST_REPOSITORY = 255
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LABEL_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._/-]*[A-Za-z0-9])?")
_WORKDIR = re.compile(r"/[A-Za-z0-9._/-]*")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(:[A-Za-z0-9_][A-Za-z0-9_.-]*)?")


def repository(value: str) -> str:
    """`value` when it may be the name of an image before its tag, as engines read it. Raises `ValueError` otherwise."""
    if not _is_repository(value):
        raise ValueError(
            "repository: expected an image's name in lower case, without a tag, such as name/visomaster or"
            f" registry.example:5000/name/visomaster, got {value!r}{_hint(value)}"
        )
    return value


def own_repository(value: str) -> str:
    """`repository` of somebody who has put their own name where the guide says YOUR_NAME. Raises `ValueError`
    otherwise."""
    _require_own(value, "repository: ")
    return repository(value)


def _require_own(value: str, where: str = "") -> None:
    found = next((part for part in value.split("/") if part.lower().replace("-", "_") == _PLACEHOLDER), None)
    if found is not None:
        raise ValueError(f"{where}{found} stands for your own name at Docker Hub: write that instead, got {value!r}")


def _hint(value: str) -> str:
    """What may be meant where `value` is no name of an image or an account."""
    if "@" in value:
        return " (is DOCKERHUB_USERNAME an e-mail address? It is the account's name)"
    if not _is_repository(value) and _is_repository(value.lower()):
        return f" (names at Docker Hub are lower case: {value.lower()})"
    blank = value != value.strip() and _is_repository(value.strip().lower())
    return " (there is a blank at its end or beginning)" if blank else ""


def published_repository(value: str) -> str:
    """`value` when it is also one that a machine elsewhere can pull from. Raises `ValueError` otherwise."""
    if "/" not in repository(value):
        raise ValueError(f"repository: expected NAME/visomaster, as on Docker Hub, got {value!r}")
    return value


def account(value: str) -> str:
    """`value` when it may be the name of an account at Docker Hub. Raises `ValueError` otherwise."""
    _require_own(value)
    if not _is_repository(value) or "/" in value:
        hint = " (this looks like an e-mail address)" if "@" in value else _hint(value)
        raise ValueError(f"expected the name of an account at Docker Hub, in lower case, got {value!r}{hint}")
    return value


def _is_repository(value: str) -> bool:
    first, separator, rest = value.partition("/")
    path = value
    if separator and ("." in first or ":" in first or first == "localhost"):  # what else engines take for an account
        if not _REGISTRY.fullmatch(first):
            return False
        path = rest
    return len(value) <= _LONGEST_REPOSITORY and bool(_PATH.fullmatch(path)) and not _ID.fullmatch(path)


def _is_tag(value: str) -> bool:
    name, _, tag = value.rpartition(":")
    return _is_repository(name) and bool(_TAG.fullmatch(tag))


@dataclass(frozen=True, kw_only=True)
class Healthcheck:
    """How an engine finds out that a container is healthy. Times are whole seconds."""

    command: tuple[str, ...]
    interval: int
    timeout: int
    start_period: int
    retries: int

    def __post_init__(self) -> None:
        """Refuse what an engine would misread: 0 means its own default to it."""
        if not self.command:
            raise ValueError("healthcheck command: expected at least one word, got none")
        for name in ("interval", "timeout", "start_period", "retries"):
            if getattr(self, name) < 1:
                raise ValueError(f"healthcheck {name}: expected 1 or more, got {getattr(self, name)!r}")


@dataclass(frozen=True, kw_only=True)
class ImageConfig:
    """The names and metadata of a finished image.

    `tags` are full references (`name:tag`). `entrypoint` and `cmd` replace the base image's; everything else
    adds to what the base image says: its environment stays unless `env` names the same variable, and without
    a `healthcheck` its own stays. `exposed_ports` are TCP. `volumes` are folders that each container has for itself.
    Raises `ValueError`, one line naming the field.
    """

    tags: tuple[str, ...]
    entrypoint: tuple[str, ...]
    cmd: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    exposed_ports: tuple[int, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    volumes: tuple[str, ...] = ()
    healthcheck: Healthcheck | None = None
    workdir: str = "/"
    user: str = "root"

    def __post_init__(self) -> None:
        """Refuse at once what would otherwise fail after a long bake."""
        if not self.tags:
            raise ValueError("image tags: expected at least one name:tag, got none")
        if not self.entrypoint:
            raise ValueError("image entrypoint: expected at least one word, got none")
        for tag in self.tags:
            if not _is_tag(tag):
                raise ValueError(f"image tag: expected name:tag in lower case, got {tag!r}")
        for name, value in self.env.items():
            _expect(_ENV_NAME, name, "image env", "a variable's name")
            _one_line(value, f"image env {name}")
        for name, value in self.labels.items():
            _expect(_LABEL_NAME, name, "image label", "letters, digits and . _ / -")
            _one_line(value, f"image label {name}")
        for port in self.exposed_ports:
            if not 0 < port < 65536:
                raise ValueError(f"image exposed port: expected 1 to 65535, got {port!r}")
        for folder in self.volumes:
            _expect(_WORKDIR, folder, "image volume", "an absolute path")
        _expect(_WORKDIR, self.workdir, "image workdir", "an absolute path")
        _expect(_USER, self.user, "image user", "USER or USER:GROUP")

    def instructions(self) -> tuple[str, ...]:
        """The metadata as Dockerfile instructions, one a line, in a fixed order.

        `docker commit --change` takes the same language, so both routes share these lines.
        """
        lines = [f"ENV {name}={_quoted(value)}" for name, value in sorted(self.env.items())]
        lines += [f"LABEL {name}={_quoted(value)}" for name, value in sorted(self.labels.items())]
        lines += [f"EXPOSE {port}/tcp" for port in self.exposed_ports]
        if self.volumes:
            lines.append(f"VOLUME {_exec_form(self.volumes)}")
        lines += [f"WORKDIR {self.workdir}", f"USER {self.user}"]
        if self.healthcheck:
            lines.append(_healthcheck(self.healthcheck))
        # CMD comes last and always: an ENTRYPOINT alone keeps the CMD of a committed container.
        return (*lines, f"ENTRYPOINT {_exec_form(self.entrypoint)}", f"CMD {_exec_form(self.cmd)}")

    def commit_changes(self) -> tuple[str, ...]:
        """The arguments of `docker commit` that give an image this metadata."""
        return tuple(argument for line in self.instructions() for argument in ("--change", line))

    def dockerfile_lines(self) -> str:
        """The end of a Dockerfile that gives an image this metadata."""
        return "".join(f"{line}\n" for line in self.instructions())


def _expect(pattern: re.Pattern[str], value: str, what: str, expected: str) -> None:
    if not pattern.fullmatch(value):
        raise ValueError(f"{what}: expected {expected}, got {value!r}")


def _one_line(value: str, what: str) -> None:
    # Dockerfile instructions end with the line and have no escape for a line break.
    if any(ord(character) < 32 or ord(character) == 127 for character in value):
        raise ValueError(f"{what}: expected one line without control characters, got {value!r}")


def _quoted(value: str) -> str:
    """`value` in double quotes, where a Dockerfile gives a meaning to backslash, quote and dollar alone."""
    return '"' + re.sub(r'(["\\$])', r"\\\1", value) + '"'


def _exec_form(words: Sequence[str]) -> str:
    return json.dumps(list(words))


def _healthcheck(check: Healthcheck) -> str:
    return (
        f"HEALTHCHECK --interval={check.interval}s --timeout={check.timeout}s"
        f" --start-period={check.start_period}s --retries={check.retries} CMD {_exec_form(check.command)}"
    )
