"""Vast.ai's HTTP API: one request at a time, as often as its limits allow, repeated only where a repeat does no harm.

A wrong answer must never look like an empty account: one tool read the old address's `410 Gone` as "no instances" and
went on renting. So everything that is no well-formed answer raises `VastError`, one line long. Limits and error forms:
https://docs.vast.ai/api-reference/rate-limits-and-errors
"""

from __future__ import annotations

import json
import math
import random
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from visomaster_host.text import brief
from visomaster_host.variables import plain

from vast.errors import KeyRefused, NoAnswer, QuotaSpent, Refused, VastError

URL = "https://console.vast.ai"

TRIES = 6
LONGEST_PAUSE = 30.0
"""Seconds. Vast answers 429 mostly without `Retry-After`, so pauses double from one second up to this."""

LONGEST_WISH = 120.0
"""Seconds of a `Retry-After` that are waited; who asks for more is given up."""

TIMEOUT = (10, 30)
"""Seconds to connect, and between two pieces of an answer."""

LONGEST_ANSWER = 120.0
"""Seconds that one answer may take in all: a line may drip for ever."""

LARGEST_ANSWER = 32 * 1024 * 1024
"""Bytes. A thousand offers are 3 MB."""

SKEW = 120.0
"""Seconds that the two clocks may differ before it is told: a lease ends by the clock."""

_LONGEST_WORDS = 200
"""Characters of Vast's own words that are shown."""

_NOT_SENT = (requests.exceptions.ConnectTimeout, requests.exceptions.ProxyError)


@dataclass(frozen=True, kw_only=True)
class Call:
    """One kind of request: seconds between two of them, the command of Vast's own tool that does the same by hand,
    and whether sending it twice does no harm. `path` and `by_hand` have `{id}` where the number belongs."""

    method: str
    path: str
    spacing: float
    by_hand: str
    again: bool = True


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
    """Requests to Vast, each kind as far apart as documented, with the key in the header alone."""

    def __init__(
        self,
        url: str,
        key: str,
        *,
        say: Callable[[str], None],
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Talk to `url` with `key`; `say` is told of every pause, `clock` is the time in seconds since 1970.

        Raises `VastError` when the key would travel in clear text.
        """
        try:
            parts = urlsplit(url)
        except ValueError:
            raise VastError(f"Vast.ai: VAST_URL: expected a URL, got {url!r}") from None
        if parts.scheme != "https" and parts.hostname not in ("127.0.0.1", "::1", "localhost"):
            raise VastError(f"Vast.ai: VAST_URL must begin with https://, got {url!r}")
        self._url = url.rstrip("/")
        self._key = key
        self._say = say
        self._sleep = sleep
        self._clock = clock
        self._last: dict[Call, float] = {}
        self._behind = 0.0

    def now(self) -> float:
        """Seconds since 1970 by Vast's clock, as far as its answers told: a lease is kept there too."""
        return self._clock() + self._behind

    def sleep(self, seconds: float) -> None:
        """Wait, as the one who made this wants it done."""
        self._sleep(seconds)

    def say(self, line: str) -> None:
        """Tell the one who made this, as one line without the key."""
        self._say(brief(self._clean(line)))

    def send(
        self,
        call: Call,
        number: int | None = None,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, object] | None = None,
    ) -> dict[str, Any]:
        """The JSON object that answers `call` about `number`.

        Raises `NoAnswer` when it may have taken effect and must not be sent again, `Refused` for an answer that is no
        good one, `KeyRefused`, `QuotaSpent`, and `VastError` when `TRIES` were all in vain.
        """
        path, by_hand = call.path.format(id=number), f"; by hand: {call.by_hand.format(id=number)}"
        if body is not None and json.dumps(self._key)[1:-1] in json.dumps(body):
            raise VastError(f"Vast.ai: the account's API key must not be sent to a box: it is in {sorted(body)}")
        reason = ""
        for attempt in range(TRIES):
            self._keep_apart(call)
            try:
                response, text = self._once(call, path, query, body)
            except _Again as error:
                reason, wish = str(error), 0.0
            else:
                if response.status_code != 429 and response.status_code < 500:
                    return self._read(path, by_hand, response.status_code, text)
                reason, wish = self._busy(call, by_hand, response, text)
            if attempt + 1 < TRIES:
                self._pause(call, reason, attempt, wish)
        raise VastError(self._clean(f"Vast.ai: given up after {TRIES} tries: {reason}{by_hand}"))

    def _early(self, call: Call) -> float:
        """Seconds until `call` may be sent. A clock that jumps makes nobody wait longer than the spacing."""
        return min(call.spacing, self._last.get(call, -math.inf) + call.spacing - self._clock())

    def _keep_apart(self, call: Call) -> None:
        if (early := self._early(call)) > 0.001:
            self._sleep(early)
        self._last[call] = self._clock()

    def _pause(self, call: Call, reason: str, attempt: int, wish: float) -> None:
        jitter = random.uniform(0.8, 1.2)  # noqa: S311 - so that two do not stay in step
        pause = max(wish, min(LONGEST_PAUSE, 2.0**attempt) * jitter, self._early(call))
        self.say(f"Vast.ai: {reason}; trying again in {pause:.0f} s")
        self._sleep(pause)

    def _once(
        self, call: Call, path: str, query: Mapping[str, str] | None, body: Mapping[str, object] | None
    ) -> tuple[requests.Response, str]:
        """One try. Raises `_Again` when nobody answered and a repeat does no harm, else `NoAnswer` or `VastError`."""
        url = self._url + path
        try:
            with requests.request(
                call.method,
                url,
                params=query,
                json=body,
                auth=self._authorize,
                timeout=TIMEOUT,
                allow_redirects=False,
                stream=True,
            ) as response:
                text = _text(response)
            self._compare_clocks(response)
            return response, text
        except requests.RequestException as error:
            if isinstance(error, requests.exceptions.InvalidURL) or "CERTIFICATE_VERIFY_FAILED" in str(error):
                raise VastError(self._clean(f"Vast.ai: cannot connect to {url}: {_cause(error)}")) from None
            if call.again or _not_sent(error):
                raise _Again(_cause(error)) from None
            raise NoAnswer(self._clean(f"Vast.ai: no answer to {call.method} {path}: {_cause(error)}")) from None
        except OSError as error:  # requests' own word for certificates that are not there
            kind = VastError if call.again or "certificate" in str(error) else NoAnswer
            raise kind(self._clean(f"Vast.ai: cannot connect to {url}: {error}")) from None

    def _busy(self, call: Call, by_hand: str, response: requests.Response, text: str) -> tuple[str, float]:
        """Why to try again, and the seconds that the answer asks for. Raises what `send` does when not to."""
        status, reason = response.status_code, f"{response.status_code} {_excerpt(text)}"
        body = _object(text)
        if status == 429 and "search_quota_exceeded" in text:
            raise QuotaSpent(f"Vast.ai: the day's searches are used up, until midnight UTC: {_excerpt(text)}")
        if not call.again and (status != 429 or "new_contract" in body):
            raise Refused(self._clean(f"Vast.ai: {reason}{by_hand}"), status, body)
        wish = response.headers.get("Retry-After", "")
        seconds = float(wish) if re.fullmatch(r"[0-9]{1,6}", wish) else 0.0
        if seconds > LONGEST_WISH:
            raise VastError(self._clean(f"Vast.ai: {reason}: it asks to wait {seconds:.0f} s{by_hand}"))
        return reason, seconds

    def _read(self, path: str, by_hand: str, status: int, text: str) -> dict[str, Any]:
        """The object that a final answer has. Raises as `send`."""
        body = _object(text)
        # A wrong key has been seen as 404 with `auth_error`; the documentation has 401.
        if status in (401, 403) or (status == 404 and "auth_error" in text):
            # A host may rent their own machines alone, a key may be restricted: then the reason is not the key's form.
            why = f": {told(body)}" if status == 403 and body.get("msg") else ""
            raise KeyRefused(self._clean(f"Vast.ai: the API key is refused ({status}){why}"))
        excerpt = self._clean(told(body) or _excerpt(text))
        if status != 200:
            raise Refused(f"Vast.ai: expected 200 from {path}, got {status} {excerpt}{by_hand}", status, body)
        if not body and text.strip() != "{}":
            raise Refused(f"Vast.ai: expected a JSON object from {path}, got {excerpt}{by_hand}", status, body)
        if body.get("success") is False:
            raise Refused(f"Vast.ai: the request failed, it says {excerpt}{by_hand}", status, body)
        return body

    def _compare_clocks(self, response: requests.Response) -> None:
        """Take Vast's clock from its answer, where it tells it; say once when this machine's is far off."""
        try:
            theirs = parsedate_to_datetime(response.headers["Date"]).timestamp()
        except (KeyError, ValueError, OverflowError):
            return
        behind = theirs - self._clock()
        if abs(behind) > SKEW and abs(behind - self._behind) > SKEW:
            way = "behind" if behind > 0 else "ahead"
            self.say(f"Vast.ai: this machine's clock is {abs(behind) / 60:.0f} minutes {way}: leases go by Vast's")
        self._behind = behind if abs(behind) > SKEW else 0.0

    def _authorize(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        # As `auth`, since requests would put a ~/.netrc entry in the place of a header of ours.
        request.headers["Authorization"] = f"Bearer {self._key}"
        return request

    def _clean(self, text: str) -> str:
        """`text` without the key: who refuses a request may repeat it."""
        return text.replace(self._key, "…")


class _Again(Exception):
    """Nobody answered; the request may be sent again."""


def _text(response: requests.Response) -> str:
    """The whole body, of a bearable size, within a bearable time."""
    pieces, size, began = [], 0, time.monotonic()
    for piece in response.iter_content(1024):
        pieces.append(piece)
        size += len(piece)
        if size > LARGEST_ANSWER:
            raise requests.exceptions.ContentDecodingError(f"an answer of more than {LARGEST_ANSWER} bytes")
        if time.monotonic() - began > LONGEST_ANSWER:
            raise requests.exceptions.ReadTimeout(f"an answer that takes more than {LONGEST_ANSWER:.0f} s")
    return b"".join(pieces).decode("utf-8", errors="replace")


def _object(text: str) -> dict[str, Any]:
    """The JSON object in `text`; an empty one where there is none."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _not_sent(error: requests.RequestException) -> bool:
    """Whether the request never left: nobody was there to take it."""
    reason = getattr(error.args[0], "reason", None) if error.args else None
    # Of urllib3, which requests brings; a name that does not resolve is a kind of it.
    refused = any(kind.__name__ == "NewConnectionError" for kind in type(reason).__mro__)
    return refused or isinstance(error, _NOT_SENT)


def told(body: Mapping[str, Any]) -> str | None:
    """What an answer says of itself in its `error`, `msg` or `message`, quoted; nothing when it does not."""
    words = [str(body[field]) for field in ("error", "msg", "message") if body.get(field)]
    return repr(" ".join(": ".join(words).split())[:_LONGEST_WORDS]) if words else None


def _excerpt(text: str) -> str:
    """The beginning of what was answered, on one line."""
    return repr(" ".join(text.split())[:80])


def _cause(error: BaseException) -> str:
    """What really went wrong, from under the layers of `requests`."""
    inner = getattr(error.args[0], "reason", error.args[0]) if error.args else error
    return " ".join(str(inner).split())[-120:]
