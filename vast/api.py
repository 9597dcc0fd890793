"""Vast.ai's HTTP API: the list of an account's instances, as often as its limits allow.

A wrong answer must never look like an empty account: one tool read the old address's `410 Gone` as "no
instances" and went on renting. So everything that is no well-formed list raises `VastError`, one line long.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from visomaster_host.text import Told
from visomaster_host.variables import plain

URL = "https://console.vast.ai"
LIST = "/api/v1/instances/"

TRIES = 6
LONGEST_PAUSE = 30.0
"""Seconds. Vast answers 429 without `Retry-After`, so pauses double from one second up to this."""

PAGE = 25
MOST_PAGES = 400
BETWEEN_PAGES = 1.0
"""Seconds. The documented spacing of list requests."""

TIMEOUT = (10, 30)
"""Seconds to connect, and between two pieces of an answer."""


class VastError(Told):
    """Why there is no inventory, in one line."""


def read_key(environment: Mapping[str, str]) -> str:
    """The API key, from where Vast's own CLI has it. Raises `VastError` when there is none."""
    home = Path(environment.get("HOME") or Path.home())
    config = Path(environment.get("XDG_CONFIG_HOME") or home / ".config")
    key, origin = plain(environment.get("VAST_API_KEY", "")), "VAST_API_KEY"
    for path in (config / "vastai/vast_api_key", home / ".vast_api_key"):
        if not key and path.is_file():
            try:
                key, origin = path.read_text(encoding="utf-8-sig", errors="replace").strip(), str(path)
            except OSError as error:
                raise VastError(f"Vast.ai: the API key in {path} cannot be read: {error.strerror}") from None
    if not key:
        raise VastError(f"Vast.ai: no API key, set VAST_API_KEY or write it to {config}/vastai/vast_api_key")
    if not re.fullmatch(r"[!-~]+", key):
        raise VastError(f"Vast.ai: the API key in {origin} has spaces or control characters")
    return key


class Api:
    """The list of instances, as often as Vast's limits allow."""

    def __init__(self, url: str, key: str, *, say: Callable[[str], None], sleep: Callable[[float], None]) -> None:
        """Talk to `url` with `key`. Raises `VastError` when the key would travel in clear text."""
        try:
            parts = urlsplit(url)
        except ValueError:
            raise VastError(f"Vast.ai: VAST_URL: expected a URL, got {url!r}") from None
        if parts.scheme != "https" and parts.hostname not in ("127.0.0.1", "::1", "localhost"):
            raise VastError(f"Vast.ai: VAST_URL must begin with https://, got {url!r}")
        self._url = url.rstrip("/") + LIST
        self._key = key
        self._say = say
        self._sleep = sleep

    def instances(self) -> list[dict[str, Any]]:
        """Every instance of the account, as Vast describes it. Raises `VastError`."""
        found: list[dict[str, Any]] = []
        tokens: list[str] = []
        for _ in range(MOST_PAGES):
            page = self._page(tokens[-1] if tokens else None)
            found += page["instances"]
            token = page.get("next_token")
            if not token:
                if "next_token" not in page and len(page["instances"]) >= PAGE:
                    raise VastError("Vast.ai: a full page without 'next_token', the list may be cut off")
                return found
            if token in tokens:
                raise VastError("Vast.ai: the list of instances goes round in circles")
            tokens.append(token)
            self._sleep(BETWEEN_PAGES)
        raise VastError(f"Vast.ai: the list of instances has more than {MOST_PAGES} pages")

    def _page(self, token: str | None) -> dict[str, Any]:
        response = self._get({"limit": str(PAGE)} | ({"after_token": token} if token else {}))
        _refuse_status(response)
        try:
            page = response.json()
        except ValueError:
            raise VastError(f"Vast.ai: expected JSON, got {_excerpt(response)}") from None
        if not isinstance(page, dict) or not isinstance(page.get("instances"), list):
            raise VastError(f"Vast.ai: expected a list 'instances', got {_excerpt(response)}")
        if page.get("success") is False:
            raise VastError(f"Vast.ai: the request failed, it says {_excerpt(response)}")
        return page

    def _get(self, query: dict[str, str]) -> requests.Response:
        """The first answer that is no call to wait. Raises `VastError` when `TRIES` were all in vain."""
        for attempt in range(TRIES):
            reason = ""
            try:
                response = requests.get(
                    self._url, params=query, auth=self._authorize, timeout=TIMEOUT, allow_redirects=False
                )
                if response.status_code != 429 and response.status_code < 500:
                    return response
                reason = f"{response.status_code} {_excerpt(response)}"
            except (requests.exceptions.SSLError, requests.exceptions.InvalidURL) as error:
                raise VastError(f"Vast.ai: cannot connect to {self._url}: {_cause(error)}") from None
            except requests.RequestException as error:
                reason = _cause(error)
            except OSError as error:  # requests' own word for certificates that are not there
                raise VastError(f"Vast.ai: cannot connect to {self._url}: {error}") from None
            if attempt + 1 < TRIES:
                pause = min(LONGEST_PAUSE, 2.0**attempt) * random.uniform(0.8, 1.2)  # noqa: S311 - jitter
                self._say(f"Vast.ai: {reason}; trying again in {pause:.0f} s")
                self._sleep(pause)
        raise VastError(f"Vast.ai: given up after {TRIES} tries: {reason}")

    def _authorize(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        # As `auth`, since requests would put a ~/.netrc entry in the place of a header of ours.
        request.headers["Authorization"] = f"Bearer {self._key}"
        return request


def _refuse_status(response: requests.Response) -> None:
    """Raise `VastError` unless the answer is 200."""
    status = response.status_code
    # A wrong key has been seen as 404 with `auth_error`; the documentation has 401.
    if status in (401, 403) or (status == 404 and "auth_error" in response.text):
        raise VastError(f"Vast.ai: the API key is refused ({status})")
    if status == 410:
        raise VastError(f"Vast.ai: {LIST} is no longer served (410), this inventory needs an update")
    if status != 200:
        raise VastError(f"Vast.ai: expected 200 from {LIST}, got {status} {_excerpt(response)}")


def _excerpt(response: requests.Response) -> str:
    """The beginning of what was answered, on one line."""
    return repr(" ".join(response.text.split())[:80])


def _cause(error: BaseException) -> str:
    """What really went wrong, from under the layers of `requests`."""
    inner = getattr(error.args[0], "reason", error.args[0]) if error.args else error
    return " ".join(str(inner).split())[-120:]
