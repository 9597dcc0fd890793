"""What tus 1.0 says in headers: https://tus.io/protocols/resumable-upload."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from visomaster_host.workspace.exchange import Refused, Request
from visomaster_host.workspace.tree import Elements, elements_of, name_of

if TYPE_CHECKING:
    from hashlib import _Hash

VERSION = "1.0.0"
EXTENSIONS = "creation,creation-with-upload,termination,checksum"
ALGORITHMS = ("sha256", "sha1")
MISMATCH = 460
"""tus's own status for a body that has not the checksum that was sent along."""
PIECE = "application/offset+octet-stream"
"""The type of a body that is a part of a file."""
DEFAULT_FOLDER = "in"

_NUMBER = re.compile(r"[0-9]{1,18}", re.ASCII)  # 18 digits: more than any file system holds, and fits 64 bits
_TIME = re.compile(r"-?[0-9]{1,18}", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class Wish:
    """A file that somebody wants to bring: what it is to be called where, its size in bytes, and its time in ms since
    1970 as its sender says. `relative_path` is empty but for a file of a folder.
    """

    size: int
    folder: str
    name: str
    relative_path: str
    last_modified: int | None

    @property
    def target(self) -> Elements:
        """The folder that the file is for. Raises `Refused`."""
        return elements_of("/".join([*elements_of(self.folder), *elements_of(self.relative_path)[:-1]]))


def method(request: Request) -> str:
    """What is asked for. A browser that cannot say PATCH sends POST, and what it means in X-HTTP-Method-Override; no
    other method is overridden, since what only reads is not asked where it comes from.
    """
    if request.method == "POST":
        return request.headers.get("x-http-method-override", "POST").upper()
    return request.method


def require_version(request: Request) -> None:
    """Raises `Refused` for another version of the protocol; one that is not said is ours."""
    if (said := request.headers.get("tus-resumable", VERSION)) != VERSION:
        raise Refused(
            HTTPStatus.PRECONDITION_FAILED, f"Tus-Resumable: expected {VERSION}, got {said}", {"Tus-Version": VERSION}
        )


def number(request: Request, header: str) -> int:
    """The number of bytes in `header`. Raises `Refused`."""
    said = request.headers.get(header.lower(), "")
    if not _NUMBER.fullmatch(said):
        raise Refused(HTTPStatus.BAD_REQUEST, f"{header}: expected a number of bytes, got {said!r}")
    return int(said)


def is_piece(request: Request) -> bool:
    """Whether the body is a part of a file."""
    return request.headers.get("content-type", "").strip().lower() == PIECE


def wish(request: Request) -> Wish:
    """The file that a creation asks for. Raises `Refused`."""
    said = _metadata(request.headers.get("upload-metadata", ""))
    if "filename" not in said:
        raise Refused(HTTPStatus.BAD_REQUEST, "Upload-Metadata: expected filename, got none")
    found = Wish(
        size=number(request, "Upload-Length"),
        folder=said.get("folder", DEFAULT_FOLDER),
        name=name_of(said["filename"]),
        relative_path=said.get("relativePath", ""),
        last_modified=_time(said.get("lastModified", "")),
    )
    _ = found.target  # refused here, not when all has arrived
    return found


def _metadata(header: str) -> Mapping[str, str]:
    """`key base64,key base64` as a dictionary; the last of two equal keys counts. Raises `Refused`."""
    said = {}
    for pair in header.split(",") if header.strip() else ():
        key, _, value = pair.strip().partition(" ")
        try:
            said[key] = base64.b64decode(value.strip(), validate=True).decode()
        except ValueError:
            raise Refused(HTTPStatus.BAD_REQUEST, f"Upload-Metadata: {key}: expected UTF-8 in base64") from None
    return said


def _time(said: str) -> int | None:
    if said in ("", "null", "undefined"):
        return None
    if not _TIME.fullmatch(said):
        raise Refused(HTTPStatus.BAD_REQUEST, f"Upload-Metadata: lastModified: expected ms since 1970, got {said!r}")
    return int(said)


class Checksum:
    """The checksum that came along with a body, and the body's own as it arrives."""

    def __init__(self, algorithm: str, expected: bytes) -> None:
        self._hash: _Hash = hashlib.new(algorithm, usedforsecurity=False)
        self._expected = expected

    def update(self, data: memoryview) -> None:
        """Take in the next bytes of the body."""
        self._hash.update(data)

    def require(self, headers: Mapping[str, str]) -> None:
        """Raises `Refused`, with `headers`, where the whole body has another one."""
        if self._hash.digest() != self._expected:
            raise Refused(MISMATCH, "Upload-Checksum: what arrived has another one: send it again", headers)


def checksum(request: Request) -> Checksum | None:
    """The checksum that is to be compared, if one is. Raises `Refused`."""
    said = request.headers.get("upload-checksum")
    if said is None:
        return None
    algorithm, _, value = said.strip().partition(" ")
    if algorithm not in ALGORITHMS:
        raise Refused(
            HTTPStatus.BAD_REQUEST, f"Upload-Checksum: expected one of {', '.join(ALGORITHMS)}, got {algorithm!r}"
        )
    try:
        return Checksum(algorithm, base64.b64decode(value.strip(), validate=True))
    except ValueError:
        raise Refused(HTTPStatus.BAD_REQUEST, f"Upload-Checksum: {algorithm}: expected base64") from None
