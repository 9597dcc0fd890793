"""Where a URL is reached instead. Standard library only: the controller and programs of this package use it."""

from __future__ import annotations

from collections.abc import Mapping


def swap_prefix(url: str, prefixes: Mapping[str, str]) -> str:
    """The URL with the longest of ``prefixes`` (FROM -> TO) replaced; whole path segments only."""
    for prefix in sorted(prefixes, key=len, reverse=True):
        rest = url[len(prefix.rstrip("/")) :]
        if url.startswith(prefix.rstrip("/")) and (not rest or rest[0] in "/?#"):
            return prefixes[prefix].rstrip("/") + rest
    return url
