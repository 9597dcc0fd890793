"""Services, and what a person gets."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from visomaster_host import paths, users
from visomaster_host.choices import Access
from visomaster_host.host import Host
from visomaster_host.service import Service

from tests.host.described import missing
from tests.host.processes import family, processes_of

pytestmark = pytest.mark.usefixtures("running")

SECRETS = {Access.VNC: "vnc-password", Access.PORTAL: "portal-token"}
OWNERS = {"portal": "haproxy", "vnc": users.DESKTOP}
"""Who listens on the public ports."""

LOOPBACK = ("127.", "[::1]", "[::ffff:127.")
PLATFORM = ('"sshd"', '"jupyter')


def programs(host: Any) -> dict[str, int]:
    """The processes of all programs that the host's supervisord runs, ours and others."""
    lines = [line.split() for line in host.run("supervisorctl status").stdout.splitlines()]
    return {line[0]: int(line[3].rstrip(",")) for line in lines if line[1] == "RUNNING"}


def test_every_service_runs(host: Any, services: tuple[Service, ...], unexpected: frozenset[str]) -> None:
    """Every service runs.

    RUNNING, that is past its `startsecs`; a fetch that found nothing to do has ended well, and so has
    a lease where none is kept.

    If not: read the service's log in /var/log/portal or /var/log/supervisor, then `supervisorctl restart NAME`.
    """
    without = {"visomaster_app"} if "application" in unexpected else set()
    wanted = {service.name for service in services} - without
    deadline = time.monotonic() + 2 * max(service.startsecs for service in services)
    while True:
        states = dict(line.split()[:2] for line in host.run("supervisorctl status").stdout.splitlines())
        waiting = {name: states.get(name) for name in wanted if states.get(name) not in ("RUNNING", "EXITED")}
        if not waiting or time.monotonic() > deadline:
            break
        time.sleep(0.5)
    assert waiting == {}
    assert {name for name in wanted if states[name] == "EXITED"} <= {"visomaster_fetch", "lease"}


def test_no_service_of_another_variant(host: Any, services: tuple[Service, ...]) -> None:
    """No service of another variant is left."""
    files = host.check_output(f"ls {paths.SUPERVISOR_PROGRAMS}").split()
    ours = {name for name in files if name.startswith("visomaster-")}
    assert ours == {f"visomaster-{service.name}.conf" for service in services}


TALKS_TO_NOBODY = ("lease", "visomaster_fetch")
"""Services of root's: no socket of theirs can be opened but by the user of the pages and that of the desktop, for one
word (`visomaster_host.lease.door`)."""


def test_services_have_no_privileges(host: Any, described: Host) -> None:
    """No service that a stranger can talk to has an administrator's rights.

    If not: a service waits for something, as root; `visomaster-ready` says for what.
    """
    processes = processes_of(host)
    pids = {pid for name, pid in programs(host).items() if name in described.services and name not in TALKS_TO_NOBODY}
    ours = family(processes, pids)
    assert ours
    assert [processes[pid].command for pid in ours if processes[pid].user == "root"] == []


def test_only_the_promised_ports_are_public(host: Any, described: Host) -> None:
    """Nothing but the promised ports can be reached from outside.

    Decided from the socket table with owners: sshd and Jupyter are the platform's, and programs of a supervisord that
    the box had before are theirs. Everything else is ours.

    If not: stop the program that is shown; it is none of this project's services.
    """
    others = {pid for name, pid in programs(host).items() if name not in described.services}
    theirs = family(processes_of(host), others)
    public = {
        line.split()[3].rpartition(":")[2]: line.split()[-1]
        for line in host.check_output("ss -H -l -t -n -p").splitlines()
        if not line.split()[3].startswith(LOOPBACK)
        and not any(name in line for name in PLATFORM)
        and not theirs.intersection(map(int, re.findall("pid=([0-9]+)", line)))
    }
    assert public.keys() == {str(port) for port in described.public_ports}, public
    # By the socket's user: in a container without ptrace even root is told no process of somebody else's socket.
    owner = host.user(OWNERS[described.access]).uid
    for port in described.public_ports:
        for line in host.check_output(f"ss -H -l -t -n -e sport = :{port}").splitlines():
            assert f" uid:{owner} " in line, line


def test_no_udp_is_public(host: Any) -> None:
    """Nothing can be reached from outside over UDP either.

    If not: stop the program that `ss -lunp` shows; it is none of this project's services.
    """
    lines = host.check_output("ss -H -l -u -n").splitlines()
    assert [line for line in lines if not line.split()[3].startswith(LOOPBACK)] == []


def test_the_desktop_is_ready(host: Any, unexpected: frozenset[str]) -> None:
    """The desktop is ready to be used.

    If not: `visomaster-ready` names the part that is missing; its log is in /var/log/portal or /var/log/supervisor.
    """
    started = host.run("visomaster-start")
    assert started.rc == 0, started.stderr
    lacking = [f"{name}: {why}" for name, why in missing(host).items() if name not in unexpected]
    assert not lacking, "; ".join(lacking)


def test_secrets_are_for_root_alone(host: Any, described: Host) -> None:
    """Passwords can be read by the administrator alone.

    If not: chmod -R go= /var/lib/visomaster/secrets
    """
    folder = host.file("/var/lib/visomaster/secrets")
    assert (folder.user, folder.mode) == ("root", 0o700)
    for name in folder.listdir():
        secret = host.file(f"{folder.path}/{name}")
        assert (secret.user, secret.group, secret.mode) == ("root", "root", 0o600), name


def test_the_secret_is_nowhere_else(host: Any, described: Host) -> None:
    """The password is written nowhere else.

    Not in a log, not in any process's arguments, and nowhere that the program's user can look.

    If not: set a new password and apply deploy.py once more.
    """
    secret = f"/var/lib/visomaster/secrets/{SECRETS[described.access]}"
    assert host.file(secret).size > 0
    # Without the variables of whoever runs this: `docker exec` brings the container's, with the secret that was given.
    as_user = f"env --ignore-environment setpriv --reuid {users.DESKTOP} --regid {users.DESKTOP} --init-groups sh -c"
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
