"""Which rented instance this is, and the key that may start, stop and destroy it alone: root's, of one container."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from visomaster_host import container
from visomaster_host.store import INSTANCE, forget_secret, read_secret, write_secret


@dataclass(frozen=True, kw_only=True)
class Instance:
    """Vast's number of this machine, and its own key."""

    number: str
    key: str = field(repr=False)


def keep(given: tuple[str, str] | None) -> None:
    """Store what this start was told; where it was told nothing, what an earlier start of this container was told
    stays. Raises OSError.
    """
    if given is not None:
        number, key = given
        kept = {"container": container.identity(), "number": number, "key": key}
        write_secret(INSTANCE, json.dumps(kept, sort_keys=True))
    elif read_secret(INSTANCE) is not None and stored() is None:
        forget_secret(INSTANCE)  # on a volume: of another machine


def stored() -> Instance | None:
    """The instance as it was told to this container; None where it is none. Raises `Problem` unless run as root."""
    try:
        kept = json.loads(read_secret(INSTANCE) or "null")
        if kept["container"] != container.identity():
            return None
        return Instance(number=str(kept["number"]), key=str(kept["key"]))
    except (ValueError, TypeError, KeyError):
        return None
