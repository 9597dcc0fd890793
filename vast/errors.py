"""What can go wrong between this machine and Vast.ai, each in one line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from visomaster_host.text import Told


class VastError(Told):
    """Why Vast.ai did not do what was asked, in one line."""


class KeyRefused(VastError):
    """The API key is none, or may not do this."""


class QuotaSpent(VastError):
    """The day's searches are used up: nothing helps before midnight UTC."""


class OfferGone(VastError):
    """The offer was taken, withdrawn or changed its price in the meantime: another one may do."""


class NotThere(VastError):
    """There is no such instance (any more)."""


class NoAnswer(VastError):
    """The request may have taken effect, nobody knows: it was sent, and no answer came that says so. After a creation:
    a box may come up with the label that was asked for."""


class StillThere(VastError):
    """A box could not be destroyed and costs money until a person destroys it."""


class CreatedButRefused(VastError):
    """The answer is an error, but there are instances, `ids` (mostly one, `id`), which are billed: destroy them."""

    def __init__(self, text: object, *ids: int) -> None:
        super().__init__(text)
        self.ids = ids
        self.id = ids[0]


class Refused(VastError):
    """Another answer than a good one: its `status` and, where it is a JSON object, its `body`."""

    def __init__(self, text: object, status: int, body: Mapping[str, Any]) -> None:
        super().__init__(text)
        self.status = status
        self.body = body

    def says(self, *words: str) -> bool:
        """Whether its `error`, `msg` or `message` has one of `words`."""
        told = " ".join(str(self.body.get(field, "")) for field in ("error", "msg", "message"))
        return any(word in told for word in words)
