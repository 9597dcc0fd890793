"""A crowd of one address waits for its turn, nobody else behind it."""

from __future__ import annotations

import http.client
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.portal import rig

CROWD, AT_A_TIME = 256, 96
"""Connections of one address from which on it is a crowd, and how many more of it Caddy has then: haproxy.cfg."""
HERE, ELSEWHERE = "127.0.0.1", "127.0.0.77"
PATIENCE = 30


def answered(portal: rig.Portal, stack: ExitStack, source: str, within: float = PATIENCE) -> http.client.HTTPConnection:
    """A connection from `source` that was answered and stays open. Raises `TimeoutError` when it was not `within` so
    many seconds."""
    connection = http.client.HTTPConnection("127.0.0.1", portal.port, timeout=within, source_address=(source, 0))
    stack.callback(connection.close)
    connection.request("GET", f"{portal.base}/assets/checks.js", headers={"Cookie": portal.cookie})
    response = connection.getresponse()
    response.read()
    assert (response.status, response.will_close) == (200, False)
    return connection


def test_a_crowd_has_few_places_and_others_have_theirs(tmp_path: Path) -> None:
    """Places are given back, and who has no crowd behind their address never needs one of them."""
    with rig.running(tmp_path, rig.wanted(token=rig.TOKEN)) as portal, ExitStack() as stack:
        here = [answered(portal, stack, HERE) for _ in range(CROWD + AT_A_TIME)]
        with pytest.raises(TimeoutError):
            answered(portal, stack, HERE, within=1)
        for _ in range(AT_A_TIME + 1):
            answered(portal, stack, ELSEWHERE)
        for one in here[-2:]:  # the one that waits may take one
            one.close()
        answered(portal, stack, HERE)
