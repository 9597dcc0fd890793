"""A machine with systemd, as virtual machines are: what a deploy leaves there for the next boot, and a reboot."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox import base
from tests.drills.box import unchanged
from tests.drills.live import APPLY_WITHIN, LiveBox, live_box, new_key
from tests.drills.test_live_boxes import names_of, public
from tests.e2e.machine import docker, pyinfra

SYSTEMD_NEEDS = (
    *("--cap-add=SYS_ADMIN", "--security-opt=seccomp=unconfined", "--cgroupns=private"),
    *("--tmpfs=/run", "--tmpfs=/run/lock", "--env=container=docker"),
)


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory, asset_server: str) -> Iterator[LiveBox]:
    """A machine after one run of the deploy over SSH."""
    key = new_key(tmp_path_factory.mktemp("key"))
    with live_box(base.machine_image(), key, "own", more=SYSTEMD_NEEDS) as box:
        docker("cp", str(key.with_suffix(".pub")), f"{box.name}:/root/.ssh/authorized_keys")
        assert box.run("chown", "root:root", "/root/.ssh/authorized_keys").returncode == 0
        applied = pyinfra(*box.arguments(asset_server, "variant=alt"), timeout=APPLY_WITHIN)
        assert applied.returncode == 0, applied.stderr
        yield box


def test_the_desktop_runs_and_a_second_run_changes_nothing(machine: LiveBox, asset_server: str) -> None:
    """As on any other box; the packages' own services are not started."""
    assert machine.run("visomaster-ready").returncode == 0
    assert public(machine) == {"11111", "11443"}
    assert unchanged(pyinfra(*machine.arguments(asset_server, "variant=alt"), timeout=APPLY_WITHIN))


def test_after_a_reboot_the_desktop_comes_back_and_no_other_port_opens(machine: LiveBox) -> None:
    """By itself, whichever supervisord systemd starts; Caddy's own service, which would serve port 80, stays off, as
    does HAProxy's, which would fail."""
    print(f"ready {machine.restart():.1f} s after the reboot")
    assert machine.run("systemctl", "is-active", "visomaster").stdout.strip() == "active"
    assert machine.services() == names_of("alt")
    assert public(machine) == {"11111", "11443"}
    for service in ("caddy", "haproxy"):
        assert machine.run("systemctl", "is-enabled", service).stdout.strip() == "disabled"
        assert machine.run("systemctl", "is-active", service).stdout.strip() == "inactive"
    machine.host_suite()
