"""The label that says whose a box is and until when: `visomaster alt until=2026-11-27T05:00Z by=anna mark=3f9a0c12`.

It is given with the request that creates the box, so that there is no moment in which a box is billed and nobody knows
what it is for. `mark` is of one creation alone: by it a box is found whose creation was answered by a broken line.
A person may edit a label in the console; what can still be read is read.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from spec.variant import VARIANTS

OURS = "visomaster"
LONGEST_LABEL = 256
"""Characters that Vast keeps: https://docs.vast.ai/api-reference/instances/create-instance"""


@dataclass(frozen=True, kw_only=True)
class Lease:
    """What a label says. `until` (UTC) and the others are nothing where it does not, or not readably."""

    variant: str | None
    until: datetime | None
    by: str | None = None
    mark: str | None = None

    def label(self) -> str:
        """The text for Vast."""
        words = [OURS, self.variant or ""]
        words.append(f"until={self.until.astimezone(timezone.utc):%Y-%m-%dT%H:%MZ}" if self.until else "")
        words += [f"by={_word(self.by)}" if self.by else "", f"mark={self.mark}" if self.mark else ""]
        return " ".join(word for word in words if word)

    def left(self, now: float) -> timedelta | None:
        """The time left at `now` (seconds since 1970), negative when it is over; nothing without an end."""
        return self.until - datetime.fromtimestamp(now, timezone.utc) if self.until else None

    def expired(self, now: float) -> bool:
        """Whether it is over at `now` (seconds since 1970)."""
        left = self.left(now)
        return left is not None and left <= timedelta()


def new_lease(variant: str, hours: float, by: str, now: float) -> Lease:
    """A lease that begins at `now` (seconds since 1970), to the minute, with a mark of its own."""
    until = datetime.fromtimestamp(now + hours * 3600, timezone.utc).replace(second=0, microsecond=0)
    return Lease(variant=variant, until=until, by=_word(by), mark=secrets.token_hex(4))


def read_label(text: str) -> Lease | None:
    """The lease that a label tells; nothing when it is no label of this project."""
    words = [word for word in re.split(r"[\s,;|]+", text) if word]
    if not any(word.lower() == OURS for word in words):
        return None
    pairs = dict(reversed([(key.lower(), value) for key, sign, value in (w.partition("=") for w in words) if sign]))
    named = [word for word in words if word in VARIANTS]
    return Lease(
        variant=named[0] if named else pairs.get("variant"),
        until=_time(pairs.get("until", "")),
        by=pairs.get("by"),
        mark=pairs.get("mark"),
    )


def _time(text: str) -> datetime | None:
    """The time in UTC that `text` says: with seconds or without, `Z`, an offset or neither."""
    try:
        found = datetime.fromisoformat(re.sub(r"[zZ]$", "+00:00", text))
        return found.replace(tzinfo=found.tzinfo or timezone.utc).astimezone(timezone.utc)
    except (ValueError, OverflowError):
        return None


def _word(text: str) -> str:
    """`text` as one word of a label: a name of a user or of a machine."""
    return re.sub(r"[^A-Za-z0-9._@-]+", "-", text)[:40].strip("-") or "somebody"
