"""The market: which offers fit, what a whole lease on each would cost, and a table of them.

https://docs.vast.ai/api-reference/search/search-offers
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from visomaster_host.text import brief

from vast.boxes import HOURS_A_MONTH, Box, amount
from vast.errors import OfferGone, VastError
from vast.fit import LEAST_DOWN, LEAST_UP, Filters, Way, bytes_in, disk, filters

ROWS = 10
SLACK = 1.001
"""What a price may differ by without being another one: Vast rounds."""

_LONGEST_TEXT = 40


@dataclass(frozen=True, kw_only=True)
class Offer:
    """One machine's offer. Prices in dollars: `gpu_hour` without storage, `storage_cost` a GB and month, `inet_…_cost`
    a GB. `gpu_ram` in MB, `disk_space` in GB, `inet_down` and `inet_up` in Mbit/s, `duration` in hours from now."""

    id: int
    machine_id: int
    gpu: str
    num_gpus: int
    gpu_ram: float
    compute_cap: float
    cuda_max_good: float
    driver: str
    cpu_arch: str
    gpu_hour: float
    storage_cost: float
    inet_down_cost: float
    inet_up_cost: float
    inet_down: float
    inet_up: float
    reliability: float
    direct_port_count: float
    disk_space: float
    place: str
    verified: bool
    duration: float | None

    def hourly(self, gigabytes: float) -> float:
        """Dollars an hour with a disk of `gigabytes`: what the instance's `dph_total` will be."""
        return self.gpu_hour + self.storage_cost * gigabytes / HOURS_A_MONTH


@dataclass(frozen=True, kw_only=True)
class LeaseCost:
    """Dollars of a whole lease: the GPU runs all the time, `traffic` is what comes in before the first use. An
    estimate: work that is brought and taken home costs traffic too."""

    gpu: float
    storage: float
    traffic: float

    @property
    def total(self) -> float:
        """All of it."""
        return self.gpu + self.storage + self.traffic


@dataclass(frozen=True, kw_only=True)
class Need:
    """What is looked for: machines for packages of `accelerator`, `disk` GB for `hours`, `gigabytes_in` at the start,
    at most `max_price` dollars an hour with storage."""

    accelerator: str
    disk: int
    hours: float
    gigabytes_in: float
    max_price: float | None = None

    def query(self) -> dict[str, object]:
        """The search for it. With `allocated_storage`, Vast's own prices are for a disk of this size."""
        query: dict[str, object] = {
            "type": "ondemand",
            "rentable": {"eq": True},
            "num_gpus": {"eq": 1},
            "disk_space": {"gte": self.disk},
            "inet_down": {"gte": LEAST_DOWN},
            "inet_up": {"gte": LEAST_UP},
            "duration": {"gte": self.hours * 3600},
            "allocated_storage": self.disk,
            "order": [["dph_total", "asc"]],
        }
        query |= {field: dict(condition) for field, condition in filters(self.accelerator).items()}
        return query | ({"dph_total": {"lte": self.max_price}} if self.max_price is not None else {})

    def cost(self, offer: Offer) -> LeaseCost:
        """What the whole lease on `offer` would cost."""
        return LeaseCost(
            gpu=offer.gpu_hour * self.hours,
            storage=offer.storage_cost * self.disk * self.hours / HOURS_A_MONTH,
            traffic=offer.inet_down_cost * self.gigabytes_in,
        )

    def misfit(self, offer: Offer) -> str | None:
        """Why `offer` is none of those that were asked for: Vast drops conditions that it does not know."""
        if self.max_price is not None and offer.hourly(self.disk) > self.max_price * SLACK:
            return f"${offer.hourly(self.disk):.3f}/h is more than ${self.max_price:.3f}/h"
        if offer.num_gpus != 1:
            return f"{offer.num_gpus} GPUs"
        least = {"disk_space": self.disk, "inet_down": LEAST_DOWN, "inet_up": LEAST_UP}
        for field, value in least.items():
            if getattr(offer, field) < value:
                return f"{field} {getattr(offer, field):g} is less than {value:g}"
        if offer.duration is not None and offer.duration < self.hours:
            return f"it ends in {offer.duration:.1f} h"
        return _breaks(offer, filters(self.accelerator))


def need(accelerator: str, way: Way, models: Any, hours: float, max_price: float | None = None) -> Need:
    """What a box of a variant (its `models`) needs by `way`."""
    return Need(
        accelerator=accelerator,
        disk=disk(way, models),
        hours=hours,
        gigabytes_in=bytes_in(way, models),
        max_price=max_price,
    )


def read_offer(raw: object) -> Offer:
    """The offer that one element of a search describes. Raises `VastError` naming the field that makes no sense."""
    if not isinstance(raw, dict) or isinstance(raw.get("id"), bool) or not isinstance(raw.get("id"), int):
        raise VastError("Vast.ai: an offer without a numeric 'id'")
    fields = _Numbers(raw)
    duration = fields.optional("duration")
    return Offer(
        id=raw["id"],
        machine_id=int(fields.number("machine_id")),
        gpu=fields.text("gpu_name"),
        num_gpus=int(fields.number("num_gpus")),
        gpu_ram=fields.number("gpu_ram"),
        compute_cap=fields.number("compute_cap"),
        cuda_max_good=fields.number("cuda_max_good"),
        driver=fields.text("driver_version"),
        cpu_arch=fields.text("cpu_arch"),
        gpu_hour=_gpu_hour(fields),
        storage_cost=fields.number("storage_cost"),
        inet_down_cost=fields.optional("inet_down_cost") or 0.0,
        inet_up_cost=fields.optional("inet_up_cost") or 0.0,
        inet_down=fields.number("inet_down"),
        inet_up=fields.number("inet_up"),
        reliability=fields.number("reliability2" if "reliability2" in raw else "reliability"),
        direct_port_count=fields.number("direct_port_count"),
        disk_space=fields.number("disk_space"),
        place=fields.text("geolocation"),
        verified=raw.get("verification") == "verified" or raw.get("verified") is True,
        duration=None if duration is None else duration / 3600,
    )


class _Numbers:
    """One offer's fields, with errors that name them."""

    def __init__(self, raw: Mapping[str, Any]) -> None:
        self._raw = raw
        self.id = raw["id"]

    def number(self, name: str) -> float:
        """The amount under `name`."""
        value = amount(self._raw.get(name))
        if value is None:
            raise VastError(f"Vast.ai: offer {self.id}: {name!r}: expected a number, got {self._raw.get(name)!r:.40}")
        return value

    def optional(self, name: str) -> float | None:
        """As `number`; nothing when it is null or not there."""
        return None if self._raw.get(name) is None else self.number(name)

    def text(self, name: str) -> str:
        """What is under `name`, as it may be shown."""
        return brief(str(self._raw.get(name) or "").strip(), _LONGEST_TEXT)


def _gpu_hour(fields: _Numbers) -> float:
    """Dollars an hour without storage: `dph_base`, else what is left of `dph_total`."""
    total, base = fields.optional("dph_total"), fields.optional("dph_base")
    if base is None:
        base = fields.number("dph_total") - (fields.optional("storage_total_cost") or 0.0)
    if base <= 0 or (total is not None and total < base / SLACK):
        raise VastError(f"Vast.ai: offer {fields.id}: prices that make no sense: {total!r:.20} with {base!r:.20}")
    return base


def _breaks(offer: Offer, wanted: Filters) -> str | None:
    """The first of the conditions that `offer` breaks."""
    has: dict[str, float | bool | str] = {
        "verified": offer.verified,
        "reliability2": offer.reliability,
        "direct_port_count": offer.direct_port_count,
        "cpu_arch": offer.cpu_arch,
        "cuda_max_good": offer.cuda_max_good,
        "compute_cap": offer.compute_cap,
        "gpu_ram": offer.gpu_ram,
    }
    checks: dict[str, Callable[[Any, Any], bool]] = {
        "eq": lambda a, b: a == b,
        "gte": lambda a, b: a >= b,
        "lt": lambda a, b: a < b,
    }
    for field, condition in wanted.items():
        for sign, value in condition.items():
            if field in has and not checks[sign](has[field], value):
                return f"{field} is {has[field]}, not {sign} {value}"
    return None


@dataclass(frozen=True, kw_only=True)
class Market:
    """The offers that fit, one a machine, the cheapest lease first; why others were left out."""

    offers: Sequence[Offer]
    left_out: Sequence[str]

    def told(self) -> str | None:
        """How many were left out, and why the first one was; nothing when none was."""
        if not self.left_out:
            return None
        others = f" and {len(self.left_out) - 1} more" if len(self.left_out) > 1 else ""
        return f"Vast.ai: left out: {self.left_out[0]}{others}"


def market(found: Iterable[object], wanted: Need, tried: Collection[int] = ()) -> Market:
    """What can be rented of `found`, the answer to `wanted`'s search, without the machines that were `tried`.

    An offer that makes no sense or does not fit is left out with its reason; so is one that its owner has already.
    """
    offers, left_out = [], []
    for raw in found:
        try:
            offer = read_offer(raw)
        except VastError as error:
            left_out.append(str(error).removeprefix("Vast.ai: "))
            continue
        reason = "taken" if isinstance(raw, dict) and raw.get("rented") is True else wanted.misfit(offer)
        if reason:
            left_out.append(f"offer {offer.id}: {reason}")
        elif offer.machine_id not in tried:
            offers.append(offer)
    best: dict[int, Offer] = {}
    for offer in sorted(offers, key=lambda one: (wanted.cost(one).total, one.id)):
        best.setdefault(offer.machine_id, offer)
    return Market(offers=tuple(best.values()), left_out=tuple(left_out))


def table(offers: Sequence[Offer], wanted: Need, rows: int = ROWS) -> list[str]:
    """The first `rows` of `offers`, a line each below one of headings."""
    cells = [("", "GPU", "$/h", f"$ for {wanted.hours:g} h", "place", "Mbit/s down")]
    for position, offer in enumerate(offers[:rows], start=1):
        price, cost = f"{offer.hourly(wanted.disk):.3f}", f"{wanted.cost(offer).total:.2f}"
        card = f"{offer.gpu}, {offer.gpu_ram / 1024:.0f} GB"
        cells.append((str(position), card, price, cost, offer.place, f"{offer.inet_down:.0f}"))
    widths = [max(len(row[column]) for row in cells) for column in range(6)]
    right = (0, 2, 3, 5)
    return [
        "  ".join(
            text.rjust(width) if column in right else text.ljust(width)
            for column, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    ]


def require_price(box: Box, agreed: float) -> None:
    """Raise `OfferGone` when `box` costs more than the `agreed` dollars an hour, or does not say what it costs: it has
    to be destroyed."""
    if box.price is None:
        raise OfferGone(f"Vast.ai: instance {box.id} does not say what it costs, ${agreed:.3f}/h was agreed")
    if box.price.total > agreed * SLACK:
        raise OfferGone(f"Vast.ai: instance {box.id} costs ${box.price.total:.3f}/h, ${agreed:.3f}/h was agreed")
