"""Who holds the public port."""

from __future__ import annotations

import os
import pwd
import socket
from pathlib import Path

import pytest
from visomaster_host.files import Owner
from visomaster_host.portal import front
from visomaster_host.problems import NotReady, Problem

ME = Owner(uid=os.getuid(), gid=os.getgid())
NOBODY = Owner(uid=pwd.getpwnam("nobody").pw_uid, gid=pwd.getpwnam("nobody").pw_gid)


def free_port() -> int:
    """A port that nobody has."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_the_socket_is_another_users_and_survives_exec() -> None:
    """Made by root before root is given up: the port may be below 1024, and the kernel's table names its owner."""
    number = free_port()
    with front.listen(number, NOBODY) as listener:
        assert os.get_inheritable(listener.fileno())
        assert front.listeners(number) == {NOBODY.uid}
        assert front.held_by(number, NOBODY) == f"port {number} is ours"
        with pytest.raises(NotReady, match=r"held by user nobody, not by this host: do not type the token there"):
            front.held_by(number, ME)
    with pytest.raises(NotReady, match="nobody listens"):
        front.held_by(number, NOBODY)


@pytest.mark.parametrize(("family", "address"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_nobody_else_gets_a_port_that_is_held(family: socket.AddressFamily, address: str) -> None:
    """Neither on one of the addresses, nor on IPv6, which a browser tries first for `localhost`."""
    number = free_port()
    held = front.reserve_ipv6(number, ME)
    assert held is not None
    with front.listen(number, ME), held, socket.socket(family) as thief:
        for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT):
            thief.setsockopt(socket.SOL_SOCKET, option, 1)
        with pytest.raises(OSError, match="Address already in use"):
            thief.bind((address, number))


def test_a_port_that_somebody_has_is_told_with_his_name() -> None:
    with front.listen(0, NOBODY) as taken:
        number = taken.getsockname()[1]
        with pytest.raises(Problem, match=rf"port {number}: Address already in use by user nobody"):
            front.listen(number, ME)


def test_as_many_connections_as_there_may_be_files() -> None:
    found = front.variables((3, 4), (Path("/run/caddy.sock"), Path("/run/caddy-tls.sock")))
    assert (found["FRONT_SOCKET"], found["FRONT_TLS_SOCKET"]) == ("3", "4")
    assert (found["FRONT_CADDY"], found["FRONT_CADDY_TLS"]) == ("/run/caddy.sock", "/run/caddy-tls.sock")
    assert 1000 < int(found["FRONT_CONNECTIONS"]) <= front.MOST
    assert (
        found["FRONT_DEAD_AFTER"] == "60s"
    )  # minutes at most, where the kernel's own patience is a quarter of an hour
    assert found["FRONT_PROBED_AFTER"] == "20s"
