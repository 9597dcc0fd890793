"""What an instance of the fake account is on this machine: here, nothing but books."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class Machine(Protocol):
    """The computer below one instance."""

    address: str

    def start(self, number: int, asked: Mapping[str, Any], api_key: str) -> None:
        """Begin to run, for the first time or again, as instance `number` that was asked for with `asked` and has the
        `api_key` of its own; do not wait for it."""

    def ports(self) -> dict[str, list[dict[str, str]]] | None:
        """The published ports, as Vast tells them, once it runs; nothing before."""

    def attach(self, public_key: str) -> None:
        """Let the owner of `public_key` in."""

    def fail_host_test(self) -> None:
        """Have a GPU that computes nothing."""

    def close_ssh(self) -> None:
        """Answer nobody at the port of SSH, while running."""

    def stop(self) -> None:
        """Stand still; what is written stays."""

    def destroy(self) -> None:
        """Be gone with everything; called once more, do nothing."""


class NoMachine:
    """Books without a computer: it runs at once, and port 22 is an address where nobody is."""

    address = "192.0.2.45"

    def __init__(self) -> None:
        self.happened: list[str] = []

    def start(self, number: int, asked: Mapping[str, Any], api_key: str) -> None:
        """Note it."""
        self.happened.append("start")

    def ports(self) -> dict[str, list[dict[str, str]]] | None:
        """A port, at once."""
        return {"22/tcp": [{"HostIp": "0.0.0.0", "HostPort": "20022"}]}

    def attach(self, public_key: str) -> None:
        """Note it."""
        self.happened.append("attach")

    def fail_host_test(self) -> None:
        """Note it."""
        self.happened.append("fail_host_test")

    def close_ssh(self) -> None:
        """Note it."""
        self.happened.append("close_ssh")

    def stop(self) -> None:
        """Note it."""
        self.happened.append("stop")

    def destroy(self) -> None:
        """Note it."""
        self.happened.append("destroy")
