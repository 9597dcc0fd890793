"""`visomaster-state.json`: what a zip of the state says of itself and of every file in it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from http import HTTPStatus

from visomaster_host import paths
from visomaster_host.workspace.exchange import Refused
from visomaster_host.workspace.tree import elements_of

NAME = "visomaster-state.json"
"""Its name in the zip."""
FORMAT = 1
"""The version that is written, and the newest that is read."""
STATE, OUT = paths.KEPT.name, paths.OUTPUT.name
"""The folders of /workspace whose content may be in such a zip."""
MOST_FILES = 100_000
"""In one zip: what is read of it is held in memory."""
MOST_BYTES = 64 * 1024 * 1024
"""Of this document, and of a zip's directory."""

_SHA256 = re.compile(r"[0-9a-f]{64}")
_APPLICATION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")
_MOST_SIZE = 1 << 62  # bytes
_MOST_TIME = 1 << 53  # ms: JSON's numbers are exact up to here


@dataclass(frozen=True)
class Kept:
    """One file: its size in bytes, its sha256, and when it was modified in ms since 1970."""

    size: int
    sha256: str
    modified: int


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What a zip holds. `files` by their paths below /workspace; `saved` is a time of ISO 8601; `left_out` is a line
    for each file that could not be taken.
    """

    application: str
    commit: str
    saved: str
    files: Mapping[str, Kept]
    left_out: tuple[str, ...] = ()


def refused(told: str) -> Refused:
    """That a zip cannot be used, in one line."""
    return Refused(HTTPStatus.UNPROCESSABLE_ENTITY, told)


def encode(manifest: Manifest) -> bytes:
    """The document. Its length does not depend on the digests in it."""
    files = {path: asdict(one) for path, one in sorted(manifest.files.items())}
    about = {"application": manifest.application, "commit": manifest.commit, "saved": manifest.saved}
    document = {"format": FORMAT, **about, "left_out": list(manifest.left_out), "files": files}
    return json.dumps(document, indent=0).encode() + b"\n"


def decode(content: bytes) -> Manifest:
    """What the document `content` says. Raises `Refused`, which names the field."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        raise refused(f"{NAME}: expected JSON") from None
    if not isinstance(document, dict):
        raise refused(f"{NAME}: expected an object, got {type(document).__name__}")
    number = _number(document, "format", _MOST_SIZE, f"{NAME}: format: expected {FORMAT}")
    if number > FORMAT:
        raise refused(f"{NAME}: format: this host knows up to {FORMAT}, the zip is of {number}: take a newer host")
    application = document.get("application")
    if not isinstance(application, str) or not _APPLICATION.fullmatch(application):
        raise refused(f"{NAME}: application: expected a name, got {application!r}")
    about = {name: _text(document, name) for name in ("commit", "saved")}
    left = document.get("left_out", [])
    if not isinstance(left, list) or not all(isinstance(line, str) for line in left):
        raise refused(f"{NAME}: left_out: expected a list of lines")
    return Manifest(application=application, files=_files(document.get("files")), left_out=tuple(left), **about)


def checked(path: str) -> tuple[str, ...]:
    """The elements of `path`, which may be in such a zip. Raises `Refused`."""
    try:
        elements = elements_of(path)
    except Refused as refusal:
        raise refused(f"{path!r} in the zip: {refusal}") from None
    if len(elements) < 2 or elements[0] not in (STATE, OUT):
        raise refused(f"{path!r} in the zip: expected something in {STATE}/ or {OUT}/")
    return elements


def _files(found: object) -> Mapping[str, Kept]:
    if not isinstance(found, dict):
        raise refused(f"{NAME}: files: expected an object, got {type(found).__name__}")
    if len(found) > MOST_FILES:
        raise refused(f"{NAME}: files: expected at most {MOST_FILES}, got {len(found)}")
    for path in found:
        checked(path)
    return {path: _kept(path, value) for path, value in found.items()}


def _kept(path: str, value: object) -> Kept:
    fields = value if isinstance(value, dict) else {}
    size = _number(fields, "size", _MOST_SIZE, f"{NAME}: {path!r}: size: expected a number of bytes")
    modified = _number(fields, "modified", _MOST_TIME, f"{NAME}: {path!r}: modified: expected ms since 1970")
    digest = fields.get("sha256")
    if not isinstance(digest, str) or not _SHA256.fullmatch(digest):
        raise refused(f"{NAME}: {path!r}: sha256: expected 64 digits, got {digest!r}")
    return Kept(size=size, sha256=digest, modified=modified)


def _number(fields: Mapping[str, object], name: str, most: int, expected: str) -> int:
    value = fields.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise refused(f"{expected}, got {value!r}")
    return value


def _text(document: dict[str, object], name: str) -> str:
    value = document.get(name, "")
    if not isinstance(value, str) or len(value) > 200:
        raise refused(f"{NAME}: {name}: expected a short text, got {value!r}")
    return value
