"""Rented boxes as Vast.ai's HTTP API lists them, and how to reach each over SSH.

A wrong answer must never look like an empty account: one tool read the old address's `410 Gone` as "no
instances" and went on renting. So everything that is no well-formed list raises `VastError`, one line long.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from visomaster_host.text import Told, brief

from spec.variant import VARIANTS

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

_LONGEST_TEXT = 300
"""Characters of a label, a status, an image's name: beyond that a line says nothing to anybody."""

NO_VARIANT = "not named by label, template or image"

Group = list[tuple[str, dict[str, object]]]


class VastError(Told):
    """Why there is no inventory, in one line."""


@dataclass(frozen=True, kw_only=True)
class Box:
    """One instance. `endpoint` is the SSH host and port, or nothing when it has none to offer."""

    id: int
    label: str
    status: str
    image: str
    gpu: str
    template: str
    endpoint: tuple[str, int] | None

    @property
    def name(self) -> str:
        """What pyinfra calls it."""
        return f"vast-{self.id}"

    @property
    def variant(self) -> str | None:
        """The variant that its label, else its template's name, else its image says."""
        return _named_variant(self.label) or _named_variant(self.template) or _image_variant(self.image)

    @property
    def absence(self) -> str | None:
        """Why it is not in the inventory, or nothing when it is."""
        if self.status != "running":
            return self.status
        return None if self.endpoint else "running without SSH"

    @property
    def groups(self) -> Iterator[str]:
        """The groups it is in, for `--limit` and `group_data/`: its label as it is, others with a prefix."""
        taken = self.label in ("all", "vast") or self.label.startswith(("_", "gpu_", "image_", "status_"))
        if self.label:
            yield f"label_{self.label}" if taken else self.label
        yield f"gpu_{_slug(self.gpu)}"
        yield f"image_{_slug(self.image)}"
        yield f"status_{self.status}"

    def host_data(self) -> dict[str, object]:
        """The data of the host in pyinfra."""
        if self.endpoint is None:
            raise ValueError(f"{self.name} has no SSH endpoint")
        hostname, port = self.endpoint
        data: dict[str, object] = {"ssh_hostname": hostname, "ssh_port": port, "ssh_user": "root"}
        data |= {"vast_id": self.id, "vast_label": self.label}
        # A box that names no variant may be anybody's: the deploy refuses it, unless --data variant says one.
        return data | {"variant": self.variant or NO_VARIANT}


def inventory(
    environment: Mapping[str, str], say: Callable[[str], None], sleep: Callable[[float], None] = time.sleep
) -> dict[str, Group]:
    """The reachable boxes of the account whose key `environment` leads to, by group.

    `say` is told, in one line each, of a pause and of the boxes that are left out. Only an account without
    instances gives an empty inventory. Raises `VastError`.
    """
    api = Api(environment.get("VAST_URL") or URL, read_key(environment), say=say, sleep=sleep)
    boxes = [read_box(raw) for raw in api.instances()]
    absent = ", ".join(f"{box.name} {box.label!r} ({box.absence})" for box in boxes if box.absence)
    groups: dict[str, Group] = {}
    for box in boxes:
        if box.absence is None:
            for group in box.groups:
                groups.setdefault(group, []).append((box.name, box.host_data()))
    if boxes and not groups:
        raise VastError(f"Vast.ai: no instance can be reached: {absent}")
    if absent:
        say(f"Vast.ai: left out: {absent}")
    if not boxes:
        say("Vast.ai: the account has no instances")
    return groups


def read_key(environment: Mapping[str, str]) -> str:
    """The API key, from where Vast's own CLI has it. Raises `VastError` when there is none."""
    home = Path(environment.get("HOME") or Path.home())
    config = Path(environment.get("XDG_CONFIG_HOME") or home / ".config")
    key, origin = environment.get("VAST_API_KEY", "").strip(), "VAST_API_KEY"
    for path in (config / "vastai/vast_api_key", home / ".vast_api_key"):
        if not key and path.is_file():
            try:
                key, origin = path.read_text(errors="replace").strip(), str(path)
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


def read_box(raw: object) -> Box:
    """The box that one element of the list describes. Raises `VastError` naming what is missing or wrong."""
    if not isinstance(raw, dict) or not isinstance(raw.get("id"), int):
        raise VastError("Vast.ai: an instance without a numeric 'id'")
    fields = _Fields(raw)
    status = fields.text("actual_status") or "provisioning"
    running = status == "running"
    return Box(
        id=raw["id"],
        label=fields.text("label").strip(),
        status=status,
        image=fields.text("image_uuid") if running else "",
        gpu=fields.text("gpu_name") if running else "",
        template=fields.text("template_name", required=False),
        endpoint=_endpoint(fields) if running else None,
    )


class _Fields:
    """One instance's fields, with errors that name them."""

    def __init__(self, raw: dict[str, Any]) -> None:
        self.raw = raw

    def text(self, name: str, *, required: bool = True) -> str:
        """The text under `name`, as it may be shown; nothing when it is null."""
        return brief(self._value(name, (str,), required) or "", _LONGEST_TEXT)

    def host(self, name: str) -> str:
        """The name or address under `name`; nothing when it is null. It goes into messages and host data of pyinfra."""
        value = self.text(name).strip()
        if not re.fullmatch(r"[A-Za-z0-9._:%-]{0,255}", value):
            raise VastError(f"Vast.ai: instance {self.raw['id']}: {name!r}: expected a host, got {value!r:.80}")
        return value

    def port(self, name: str) -> int | None:
        """The port number under `name`, which Vast writes as a number or as text; nothing when it is null."""
        value = self._value(name, (int, str), True)
        return None if value is None else _port(value, f"instance {self.raw['id']}: {name!r}")

    def _value(self, name: str, kinds: tuple[type, ...], required: bool) -> Any:
        if name not in self.raw and required:
            raise VastError(f"Vast.ai: instance {self.raw['id']}: the answer has no {name!r}")
        value = self.raw.get(name)
        if value is not None and not isinstance(value, kinds):
            raise VastError(f"Vast.ai: instance {self.raw['id']}: unexpected {name!r}: {value!r:.80}")
        return value


def _endpoint(fields: _Fields) -> tuple[str, int] | None:
    """Straight to the machine where it has a port for us, else through the proxy, as in Vast's CLI."""
    runtype = fields.text("image_runtype")
    direct, address = _direct_port(fields), fields.host("public_ipaddr")
    if direct and address:
        return address, direct
    host, port = fields.host("ssh_host"), fields.port("ssh_port")
    if not host or not port or "args" in runtype.split():
        return None  # the image's own entrypoint runs and Vast starts no sshd
    return host, _port(port + ("jupyter" in runtype), f"instance {fields.raw['id']}: 'ssh_port'")


def _direct_port(fields: _Fields) -> int | None:
    """The public port of 22/tcp. `ports` is an object while a box runs; null, a list or missing before."""
    ports = fields.raw.get("ports")
    bindings = ports.get("22/tcp") if isinstance(ports, dict) else None
    if not bindings:
        return None
    where = f"instance {fields.raw['id']}: 'ports'"
    try:
        return _port(bindings[0]["HostPort"], where)
    except (KeyError, IndexError, TypeError):
        raise VastError(f"Vast.ai: {where}: unexpected {bindings!r:.80}") from None


def _port(value: object, where: str) -> int:
    text = str(value)
    if not re.fullmatch(r"[0-9]{1,5}", text) or not 0 < int(text) <= 65535:
        raise VastError(f"Vast.ai: {where}: expected a port number, got {value!r:.80}")
    return int(text)


def _named_variant(text: str) -> str | None:
    """The variant among the words of `text`, or the one that `variant=NAME` asks for, known or not."""
    for word in re.split(r"[\s,;|]+", text):
        key, separator, value = word.partition("=")
        if separator and key == "variant":
            return value
        if word in VARIANTS:
            return word
    return None


def _image_variant(image: str) -> str | None:
    """The variant that a tag of an image of this project stands for."""
    repository, _, tag = image.rpartition(":")
    if "visomaster" not in repository.rpartition("/")[2]:
        return None
    for variant in VARIANTS.values():
        if re.fullmatch(re.escape(variant.tag_prefix) + "(latest|[0-9a-f]{7,40})", tag):
            return variant.name
    return None


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


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")
