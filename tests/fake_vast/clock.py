"""A clock that only sleeping moves: hours of a rental in milliseconds."""

from __future__ import annotations

START = 1_795_000_000.0
"""Seconds since 1970: November 2026."""


class FakeClock:
    """Called, it says the time; `sleep` passes it; `slept` are the naps."""

    def __init__(self, now: float = START) -> None:
        self.now = now
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        """Pass `seconds`."""
        assert 0 <= seconds < 7 * 24 * 3600, seconds
        self.slept.append(seconds)
        self.now += seconds
