"""What a request says as JSON, checked field by field."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from visomaster_host.workspace.exchange import Refused, Request

MOST = 1024 * 1024
"""Bytes of such a body."""
MOST_PATHS = 10_000
"""Paths in one list."""


class Fields:
    """The body of `request`, a JSON object with exactly the fields `names`. Raises `Refused`, OSError."""

    def __init__(self, request: Request, *names: str) -> None:
        document = _document(request)
        if not isinstance(document, dict):
            raise _bad("body", "a JSON object", document)
        for name in names:
            if name not in document:
                raise Refused(HTTPStatus.BAD_REQUEST, f"{name}: expected this field")
        for name in document:
            if name not in names:
                raise Refused(HTTPStatus.BAD_REQUEST, f"{name}: expected only the fields {', '.join(names)}")
        self._values: Mapping[str, Any] = document

    def text(self, name: str) -> str:
        """The text in field `name`. Raises `Refused`."""
        value = self._values[name]
        if not isinstance(value, str):
            raise _bad(name, "a text", value)
        return value

    def texts(self, name: str) -> list[str]:
        """The texts in field `name`, one or more. Raises `Refused`."""
        values = self._values[name]
        if not isinstance(values, list) or not 0 < len(values) <= MOST_PATHS:
            raise _bad(name, f"a list of 1 to {MOST_PATHS} texts", values)
        for value in values:
            if not isinstance(value, str):
                raise _bad(name, "a list of texts", value)
        return values


def _bad(name: str, expected: str, value: object) -> Refused:
    kinds = {dict: "an object", list: f"a list of {len(value)}" if isinstance(value, list) else "", type(None): "null"}
    return Refused(
        HTTPStatus.BAD_REQUEST, f"{name}: expected {expected}, got {kinds.get(type(value)) or repr(value)[:80]}"
    )


def _document(request: Request) -> Any:
    body = request.body
    if body.left > MOST:
        raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"body: expected at most {MOST} bytes, got {body.left}")
    content = memoryview(bytearray(body.left))
    at = 0
    while got := body.read_into(content[at:]):
        at += got
    try:
        return json.loads(str(content, "utf-8"), parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise Refused(HTTPStatus.BAD_REQUEST, "body: expected JSON in UTF-8") from None


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no number")
