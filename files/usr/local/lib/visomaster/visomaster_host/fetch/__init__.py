"""visomaster-fetch: models and assets, fetched so that a bad line cannot spoil them. See `cli` for the command."""

from __future__ import annotations

from visomaster_host.fetch.cli import main

__all__ = ["main"]
