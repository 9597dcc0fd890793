"""Rented boxes as Vast.ai describes them: how to reach each over SSH, whose it is, and what it costs."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from visomaster_host.text import brief

from spec.variant import VARIANTS
from vast.errors import VastError
from vast.lease import Lease, read_label

_LONGEST_TEXT = 300
"""Characters of a label, a status, an image's name: beyond that a line says nothing to anybody."""

_LONGEST_NUMBER = 40
"""Characters of a number that is written as text."""

NO_VARIANT = "not named by label, template or image"

HOURS_A_MONTH = 720
"""Of Vast's prices: 10 GB at $0.14933 a GB and month are listed with $0.0020741 an hour."""

LIFELESS = ("exited", "unknown", "offline")
"""States that a box does not leave by itself."""


@dataclass(frozen=True, kw_only=True)
class Price:
    """Dollars an hour: of the GPU while a box runs, of its storage from its creation to its end."""

    gpu: float
    storage: float

    @property
    def total(self) -> float:
        """What an hour of a running box costs: `dph_total`."""
        return self.gpu + self.storage


@dataclass(frozen=True, kw_only=True)
class Spent:
    """Dollars so far, an estimate: traffic is not in it, and a box that was stopped in between ran for less.

    `at_least`: the box does not run now, and for how long it did Vast does not tell; `gpu` is 0 then.
    """

    gpu: float
    storage: float
    at_least: bool

    @property
    def total(self) -> float:
        """Both."""
        return self.gpu + self.storage


@dataclass(frozen=True, kw_only=True)
class Box:
    """One instance. `endpoint` is the SSH host and port, or nothing when it has none to offer.

    `message` is what Vast tells of its state, `started` (seconds since 1970) when it was created; `price` is nothing
    where Vast tells none that makes sense.
    """

    id: int
    label: str
    status: str
    image: str
    gpu: str
    template: str
    endpoint: tuple[str, int] | None
    message: str
    machine: int | None
    place: str
    price: Price | None
    started: float | None

    @property
    def name(self) -> str:
        """What pyinfra calls it."""
        return f"vast-{self.id}"

    @property
    def lease(self) -> Lease | None:
        """What its label says; nothing when it is no box of this project."""
        return read_label(self.label)

    @property
    def is_ours(self) -> bool:
        """Whether its label says that this project rented it."""
        return self.lease is not None

    @property
    def hopeless(self) -> str | None:
        """Why it will not come to life by itself, or nothing while it may.

        An on-demand box that is stopped was stopped by somebody or outbid; `status_msg` has what Docker said.
        """
        if self.status == "running":
            return None
        if re.search("error|failed", self.message, re.IGNORECASE):
            return self.message
        return self.status if self.status in (*LIFELESS, "stopped") else None

    def spent(self, now: float) -> Spent | None:
        """Dollars until `now` (seconds since 1970); nothing where price or start are not known.

        While a box runs, its GPU counts from its creation on; Vast does not charge for loading.
        """
        if self.price is None or self.started is None:
            return None
        hours = max(0.0, now - self.started) / 3600
        runs = self.status == "running"
        starts = self.status in ("provisioning", "created", "loading")
        gpu = self.price.gpu * hours if runs else 0.0
        return Spent(gpu=gpu, storage=self.price.storage * hours, at_least=not runs and not starts)

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


def read_box(raw: object) -> Box:
    """The box that one element of the list describes. Raises `VastError` naming what is missing or wrong."""
    if not isinstance(raw, dict) or not isinstance(raw.get("id"), int):
        raise VastError("Vast.ai: an instance without a numeric 'id'")
    fields = _Fields(raw)
    status = fields.text("actual_status") or "provisioning"
    running = status == "running"
    return Box(
        id=raw["id"],
        label=fields.text("label"),
        status=status,
        image=fields.text("image_uuid") if running else "",
        gpu=fields.text("gpu_name", required=running),
        template=fields.text("template_name", required=False),
        endpoint=_endpoint(fields) if running else None,
        message=fields.told("status_msg"),
        machine=raw["machine_id"] if isinstance(raw.get("machine_id"), int) else None,
        place=fields.told("geolocation"),
        price=_price(raw),
        started=amount(raw.get("start_date")),
    )


def amount(value: object) -> float | None:
    """A finite number that is not negative, which may be written as text; nothing for everything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, str) and len(value) > _LONGEST_NUMBER:
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and number >= 0 else None


def _price(raw: dict[str, Any]) -> Price | None:
    """What an hour costs: https://docs.vast.ai/api-reference/instances/show-instance

    `dph_total` is GPU and storage together while a box runs; `storage_total_cost` is that of its disk an hour.
    """
    total, storage = amount(raw.get("dph_total")), amount(raw.get("storage_total_cost"))
    if storage is None:
        rate, disk = amount(raw.get("storage_cost")), amount(raw.get("disk_space"))
        storage = 0.0 if rate is None or disk is None else rate * disk / HOURS_A_MONTH
    return None if total is None else Price(gpu=max(0.0, total - storage), storage=storage)


class _Fields:
    """One instance's fields, with errors that name them."""

    def __init__(self, raw: dict[str, Any]) -> None:
        self.raw = raw

    def text(self, name: str, *, required: bool = True) -> str:
        """The text under `name`, as it may be shown; nothing when it is null."""
        return brief((self._value(name, (str,), required) or "").strip(), _LONGEST_TEXT)

    def told(self, name: str) -> str:
        """What is under `name`, as it may be shown, for a person alone: of any kind, nothing when it is not there."""
        value = self.raw.get(name)
        return "" if value is None else brief(str(value).strip(), _LONGEST_TEXT)

    def host(self, name: str) -> str:
        """The name or address under `name`, one of IPv6 without brackets; nothing when it is null. It goes into
        messages and host data of pyinfra."""
        value = re.sub(r"\[(.*)\]", r"\1", self.text(name))
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


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")
