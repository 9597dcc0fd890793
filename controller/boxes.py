"""The boxes that a run ends with: what a host is now, and how it is opened, stopped and checked."""

from __future__ import annotations

import os
from collections.abc import Iterator

import click
from pyinfra import logger
from pyinfra.api.host import Host
from pyinfra.api.state import State
from visomaster_host.summary import Summary

_BOX = "summary"


def keep(host: Host, summary: Summary) -> None:
    """Have the box of `host` be among the last lines of the run."""
    host.connector_data[_BOX] = summary


def show(state: State) -> None:
    """Show what was kept, host after host."""
    colour = None if os.environ.get("NO_COLOR") else "green"
    for summary in _kept(state):
        lines = summary.lines()
        for number, line in enumerate(lines):
            shown = click.style(line, colour) if number in (0, len(lines) - 1) else line
            logger.info(shown)


def _kept(state: State) -> Iterator[Summary]:
    for host in state.inventory:
        if (summary := host.connector_data.get(_BOX)) is not None:
            yield summary
