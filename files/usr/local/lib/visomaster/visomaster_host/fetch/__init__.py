"""visomaster-fetch: models and assets, fetched so that a bad line cannot spoil them. See `cli` for the command."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from visomaster_host.fetch.schedule import Policy


def main(argv: list[str] | None = None, *, policy: Policy | None = None) -> int:
    """Run the command; returns its exit status. Who only links does not wait for the rest to be loaded."""
    from visomaster_host.fetch import cli  # 34 ms that a process which only makes the links would wait for

    return cli.main(argv, policy=policy)


__all__ = ["main"]
