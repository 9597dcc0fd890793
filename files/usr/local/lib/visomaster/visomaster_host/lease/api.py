"""What a rented machine asks of Vast with its own key: stop me, destroy me, what time is it?

The key is in a header and nowhere else. A redirection is not followed: it would take the key along.
"""

from __future__ import annotations

import json
import signal
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from types import FrameType
from typing import Any, NoReturn
from urllib.parse import urlsplit

from visomaster_host.lease.instance import Instance
from visomaster_host.text import Told, brief

QUIET = 20.0
"""Seconds without a byte of an answer after which it is given up."""
WITHIN = 60.0
"""Seconds for one answer, whatever trickles in."""
_MOST = 1024 * 1024  # bytes of an answer; one about an instance has some 10,000


class Failed(Told):
    """Vast did not do what was asked; its text is one line. `status` is HTTP's, 0 where there was no answer, `wait` the
    seconds that the answer asks to be waited, `at` the time it tells, 0 for none.
    """

    def __init__(self, text: str, *, status: int = 0, wait: float = 0.0, at: float = 0.0) -> None:
        super().__init__(text)
        self.status, self.wait, self.at = status, wait, at


@dataclass(frozen=True, kw_only=True)
class Reply:
    """An answer: what it holds, and the time it tells, in seconds since 1970, 0 for none."""

    content: dict[str, Any]
    at: float


class _StaysHere(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *arguments: Any) -> None:
        """None: the answer is then an error like others."""


class Vast:
    """Vast's API at `address`, asked by `instance` about itself."""

    def __init__(self, address: str, instance: Instance) -> None:
        self._place = f"{address}/api/v0/instances/{instance.number}/"
        self._key = instance.key
        # Plain HTTP is for loopback alone, which no proxy reaches.
        proxies = [urllib.request.ProxyHandler({})] if urlsplit(address).scheme == "http" else []
        secure = urllib.request.HTTPSHandler(context=ssl.create_default_context())
        self._opener = urllib.request.build_opener(_StaysHere, secure, *proxies)

    def look(self) -> Reply:
        """What Vast says of this instance. Raises `Failed`."""
        return self._ask("GET")

    def stop(self) -> Reply:
        """Have this instance stopped. Raises `Failed`."""
        return self._ask("PUT", {"state": "stopped"})

    def destroy(self) -> Reply:
        """Have this instance destroyed, and all that is on it. Raises `Failed`."""
        return self._ask("DELETE")

    def label(self, text: str) -> Reply:
        """Have this instance called `text`. Raises `Failed`."""
        return self._ask("PUT", {"label": text})

    def _ask(self, method: str, body: dict[str, str] | None = None) -> Reply:
        request = urllib.request.Request(  # noqa: S310 - `lease.asked` has checked the scheme
            self._place,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json", "Accept": "application/json"},
        )
        request.add_unredirected_header("Authorization", f"Bearer {self._key}")
        try:
            with _at_most(WITHIN), self._opener.open(request, timeout=QUIET) as answer:
                content, at = _content(answer.read(_MOST)), _time(answer.headers.get("Date"))
        except urllib.error.HTTPError as error:
            raise self._refused(error) from None
        except (OSError, HTTPException, ValueError) as error:
            reason = getattr(error, "reason", None) or error
            raise Failed(f"no answer from Vast: {self._hidden(brief(reason, 200) or type(error).__name__)}") from None
        if content.get("success") is False:
            raise Failed(f"Vast refuses it: {self._hidden(_said(content))}", status=200, at=at)
        return Reply(content=content, at=at)

    def _refused(self, error: urllib.error.HTTPError) -> Failed:
        try:
            with _at_most(WITHIN):
                body = error.read(_MOST)
        except (OSError, HTTPException, ValueError):
            body = b""
        content = _content(body)
        status, at = error.code, _time(error.headers.get("Date"))
        said = self._hidden(_said(content or {"msg": body[:400].decode("utf-8", "replace").strip()}))
        if status == 401 or "auth_error" in (content.get("error"), content.get("msg")):
            text = f"Vast does not take this box's own key (HTTP {status}: {said})"
        elif status == 404:
            text = f"Vast knows no such instance (HTTP 404: {said})"
        else:
            text = f"Vast answers HTTP {status}: {said}"
        return Failed(text, status=status, wait=_seconds(error.headers.get("Retry-After")), at=at)

    def _hidden(self, text: str) -> str:
        """`text` without the key, which a server may have sent back."""
        return text.replace(self._key, "…")


def _said(content: dict[str, Any]) -> str:
    return brief(content.get("msg") or content.get("error") or "no reason given", 200)


def _content(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _time(text: str | None) -> float:
    try:
        return parsedate_to_datetime(text or "").timestamp()
    except (TypeError, ValueError, OverflowError):
        return 0.0


def _seconds(text: str | None) -> float:
    return float(text) if text and text.isascii() and text.isdigit() and len(text) < 6 else 0.0


@contextmanager
def _at_most(seconds: float) -> Iterator[None]:
    """Raise TimeoutError in what is done inside when it takes longer. For the main thread."""

    def over(number: int, frame: FrameType | None) -> NoReturn:
        raise TimeoutError(f"it takes longer than {seconds:.0f} s")

    before = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
