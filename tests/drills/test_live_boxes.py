"""Rented boxes as they are met: in each launch mode, with services of their own, half done, or of another variant.

The applications are few, since each takes a minute: two bare boxes at once (SSH and Jupyter mode) from the inventory,
one box that runs a supervisord of its own, and one whose first runs are killed and which then becomes every variant.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from visomaster_host import paths, users
from visomaster_host.choices import Access, Screen
from visomaster_host.services import services_for

from sandbox import base, desktop
from spec.here import ROOT
from spec.variant import VARIANTS
from tests.drills.box import unchanged
from tests.drills.live import APPLY_WITHIN, LiveBox, live_box, new_key, settings
from tests.e2e.machine import BIN, Container, container, docker, host_suite, pyinfra, run, wait_for_sshd
from tests.fake_vast import KEY, FakeVast, instance

START = "visomaster-start"
PASSWORD, TOKEN = "pa55w0rd", "a-token-of-the-template"
PORT = 18111


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The key of whoever rents the boxes."""
    return new_key(tmp_path_factory.mktemp("key"))


def names_of(variant: str, screen: Screen = Screen.TIGERVNC) -> set[str]:
    """The services of `variant` with `screen`."""
    return {service.name for service in services_for(VARIANTS[variant].access, VARIANTS[variant].models, screen)}


def public(box: LiveBox) -> set[str]:
    """The ports that strangers reach, but for the platform's sshd."""
    reached = {address: who for address, who in box.listeners().items() if not address.startswith(("127.", "[::1]"))}
    return {address.rpartition(":")[2] for address, who in reached.items() if '"sshd"' not in who}


# (a) and (b): SSH mode and Jupyter mode


LOGIN = Path(__file__).with_name("login.sh")


@pytest.fixture(scope="module")
def rented(key: Path) -> Iterator[tuple[LiveBox, LiveBox]]:
    """Two bare boxes of an account: one in SSH mode, one in Jupyter mode, each with variables from its template.

    The owner of the first one has done to it all that ever kept a deploy from working.
    """
    image = base.rented_image("bookworm")
    label = {"VAST_CONTAINERLABEL": "C.1", "NVIDIA_VISIBLE_DEVICES": "GPU-1"}
    with (
        live_box(image, key, "ssh", START, {**label, "VNC_PASSWORD": PASSWORD}) as first,
        live_box(image, key, "jupyter", START, {"VAST_CONTAINERLABEL": "C.2", "OPEN_BUTTON_TOKEN": TOKEN}) as second,
    ):
        first.output("sh", "-c", LOGIN.read_text(encoding="utf-8"))
        wait_for_sshd(first.port)
        yield first, second


@pytest.fixture(scope="module")
def account(rented: tuple[LiveBox, LiveBox]) -> Iterator[FakeVast]:
    """The account that lists them, with a third one that is stopped."""
    first, second = rented
    fake = FakeVast()
    fake.instances = [
        listed(1, first, label="desk default"),
        listed(2, second, label="desk alt", image_runtype="jupyter_direc ssh_direc ssh_proxy"),
        instance(3, label="desk old", actual_status="exited"),
    ]
    with fake.serving():
        yield fake


def listed(number: int, box: LiveBox, **changes: object) -> dict[str, object]:
    """The instance as the API describes it."""
    ports = {"22/tcp": [{"HostIp": "0.0.0.0", "HostPort": str(box.port)}]}
    return instance(number, public_ipaddr="127.0.0.1", ports=ports, **changes)


def apply_account(account: FakeVast, key: Path, asset_server: str, *more: str) -> subprocess.CompletedProcess[str]:
    """`pyinfra inventories/vast.py deploy.py -y`, as a person runs it; the variants are the labels'."""
    environment = {"VAST_API_KEY": KEY, "VAST_URL": account.url, "NO_PROXY": "127.0.0.1", "PYINFRA_PROGRESS": "off"}
    words = ["inventories/vast.py", "--ssh-key", str(key), "deploy.py", "-y", *settings(asset_server), *more]
    return run([BIN / "pyinfra", *words], timeout=APPLY_WITHIN, cwd=ROOT, env={**os.environ, **environment})


@pytest.fixture(scope="module")
def applied(
    rented: tuple[LiveBox, LiveBox], account: FakeVast, key: Path, asset_server: str
) -> tuple[LiveBox, LiveBox]:
    """Both boxes after one run over the account."""
    first, second = rented
    assert second.run("grep", "-qi", "jupyter", "/.launch").returncode == 0
    result = apply_account(account, key, asset_server)
    assert result.returncode == 0, result.stderr
    assert "Vast.ai: left out: vast-3 'desk old' (exited)" in result.stderr
    for box in (first, second):
        assert box.run("visomaster-ready").returncode == 0
    return first, second


def test_two_boxes_of_an_account_become_their_variants(applied: tuple[LiveBox, LiveBox], key: Path) -> None:
    """At once, by the labels; the same host tests pass on both."""
    assert [box.services() for box in applied] == [names_of("default"), names_of("alt")]
    addresses = ",".join(f"paramiko://root@127.0.0.1:{box.port}" for box in applied)
    host_suite(addresses, f"--ssh-identity-file={key}")


def test_a_second_run_over_the_account_changes_nothing(
    applied: tuple[LiveBox, LiveBox], account: FakeVast, key: Path, asset_server: str
) -> None:
    """On neither box."""
    assert unchanged(apply_account(account, key, asset_server))


PRIVATE = f"""
find {paths.PACKAGES} {paths.SHARE} {paths.PROGRAM} {paths.ENVIRONMENT} {paths.ETC} {paths.MODELS} -xdev \\
    ! -name .lock '(' -type d ! -perm -055 -o -type f ! -perm -044 ')'
"""
"""What others than their owner cannot read."""


def test_a_login_that_talks_and_sets_is_no_answer(applied: tuple[LiveBox, LiveBox]) -> None:
    """The first box's: it greets, sets an umask, brings other programs, and has sources of packages that are none."""
    box, _ = applied
    loud = box.ssh("echo; umask; command -v python3")
    assert loud.stdout.split("\n")[-5:] == ["", "0077", "/opt/foreign/python3", "bye", ""]
    assert box.output("sh", "-c", PRIVATE) == ""
    assert box.output("sh", "-c", "ls /opt/t 2>&1 || test $? -eq 2").strip().endswith("No such file or directory")
    assert box.ssh("visomaster-ready >/dev/null; true").returncode == 0


def test_what_an_older_run_left_private_is_healed(
    applied: tuple[LiveBox, LiveBox], account: FakeVast, key: Path, asset_server: str
) -> None:
    """Under such an umask an older playbook made files that the program's user cannot read."""
    box, _ = applied
    closed = f"{paths.PACKAGES} {paths.PACKAGE}/portal {paths.SHARE} {paths.PROGRAM}/app {paths.PROGRAM}/.git"
    box.output("sh", "-euc", f"chmod 700 {closed}; find {paths.PACKAGE} -name '*.pyc' -exec chmod 600 {{}} +")
    healed = apply_account(account, key, asset_server)
    assert healed.returncode == 0, healed.stderr
    assert box.output("sh", "-c", PRIVATE) == ""


def test_variables_of_the_container_reach_services_and_logins(applied: tuple[LiveBox, LiveBox]) -> None:
    """The run came over SSH, where they are not to be seen: they are those of process 1. Logins get no secret."""
    first, second = applied
    assert first.credentials()["password"] == PASSWORD
    assert second.credentials()["token"] == TOKEN
    app = first.output("supervisorctl", "pid", "visomaster_app").strip()
    as_user = ("setpriv", "--reuid", users.DESKTOP, "--regid", users.DESKTOP, "--init-groups")
    variables = first.output(*as_user, "cat", f"/proc/{app}/environ").split("\0")
    assert "NVIDIA_VISIBLE_DEVICES=GPU-1" in variables
    assert not any(PASSWORD in variable for variable in variables)
    login = first.ssh("env").stdout.splitlines()
    assert {"VAST_CONTAINERLABEL=C.1", "NVIDIA_VISIBLE_DEVICES=GPU-1"} <= set(login)
    assert PASSWORD not in first.ssh("env; cat /etc/environment").stdout
    assert second.ssh("bash -lc 'command -v python'").stdout.strip() == str(paths.PYTHON)


def test_the_notebook_of_jupyter_mode_is_left_alone(applied: tuple[LiveBox, LiveBox]) -> None:
    """The same process answers on its port as before, with its own token."""
    _, second = applied
    [notebook] = second.processes("jupyter-noteboo")
    # Not the time of /proc/NUMBER: that is when somebody looked first.
    runs = int(second.output("ps", "--format", "etimes=", "--pid", str(notebook)))
    described = int(second.output("stat", "--format=%Y", str(paths.HOST)))
    assert runs > time.time() - described
    answer = second.output("curl", "--silent", "--fail", "http://127.0.0.1:8080/?token=jupyter-token")
    assert answer == "notebook\n"
    assert public(second) == {"8080", "11111", "11443"}


@pytest.mark.parametrize("number", [0, 1], ids=["ssh", "jupyter"])
def test_the_on_start_line_brings_the_desktop_back(
    applied: tuple[LiveBox, LiveBox], number: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """At each start of the container; calling it once more, from a login, starts nothing twice."""
    box = applied[number]
    before = box.credentials()
    took = box.restart()
    with capsys.disabled():
        print(f"\n    ready {took:.1f} s after the restart", end=" ")
    assert "started supervisord" in box.output("tail", "-n", "1", "/var/log/onstart.log")
    assert box.credentials() == before
    again = box.ssh(START)
    assert (again.returncode, "already running" in again.stdout) == (0, True)
    assert len(box.processes("supervisord")) == 1


def test_an_image_of_ours_in_ssh_mode(baked: str, key: Path) -> None:
    """Its ENTRYPOINT replaced, sshd put in by the platform: the on-start line is all that starts it, each time."""
    with live_box(baked, key, "ssh", START, {"VNC_PASSWORD": PASSWORD}) as box:
        assert box.output("cat", "/proc/1/comm").strip() == ".launch"
        box.wait_ready()
        box.host_suite()
        box.restart()
        assert box.credentials()["password"] == PASSWORD
        assert len(box.processes("supervisord")) == 1


# (c): `args` mode


@pytest.fixture(scope="module")
def by_itself(baked: str) -> Iterator[Container]:
    """An image of ours as the platform starts it in `args` mode: with its own ENTRYPOINT, and nothing beside it."""
    with container(baked, "--env=VAST_CONTAINERLABEL=C.4") as box:
        box.wait_ready()
        yield box


def test_args_mode_runs_our_entrypoint_as_process_1(by_itself: Container) -> None:
    """It became supervisord, so that stopping the container stops everything in order."""
    assert "supervisord" in by_itself.output("cat", "/proc/1/cmdline")
    host_suite(f"docker://{by_itself.name}")
    docker("restart", by_itself.name)
    by_itself.wait_ready()


def test_a_host_verifies_itself(by_itself: Container, tmp_path: Path) -> None:
    """`make verify HOST=local://` in a copy of the repository on the host."""
    archive = tmp_path / "repository.tar"
    files = run(["git", "ls-files", "-z"], cwd=ROOT).stdout
    packed = run(["tar", "-c", "--null", "--files-from=-", "-f", archive], cwd=ROOT, input=files)
    assert packed.returncode == 0, packed.stderr
    docker("cp", str(archive), f"{by_itself.name}:/tmp/repository.tar")
    unpack = "mkdir /root/repository; cd /root/repository; tar -x -f /tmp/repository.tar"
    venv = "apt-get -qq update; apt-get -qq install -y python3-venv >/dev/null; python3 -m venv .venv"
    by_itself.output("sh", "-euc", f"{unpack}; {venv}; .venv/bin/pip install -q --require-hashes -r requirements.txt")
    done = by_itself.run("sh", "-c", "cd /root/repository && .venv/bin/python -m pytest tests/host --hosts=local:// -q")
    assert done.returncode == 0, done.stdout + done.stderr


# (d): a box that runs services of its own


THEIRS = {"caddy", "instance_portal", "onstart", "sshd"}


@pytest.fixture(scope="module")
def foreign(key: Path, asset_server: str) -> Iterator[LiveBox]:
    """A supervisord of the box's own is process 1, with a web page on 11111."""
    image = base.derived_image("foreign", "bookworm")
    # Its first start fetches the models, by itself: mirrors come the way the template gives them.
    given = {"VISOMASTER_MIRRORS": desktop.mirrors(asset_server)}
    with live_box(image, key, "own", f"command -v {START} >/dev/null && {START}", given) as box:
        yield box


def test_a_taken_port_is_refused_before_anything_changes(foreign: LiveBox, asset_server: str) -> None:
    """One line names who has it, and the way out."""
    before = foreign.written()
    result = pyinfra(*foreign.arguments(asset_server, "variant=s-def"))
    assert result.returncode != 0 and "Traceback" not in result.stderr
    last = [line for line in result.stderr.splitlines() if line.strip()][-1]
    assert "port: 11111 is taken by process " in last
    assert "python3 -m http.server 11111" in last and "--data port=NUMBER" in last
    assert foreign.written() == before
    by_name = pyinfra(*foreign.arguments(asset_server, "variant=default", "port=11111"))
    assert by_name.returncode != 0 and "port: 11111 is taken by process " in by_name.stderr


def test_another_port_beside_a_boxs_own_services(foreign: LiveBox, asset_server: str) -> None:
    """Ours join the supervisord that is there, on the chosen port; what was there goes on as it was."""
    theirs = THEIRS
    web = foreign.output("supervisorctl", "pid", "instance_portal")
    configuration = foreign.output("sha256sum", "/etc/supervisor/supervisord.conf")
    arguments = foreign.arguments(asset_server, "variant=s-def", f"port={PORT}")
    result = pyinfra(*arguments, timeout=APPLY_WITHIN)
    assert result.returncode == 0, result.stderr
    assert foreign.services() == theirs | names_of("s-def")
    assert foreign.output("supervisorctl", "pid", "instance_portal") == web
    assert foreign.output("sha256sum", "/etc/supervisor/supervisord.conf") == configuration
    assert foreign.credentials()["url"].partition("/?")[0] == f"http://ADDRESS-OF-THIS-HOST:{PORT}"
    assert public(foreign) == {"11111", "11443", str(PORT)}
    foreign.host_suite()
    assert unchanged(pyinfra(*arguments))


def verify(box: LiveBox) -> subprocess.CompletedProcess[str]:
    """`make verify`, as the README has it."""
    address = f"paramiko://root@127.0.0.1:{box.port}"
    return run(["make", "--silent", "verify", f"HOST={address}", f"KEY={box.key}"], cwd=ROOT, timeout=300)


def test_a_host_is_verified_in_plain_words(foreign: LiveBox) -> None:
    """A line a check; of a planted fault what was found and what to do."""
    good = verify(foreign)
    assert good.returncode == 0, good.stdout + good.stderr
    lines = [line.rstrip() for line in good.stdout.splitlines() if line.strip()]
    assert "ok      The desktop is ready to be used" in lines
    assert "-       The graphics card answers through its driver, and keeps what it is given: no GPU" in lines
    assert lines[-1].startswith("All ") and lines[-1].endswith("could not be made here): this host is as it should be")
    assert all(line.startswith(("ok  ", "-  ", "paramiko://", "All ")) for line in lines), good.stdout
    foreign.output("chmod", "644", "/var/lib/visomaster/secrets/portal-token")
    bad = verify(foreign)
    foreign.output("chmod", "600", "/var/lib/visomaster/secrets/portal-token")
    assert bad.returncode != 0 and "Traceback" not in bad.stdout
    said = bad.stdout[bad.stdout.index("FAILED  Passwords can be read by the administrator alone") :].splitlines()
    assert said[1].startswith("        found:  portal-token")
    assert said[2] == "        to do:  chmod -R go= /var/lib/visomaster/secrets"
    assert "1 of " in said[-1] and "FAILED" in said[-1]


def test_a_boxs_own_supervisord_brings_ours_back(foreign: LiveBox) -> None:
    """After a restart of the container it starts them by itself; there is no second supervisord."""
    foreign.restart()
    assert foreign.services() == THEIRS | names_of("s-def")
    assert len(foreign.processes("supervisord")) == 1
    assert foreign.output("cat", "/proc/1/comm").strip() == "supervisord"


# (e) and (f): runs that were killed, an older playbook, and every variant on one box


@pytest.fixture(scope="module")
def changing(key: Path) -> Iterator[LiveBox]:
    """One bare box in SSH mode that lives through all of this, in the order of the tests."""
    with live_box(base.rented_image("bookworm"), key, "ssh", f"command -v {START} >/dev/null && {START}") as box:
        yield box


def kill_in(box: LiveBox, arguments: list[str], log: Path, begun: Callable[[], bool], jobs: str) -> None:
    """Begin a run; once `begun` says so hold the remote processes that match `jobs`, kill it, and then kill those."""
    process = box.begin(log, arguments)
    deadline = time.monotonic() + 240
    while not begun():
        assert process.poll() is None and time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)
    assert box.run("pkill", "-STOP", "--full", jobs).returncode == 0, "the job had ended before it was killed"
    process.send_signal(signal.SIGKILL)
    assert process.wait(10) == -signal.SIGKILL
    assert box.run("pkill", "-KILL", "--full", jobs).returncode == 0


UNPACKED_IN_PART = """
mkdir /tmp/broken; cd /tmp/broken
apt-get -qq update; apt-get -qq download x11-utils tigervnc-tools caddy 2>/dev/null
dpkg --unpack caddy_*.deb x11-utils_*.deb
sed -i '/^Package: x11-utils$/,/^Status:/s/^Status:.*/Status: install reinstreq unpacked/' /var/lib/dpkg/status
mv /usr/bin/dpkg-deb dpkg-deb
cat >/usr/bin/dpkg-deb <<'END'
#!/bin/sh
case "$1" in --fsys-tarfile) /tmp/broken/dpkg-deb "$@" | head -c 30000; kill -9 $PPID; exit;; esac
exec /tmp/broken/dpkg-deb "$@"
END
chmod 755 /usr/bin/dpkg-deb
dpkg --unpack tigervnc-tools_*.deb || true
mv dpkg-deb /usr/bin/dpkg-deb; rm -r /tmp/broken
dpkg-query -W -f '${db:Status-Abbrev} ${Package}\\n' caddy x11-utils tigervnc-tools
"""
"""What a killed dpkg can leave, by dpkg itself: a package that lacks what it needs, and one killed at half its files.

Killed a moment later, it leaves one unpacked that is to be unpacked anew: that moment is too short, its mark is set.
"""


def test_a_half_provisioned_box_is_completed(changing: LiveBox, asset_server: str, tmp_path: Path) -> None:
    """kill -9 of pyinfra and of its job: while dpkg unpacks, then in the Conda environment. The next run is whole.

    Between the two, dpkg leaves every state that it can be killed in.
    """
    arguments = changing.arguments(asset_server, "variant=default")

    def unpacking() -> bool:
        return changing.run("test", "-e", "/usr/bin/supervisord").returncode == 0

    def linking() -> bool:
        return changing.run("test", "-d", f"{paths.ENVIRONMENT}/conda-meta").returncode == 0

    changing.output("sh", "-c", "command -v pkill || { apt-get -qq update && apt-get -qq install -y procps; }")
    kill_in(changing, arguments, tmp_path / "first", unpacking, "dpkg|apt-get|python")
    changing.output("rm", "-rf", "/opt/conda")  # that was made beside the packages
    states = changing.output("sh", "-euc", UNPACKED_IN_PART).splitlines()[-3:]
    assert [state.split() for state in states] == [["iU", "caddy"], ["iHR", "tigervnc-tools"], ["iUR", "x11-utils"]]
    kill_in(changing, arguments, tmp_path / "second", linking, "conda|rattler|python")
    completed = pyinfra(*arguments, timeout=APPLY_WITHIN)
    assert completed.returncode == 0, completed.stderr
    assert changing.run("test", "-e", "/usr/sbin/policy-rc.d").returncode != 0
    changing.host_suite()
    assert unchanged(pyinfra(*arguments))


OLD_PROGRAM = "[program:visomaster_old]\ncommand=/usr/bin/python3 -m http.server 17777\n"
"""A service that an older state of this playbook had."""
LEFT_BY_OLDER = (
    f"{paths.SUPERVISOR_PROGRAMS}/visomaster-visomaster_old.conf",
    f"{paths.COMMANDS}/visomaster-old",
    f"{paths.PACKAGE}/old.py",
    "/usr/local/share/visomaster/portal/static/old.css",
    f"{paths.ETC}/fluxbox/old",
)


def test_an_older_playbooks_services_and_files_go(changing: LiveBox, asset_server: str) -> None:
    """A service, a command and files that this state no longer has, and code that has changed since."""
    for path in LEFT_BY_OLDER:
        changing.output("sh", "-euc", f"mkdir -p $(dirname {path}); echo '# old' >{path}; chmod 755 {path}")
    changing.output("sh", "-euc", f"printf '{OLD_PROGRAM}' >{LEFT_BY_OLDER[0]}; supervisorctl update")
    changing.output("sh", "-euc", f"echo '# old' >>{paths.PACKAGE}/rfb.py; echo own >/usr/local/bin/own")
    # What supervisord runs was started from that older code.
    changing.output(
        "sh", "-euc", f"sed -i s/MADE_FROM=.*/MADE_FROM=old/ {paths.SUPERVISOR_PROGRAMS}/visomaster-x*.conf"
    )
    changing.output("sh", "-euc", "supervisorctl stop xtigervnc; supervisorctl update")
    old = changing.output("supervisorctl", "pid", "xtigervnc")
    patient = ("--retry", "20", "--retry-delay", "1", "--retry-connrefused")
    changing.output("curl", "--silent", "--output", "/dev/null", *patient, "http://127.0.0.1:17777/")
    assert public(changing) == {"5901", "17777"}
    upgraded = pyinfra(*changing.arguments(asset_server, "variant=default"))
    assert upgraded.returncode == 0, upgraded.stderr
    assert changing.services() == names_of("default")
    assert changing.output("supervisorctl", "pid", "xtigervnc") != old
    for path in LEFT_BY_OLDER:
        assert changing.run("test", "-e", path).returncode != 0, path
    assert changing.run("test", "-e", "/usr/local/bin/own").returncode == 0, "files of others stay"
    changing.host_suite()


@pytest.mark.parametrize(("variant", "screen"), [("s-def", Screen.GUIDE), ("default", Screen.TIGERVNC)])
def test_a_box_becomes_another_variant(changing: LiveBox, asset_server: str, variant: str, screen: Screen) -> None:
    """Services, listeners and files of the one before are gone, and the host tests of the new one pass."""
    arguments = changing.arguments(asset_server, f"variant={variant}", f"screen={screen}")
    result = pyinfra(*arguments)
    assert result.returncode == 0, result.stderr
    assert changing.services() == names_of(variant, screen)
    configured = changing.output("ls", str(paths.SUPERVISOR_PROGRAMS)).split()
    assert set(configured) == {f"visomaster-{name}.conf" for name in names_of(variant, screen)}
    assert public(changing) == {str(port) for port in VARIANTS[variant].ports}
    portal = VARIANTS[variant].access is Access.PORTAL
    assert bool(changing.processes("caddy")) is portal
    for path in ("/run/visomaster/portal", str(paths.UNPACKED)):
        assert (changing.run("test", "-e", path).returncode == 0) is portal, path
    changing.host_suite()
    assert unchanged(pyinfra(*arguments))
