"""The guide on a host of each access: it finds nothing on a healthy one, and finds and repairs what was broken."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from visomaster_host import paths, users
from visomaster_host.choices import Access

from sandbox import desktop
from tests.drills.notebook import CHECKS, kernel_options, run_cells
from tests.e2e.machine import Container, container, docker
from tests.e2e.test_desktop import screenshot, visit

pytestmark = pytest.mark.filterwarnings("ignore:.*TripleDES")

MODEL = "model_assets/face_parser.onnx"
PART = f"{paths.MODELS}/face_swapper_512.onnx.part"
ROTATED = f"{paths.PORTAL_LOGS}/x11vnc.log.1"
VIDEO = f"{paths.WORKSPACE}/holiday.mp4"
SMALL_DISKS = (
    f"--tmpfs={paths.PORTAL_LOGS}:size=64m",
    f"--tmpfs={paths.WORKSPACE}:size=64m,uid={users.DESKTOP_ID},gid={users.DESKTOP_ID}",
)
FULL = 62
"""Megabytes that leave less than a tenth of a small disk."""

ENTRANCE = {Access.VNC: "vnc_gate", Access.PORTAL: "visomaster_caddy"}
"""The service that is stopped, without which nobody gets in."""


@dataclass(frozen=True, kw_only=True)
class Guided(Container):
    """A ready desktop with a kernel for its guide."""

    access: Access

    def secret(self) -> str:
        """What its owner logs in with."""
        found = json.loads(self.output("visomaster-credentials", "--json"))
        return str(found["password" if self.access is Access.VNC else "token"])


@pytest.fixture(scope="module", params=[Access.VNC, Access.PORTAL])
def box(request: pytest.FixtureRequest, baked: str, asset_server: str) -> Iterator[Guided]:
    """A host of each access whose logs and own files lie on small disks."""
    image = baked if request.param is Access.VNC else desktop.bake("alt")
    mirrors = f"--env=VISOMASTER_MIRRORS={desktop.mirrors(asset_server)}"
    with container(image, *kernel_options(), *SMALL_DISKS, "--publish=127.0.0.1::5901", mirrors) as running:
        running.wait_ready()
        yield Guided(name=running.name, access=request.param)


def test_a_healthy_host_has_no_fault(box: Guided) -> None:
    """All cells, repairs as well, as somebody would who presses Run All: nothing is found, changed or given away."""
    secret, program = box.secret(), box.output("supervisorctl", "pid", "visomaster_app")
    seen = run_cells(box)
    assert not seen.faults and seen.complete, seen.text
    assert "No fault was found." in seen.of("summary")
    assert "note   no GPU" in seen.of("check-gpu") or "driver for CUDA" in seen.of("check-gpu")
    assert secret not in seen.text
    assert (box.secret(), box.output("supervisorctl", "pid", "visomaster_app")) == (secret, program)


@pytest.mark.parametrize("user", [users.DESKTOP, "nobody"])
def test_others_than_root_are_told_what_they_may_not(box: Guided, user: str) -> None:
    """No exception, no false alarm, no secret: each cell that changes something says that it needs root."""
    seen = run_cells(box, user=user)
    assert not seen.faults and seen.complete, seen.text
    assert "only root may ask supervisord" in seen.of("check-services")
    for name in ("services", "models", "disk", "gpu", "set-up"):
        assert seen.of(f"repair-{name}").startswith("This cell needs root."), name
    assert box.secret() not in seen.text


def plant(box: Guided) -> None:
    """A stopped service, a damaged model, full disks, and what an unfinished fetch of an older list left behind."""
    box.output("supervisorctl", "stop", ENTRANCE[box.access])
    store = f"{paths.MODELS}/{MODEL.partition('/')[2]}"
    box.output("sh", "-c", f"printf damaged | dd of={store} bs=1 seek=1000 conv=notrunc")
    for path in (ROTATED, VIDEO, PART):
        box.output("dd", "if=/dev/zero", f"of={path}", "bs=1M", f"count={FULL}")


def test_each_fault_is_named_and_its_cell_repairs_it(box: Guided) -> None:
    """Each repair cell is run twice, in the order in which a person reads them."""
    plant(box)
    found = run_cells(box, "start", *CHECKS, "summary")
    services, models, disk = (f"Repair: {name}" for name in ("services", "models", "disk"))
    named = {(text.partition(":")[0], repair) for text, repair in found.faults}
    assert named == {
        (f"{ENTRANCE[box.access]} is STOPPED", services),
        (f"nothing answers on port {5901 if box.access is Access.VNC else 11111}", services),
        (f"{MODEL} is damaged", models),
        (str(paths.PORTAL_LOGS), disk),
        (str(paths.WORKSPACE), disk),
    }
    assert all(text in found.of("summary") for text, _ in found.faults)
    repairs = [f"repair-{title.partition(': ')[2]}" for title in (services, models, disk)]
    after = run_cells(box, "start", *repairs, *repairs, *CHECKS, "summary")
    assert {text.partition(":")[0] for text, _ in after.faults} == {str(paths.WORKSPACE)}, after.text
    assert VIDEO in after.of("repair-disk")  # somebody's own file is named, never deleted
    assert box.run("ls", VIDEO).returncode == 0
    assert box.run("ls", ROTATED).returncode != 0 and box.run("ls", PART).returncode != 0
    box.output("rm", VIDEO)
    assert "No fault was found." in run_cells(box, "start", *CHECKS, "summary").of("summary")
    box.wait_ready()


def test_a_new_secret_replaces_the_old_one(box: Guided) -> None:
    """Only when a person writes that it should; what they see is what they log in with."""
    old, copy = box.secret(), "/tmp/changed.ipynb"
    edit = r's/^\( *"new = \)\\"\\"/\1\\"generate\\"/'
    box.output("sh", "-c", f"sed '{edit}' {paths.GUIDE} >{copy}")
    seen = run_cells(box, "start", "new-password", notebook=copy)
    assert box.secret() != old
    assert box.secret() in seen.of("new-password") and old not in seen.text
    box.wait_ready()
    assert [opens(box, secret) for secret in (old, box.secret())] == [False, True]


ASK = """
import sys, urllib.error, urllib.request
request = urllib.request.Request("http://127.0.0.1:11111/", headers={"Authorization": "Bearer " + sys.argv[1]})
try:
    print(urllib.request.urlopen(request, timeout=10).status)
except urllib.error.HTTPError as refusal:
    print(refusal.status)
"""


def opens(box: Guided, secret: str) -> bool:
    """Whether somebody with `secret` is let in."""
    if box.access is Access.PORTAL:
        return box.output("python3", "-c", ASK, secret) == "200\n"
    try:
        visit(box, secret, screenshot)
    except PermissionError:
        return False
    return True


def test_a_fetch_that_runs_keeps_its_unfinished_files(box: Guided) -> None:
    """The repair of the disk takes only what nobody works on."""
    lock = f"{paths.MODELS}/.lock"
    box.output("dd", "if=/dev/zero", f"of={PART}", "bs=1M", "count=2")
    docker("exec", "--detach", box.name, "flock", lock, "sleep", "60")
    box.output("sh", "-c", f"until ! flock --nonblock {lock} true; do sleep 0.05; done")
    run_cells(box, "start", "repair-disk")
    box.output("ls", PART)
    box.output("pkill", "--exact", "sleep")
    box.output("flock", "--timeout=10", lock, "true")
    run_cells(box, "start", "repair-disk")
    assert box.run("ls", PART).returncode != 0


def test_a_program_that_ended_is_noted(box: Guided) -> None:
    """It is no fault when it runs again; whoever lost their work reads what happened."""
    box.output("sh", "-c", "kill -SEGV $(supervisorctl pid visomaster_app)")
    box.wait_ready()
    seen = run_cells(box, "start", "check-services")
    assert not seen.faults, seen.text
    assert "note   visomaster_app ended by SIGSEGV at " in seen.of("check-services")
