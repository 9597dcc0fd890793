"""The model manifest: what a host needs, where it comes from, and how each file is recognised.

The format (`/etc/visomaster/models.json`)::

    {"schema": 1, "files": [{"path": "model_assets/x.onnx", "url": "https://…", "sha256": "<64 hex>",
                             "size": 123 or null, "group": "required" | "optional" | "dependencies"}, …]}

`path` is relative to the program's tree and begins with `model_assets/` or `dependencies/`.
"""

from __future__ import annotations

import fnmatch
import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from visomaster_host import given
from visomaster_host.text import Told, printable, without_login

GROUPS = ("required", "optional", "dependencies")
ROOTS = ("model_assets", "dependencies")
FIELDS = {"path", "url", "sha256", "size", "group"}
LONGEST_NAME = 240
"""Bytes of a file's or folder's name: 255 on every file system, less what an unfinished file has behind its name."""


class ManifestError(Told, ValueError):
    """The manifest, a selection from it, or a mirror is not usable; the message names the field."""


@dataclass(frozen=True, kw_only=True)
class ModelFile:
    """One file of the manifest. `size` is in bytes, None where nobody states it."""

    path: str
    url: str
    sha256: str
    size: int | None
    group: str

    @property
    def root(self) -> str:
        """`model_assets` or `dependencies`."""
        return self.path.split("/", 1)[0]

    @property
    def rest(self) -> str:
        """The path below its root."""
        return self.path.split("/", 1)[1]


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """All files of a manifest, in its order."""

    files: tuple[ModelFile, ...]

    def group(self, *names: str) -> tuple[ModelFile, ...]:
        """The files of the named groups."""
        return tuple(file for file in self.files if file.group in names)

    def select(self, groups: Sequence[str] = (), only: Sequence[str] = ()) -> tuple[ModelFile, ...]:
        """The files asked for: `groups` (default: required), or those that match `only` in any group.

        A pattern is a path, a file name, or a glob of either; with `groups` given too, both must hold.
        Raises ManifestError for a pattern that matches nothing and for an unknown group.
        """
        for name in groups:
            if name not in GROUPS:
                raise ManifestError(f"--group: expected one of {', '.join(GROUPS)}, got {name!r}")
        wanted = tuple(groups) or (GROUPS if only else ("required",))
        files = self.group(*wanted)
        for pattern in only:
            if not any(_matches(file.path, pattern) for file in files):
                raise ManifestError(f"--only: no file of the manifest matches {pattern!r}")
        return tuple(file for file in files if not only or any(_matches(file.path, p) for p in only))

    def digest(self) -> str:
        """A name for the required set: changes when a required path or hash does."""
        lines = sorted(f"{file.sha256}  {file.path}\n" for file in self.group("required"))
        return hashlib.sha256("".join(lines).encode()).hexdigest()


def _matches(path: str, pattern: str) -> bool:
    name = PurePosixPath(path).name
    return fnmatch.fnmatchcase(path, pattern) or fnmatch.fnmatchcase(name, pattern)


def load_manifest(path: Path) -> Manifest:
    """Read and check the manifest at `path`. Raises ManifestError (with the field) when it is not usable."""
    text = _read(path)
    try:
        data = json.loads(text, object_pairs_hook=_object)
    except (RecursionError, ValueError) as error:
        raise ManifestError(f"{path}: expected JSON: {error}") from error
    try:
        return parse_manifest(data)
    except ManifestError as error:
        raise ManifestError(f"{path}: {error}") from error


def _read(path: Path) -> str:
    try:
        return given.read(path)
    except given.GivenError as error:
        raise ManifestError(error) from None


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """A JSON object; of two values under one name JSON would take the last without a word."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)!r} stands twice in one object")
    return found


def parse_manifest(data: object) -> Manifest:
    """Check a decoded manifest and return it typed. Raises ManifestError that names the field and the value."""
    if not isinstance(data, dict) or data.get("schema") != 1:
        raise ManifestError("schema: expected 1")
    files = data.get("files")
    if not isinstance(files, list):
        raise ManifestError(f"files: expected a list, got {type(files).__name__}")
    parsed = tuple(_parse_file(f"files[{index}]", item) for index, item in enumerate(files))
    _check_paths([file.path for file in parsed])
    return Manifest(files=parsed)


def _parse_file(where: str, item: object) -> ModelFile:
    if not isinstance(item, dict):
        raise ManifestError(f"{where}: expected an object, got {type(item).__name__}")
    if unknown := sorted(set(item) - FIELDS):
        raise ManifestError(f"{where}.{unknown[0]}: unknown field, expected {', '.join(sorted(FIELDS))}")
    return ModelFile(
        path=check_path(f"{where}.path", item.get("path")),
        url=check_url(f"{where}.url", item.get("url")),
        sha256=_check_sha256(f"{where}.sha256", item.get("sha256")),
        size=_check_size(f"{where}.size", item.get("size")),
        group=_check_group(f"{where}.group", item.get("group")),
    )


def check_path(field: str, value: object) -> str:
    """A relative path below one of ROOTS, without hidden or parent parts (`.downloaded` and the like are ours)."""
    good = isinstance(value, str) and value == printable(value) and not re.search(r"[\t\\]", value)
    parts = value.split("/") if isinstance(value, str) else []
    if not good or len(parts) < 2 or parts[0] not in ROOTS or any(not p or p.startswith(".") for p in parts):
        raise ManifestError(f"{field}: expected a path like 'model_assets/name.onnx', got {value!r}")
    if any(len(part.encode()) > LONGEST_NAME for part in parts):
        raise ManifestError(f"{field}: expected names of {LONGEST_NAME} bytes or less, got {value!r}")
    if parts[-1].endswith((".part", ".part.map")):
        raise ManifestError(f"{field}: names ending in .part are kept for unfinished files, got {value!r}")
    return "/".join(parts)


def check_url(field: str, value: object) -> str:
    """An http(s) URL with a host and no user or password (those belong in a mirror or HF_TOKEN)."""
    if isinstance(value, str) and _is_url(value):
        if "@" in urlsplit(value).netloc:
            raise ManifestError(f"{field}: a manifest holds no credentials (host {urlsplit(value).hostname})")
        return value
    shown = without_login(value) if isinstance(value, str) else value
    raise ManifestError(f"{field}: expected an http(s) URL, got {shown!r}")


def _is_url(value: str) -> bool:
    """Whether `value` is an http(s) URL with a host, and a port from 1 to 65535 if it names one, and nothing that does
    not stand in URLs."""
    if not re.fullmatch(r"[\x21-\x7e]+", value):
        return False
    try:
        split = urlsplit(value)
        return split.scheme in ("http", "https") and bool(split.hostname) and split.port != 0
    except ValueError:  # a bad port, or half an IPv6 address
        return False


def _check_sha256(field: str, value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[0-9a-fA-F]{64}", value):
        raise ManifestError(f"{field}: expected 64 hexadecimal digits, got {value!r}")
    return value.lower()


def _check_size(field: str, value: object) -> int | None:
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63):
        return value
    raise ManifestError(f"{field}: expected a number of bytes or null, got {value!r}")


def _check_group(field: str, value: object) -> str:
    if isinstance(value, str) and value in GROUPS:
        return value
    raise ManifestError(f"{field}: expected one of {', '.join(GROUPS)}, got {value!r}")


def _check_paths(paths: list[str]) -> None:
    seen: set[str] = set()
    for path in paths:
        if path in seen:
            raise ManifestError(f"path: {path!r} is listed twice")
        seen.add(path)
    for path in paths:
        for parent in PurePosixPath(path).parents:
            if str(parent) in seen:
                raise ManifestError(f"path: {str(parent)!r} is a file and a folder of {path!r}")


def parse_mirrors(pairs: Iterable[str]) -> dict[str, str]:
    """Turn `FROM=TO` URL prefixes into a mapping. Raises ManifestError (without TO, which may hold a password)."""
    mirrors = {}
    for pair in pairs:
        source, separator, target = pair.partition("=")
        if not separator or not _is_url(source):
            raise ManifestError(f"mirror: expected FROM=TO with two URL prefixes, got FROM {without_login(source)!r}")
        if not _is_url(target):
            shown = without_login(source)
            raise ManifestError(f"mirror: expected FROM=TO with two URL prefixes, TO of {shown!r} is not a URL")
        mirrors[source.rstrip("/")] = target.rstrip("/")
    return mirrors


def apply_mirrors(url: str, mirrors: Mapping[str, str]) -> str:
    """`url` with the longest matching prefix replaced; a prefix ends at a `/`, so a host never matches a longer one."""
    for source in sorted(mirrors, key=len, reverse=True):
        if url == source or url.startswith(source + "/"):
            return mirrors[source] + url[len(source) :]
    return url
