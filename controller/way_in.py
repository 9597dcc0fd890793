"""The last lines of a good deploy: a box that says where the desktop is, how to get in, and how to end it."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace

from pyinfra.api import FactBase
from pyinfra.api.host import Host
from pyinfra.api.state import BaseStateCallback, State, StateStage
from pyinfra.connectors.docker import DockerConnector
from pyinfra.connectors.local import LocalConnector
from pyinfra.connectors.ssh import SSHConnector
from pyinfra.connectors.sshuserclient.client import get_ssh_config
from pyinfra.context import ctx_host
from visomaster_host import paths
from visomaster_host.addresses import UNKNOWN_ADDRESS
from visomaster_host.choices import Access
from visomaster_host.summary import LOCAL, RENTED, Summary, local_address, opened, tunnel
from visomaster_host.text import brief, printable
from visomaster_host.way_in import CREDENTIALS, READY

from controller import boxes

_MADE = "way_in"
_NAME = "visomaster"
"""What a container is called in the commands that run an image."""


@dataclass(frozen=True, kw_only=True)
class Made:
    """What a run makes of a host: a desktop with this access at `port`, which it starts, or an image of it."""

    access: Access
    port: int
    is_started: bool
    image: str = ""


class Address(FactBase[str]):
    """Where a VNC client or a browser finds the desktop, as the host knows it, without any secret; empty where it
    cannot say."""

    default = str

    def command(self) -> str:
        asked = f"{paths.COMMANDS}/{CREDENTIALS} --address"
        return f'if address=$({asked} 2>/dev/null); then echo "$address"; fi'


class WayIn(BaseStateCallback):
    """Asks when a host is left, as long as it can be reached."""

    @staticmethod
    def host_disconnect(state: State, host: Host) -> None:
        """Have the box of the desktop shown, unless the run failed there, was a dry one, or started nothing."""
        is_good = state.current_stage is StateStage.Disconnect and host not in state.failed_hosts
        made: Made | None = host.connector_data.get(_MADE)
        if not is_good or made is None:
            return
        if not made.is_started:
            if isinstance(host.connector, DockerConnector):
                boxes.keep(host, of_image(host.connector, made))
            return
        with ctx_host.use(host):
            found = brief(host.get_fact(Address, _ignore_errors=True))
        boxes.keep(host, summary(host, made.access, made.port, found))


def attend(host: Host, made: Made) -> None:
    """Have it said at the end of the run how to get in to what is `made` of `host`."""
    host.connector_data[_MADE] = made
    if not any(isinstance(handler, WayIn) for handler in host.state.callback_handlers):
        host.state.add_callback_handler(WayIn())


def of_image(connector: DockerConnector, made: Made) -> Summary:
    """The box of what a connector of Docker's leaves: a finished image, one without a name, or the person's own
    container."""
    where = opened(made.access, local_address(made.access, made.port))
    run = f"docker run --detach --gpus all --name {_NAME} -p {LOCAL}:{made.port}:{made.port}"
    name, first = _NAME, f"{run} {made.image}"
    title = f"The image {made.image} is made"
    if connector.no_stop:
        name = connector.container_id[:12]
        title, first = f"The container {name} is set up", f"docker exec {name} visomaster-start"
    elif type(connector) is DockerConnector:
        title, first = "The image is made, without a name", f"{run} --entrypoint visomaster-start IMAGE-ID"
    return Summary(
        title=title,
        open=(first, f"then {where}"),
        log_in=(f"docker exec {name} {CREDENTIALS}",),
        stop=(f"docker stop {name}: docker start {name} brings it back", RENTED),
        check=_checks(f"docker://{name}"),
    )


def summary(host: Host, access: Access, port: int, found: str) -> Summary:
    """The box of `host`; `found` is its address as it knows it, UNKNOWN_ADDRESS in it where it does not."""
    here = opened(access, local_address(access, port, secure=found.startswith("https:")))
    known = found if found and UNKNOWN_ADDRESS not in found else ""
    box = Summary(
        title=f"{READY} on {host.name}",
        open=(opened(access, known) if known else here,),
        log_in=(f"{CREDENTIALS} there, as root",),
        stop=("supervisorctl shutdown there, as root; visomaster-start brings it back", RENTED),
        check=("visomaster-ready there",),
    )
    if isinstance(host.connector, LocalConnector):
        return replace(box, title=READY, log_in=(f"{CREDENTIALS}, as root",), check=_checks("local://"))
    if isinstance(host.connector, DockerConnector):
        name = host.connector.container_id[:12]
        return replace(
            box,
            log_in=(f"docker exec {name} {CREDENTIALS}",),
            stop=(f"docker stop {name}: docker start {name} brings it back", RENTED),
            check=_checks(f"docker://{name}"),
        )
    return _over_ssh(host, box, port, is_known=bool(known)) if isinstance(host.connector, SSHConnector) else box


def _checks(target: str) -> tuple[str, ...]:
    return (f"make verify HOST={target}",)


def _over_ssh(host: Host, box: Summary, port: int, *, is_known: bool) -> Summary:
    """`box` of a machine reached over SSH: by a tunnel, unless its port is published under an address that it knows."""
    ssh, target = _ssh(host)
    root = "" if _is_root(host) else "sudo "
    name = printable(host.name)
    rented = f"make end BOX={name[5:]} destroys it" if name.startswith("vast-") and name[5:].isdigit() else ""
    stop = f"{ssh} {root}supervisorctl shutdown"
    return replace(
        box,
        open=box.open if is_known else (f"first, in a second terminal: {tunnel(ssh, port)}", f"then {box.open[0]}"),
        log_in=(f"{ssh} {root}{CREDENTIALS}",),
        stop=(stop, *((rented,) if rented else ()), RENTED),
        check=_checks(target),
    )


def _is_root(host: Host) -> bool:
    user = _setting(host, "user", "ssh_user")
    return user in ("", "root") and not host.data.get("_sudo")


def _setting(host: Host, name: str, of_data: str) -> str:
    """What the host's data or the user's ssh config say of how it is reached; "" where neither does."""
    if given := host.data.get(of_data):
        return str(given)
    config = get_ssh_config(host.data.get("ssh_config_file"))
    return str(config.lookup(host.name).get(name, "")) if config else ""


def _ssh(host: Host) -> tuple[str, str]:
    """The `ssh` that reaches `host` as pyinfra did, and what `make verify` calls it."""
    user, port = host.data.get("ssh_user"), host.data.get("ssh_port")
    key, config = host.data.get("ssh_key"), host.data.get("ssh_config_file")
    name = str(host.data.get("ssh_hostname") or host.name)
    options = [f"-F {shlex.quote(str(config))}"] if config else []
    options += [f"-i {shlex.quote(str(key))}"] if key else []
    options += [f"-p {port}"] if port else []
    at = f"{user}@{name}" if user else name
    bracketed = f"[{name}]" if ":" in name else name
    target = f"paramiko://{f'{user}@' if user else ''}{bracketed}{f':{port}' if port else ''}"
    sudo = "" if _is_root(host) else "?sudo=True"
    with_key = f" KEY={shlex.quote(str(key))}" if key else ""
    quoted = f"'{target}{sudo}'" if sudo else target
    return f"ssh {' '.join([*options, shlex.quote(at)])}", f"{quoted}{with_key}"
