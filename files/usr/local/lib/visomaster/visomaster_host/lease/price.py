"""What this rented machine costs, where Vast says so."""

from __future__ import annotations

import math
from dataclasses import dataclass

from visomaster_host.lease.api import Reply

_DEAREST = 10_000.0  # dollars an hour; what is above is no price
_FIRST = 1_500_000_000.0  # seconds since 1970; what is before is no time of a rental


@dataclass(frozen=True, kw_only=True)
class Price:
    """Dollars an hour while it runs, its disk included, and `since` when it is rented, in seconds since 1970."""

    hourly: float
    since: float


def price_in(reply: Reply) -> Price | None:
    """What `reply`, about an instance, says of its price; None where it says none, or none that can be."""
    told = reply.content.get("instances")
    told = told[0] if isinstance(told, list) and told else told
    if not isinstance(told, dict):
        return None
    hourly, since = _amount(told.get("dph_total")), _amount(told.get("start_date"))
    return Price(hourly=hourly, since=since) if 0 < hourly < _DEAREST and since > _FIRST else None


def _amount(value: object) -> float:
    number = float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else 0.0
    return number if math.isfinite(number) else 0.0
