"""Services, and what a person gets."""

from __future__ import annotations

import time
from typing import Any

import pytest

from spec import paths
from spec.variant import Access
from tests.host.described import Described, missing

pytestmark = pytest.mark.usefixtures("running")

SECRETS = {Access.VNC: "vnc-password", Access.PORTAL: "portal-token"}
LOOPBACK = ("127.", "[::1]", "[::ffff:127.")


def test_every_service_runs(host: Any, described: Described, unexpected: frozenset[str]) -> None:
    """RUNNING, that is past its `startsecs`; a fetch that found nothing to do has ended well."""
    without = {"visomaster_app"} if "application" in unexpected else set()
    wanted = {service.name for service in described.services} - without
    deadline = time.monotonic() + 2 * max(service.startsecs for service in described.services)
    while True:
        states = dict(line.split()[:2] for line in host.run("supervisorctl status").stdout.splitlines())
        waiting = {name: states.get(name) for name in wanted if states.get(name) not in ("RUNNING", "EXITED")}
        if not waiting or time.monotonic() > deadline:
            break
        time.sleep(0.5)
    assert waiting == {}
    assert {name for name in wanted if states[name] == "EXITED"} <= {"visomaster_fetch"}


def test_no_service_of_another_variant(host: Any, described: Described) -> None:
    names = host.check_output(f"ls {paths.SUPERVISOR_PROGRAMS}").split()
    ours = {name for name in names if name.startswith("visomaster-")}
    assert ours == {f"visomaster-{service.name}.conf" for service in described.services}


def test_only_supervisord_is_root(host: Any, described: Described) -> None:
    """Everything a stranger can talk to runs without privileges."""
    processes = host.check_output("ps -eo user:20,args --no-headers").splitlines()
    programs = ("Xvfb", "fluxbox", "x11vnc", "websockify", "caddy", "main.py")
    privileged = [
        line for line in processes if line.split()[0] == "root" and any(name in line.split()[1] for name in programs)
    ]
    assert privileged == []


def test_only_the_promised_port_is_public(host: Any, described: Described) -> None:
    """Decided from the socket table with owners: sshd and Jupyter are the platform's, everything else is ours."""
    platform = ('"sshd"', '"jupyter')
    public = [
        line.split()[3]
        for line in host.check_output("ss -H -l -t -n -p").splitlines()
        if not line.split()[3].startswith(LOOPBACK) and not any(name in line for name in platform)
    ]
    assert sorted(address.rpartition(":")[2] for address in public) == [str(described.port)]


def test_no_udp_is_public(host: Any) -> None:
    lines = host.check_output("ss -H -l -u -n").splitlines()
    assert [line for line in lines if not line.split()[3].startswith(LOOPBACK)] == []


def test_the_desktop_is_ready(host: Any, unexpected: frozenset[str]) -> None:
    assert missing(host) - unexpected == frozenset()


def test_secrets_are_for_root_alone(host: Any, described: Described) -> None:
    folder = host.file("/var/lib/visomaster/secrets")
    assert (folder.user, folder.mode) == ("root", 0o700)
    for name in folder.listdir():
        secret = host.file(f"{folder.path}/{name}")
        assert (secret.user, secret.group, secret.mode) == ("root", "root", 0o600), name


def test_the_secret_is_nowhere_else(host: Any, described: Described) -> None:
    """Not in a log, not in any process's arguments, and nowhere that the program's user can look."""
    secret = f"/var/lib/visomaster/secrets/{SECRETS[described.access]}"
    assert host.file(secret).size > 0
    # Without the variables of whoever runs this: `docker exec` brings the container's, with the secret that was given.
    as_user = f"env --ignore-environment setpriv --reuid {paths.USER} --regid {paths.USER} --init-groups sh -c"
    readable = (
        "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ; "
        "find /app/VisoMaster /etc /home /run /tmp /usr/local /var -xdev -type f -size -1000k -exec cat {} +"
    )
    search = (
        f"{{ cat /proc/[0-9]*/cmdline /var/log/supervisor/* /var/log/portal/*; {as_user} '{readable}'; }} 2>/dev/null"
        # The pattern comes from a file: as an argument of grep it would find itself.
        f" | grep --count --text --fixed-strings --file {secret}"
    )
    assert host.run(search).stdout.strip() == "0"
