"""The last lines of a good deploy to a machine that runs: where its desktop is, and how to get in."""

from __future__ import annotations

from pyinfra import logger
from pyinfra.api import FactBase
from pyinfra.api.host import Host
from pyinfra.api.state import BaseStateCallback, State, StateStage
from pyinfra.connectors.local import LocalConnector
from pyinfra.connectors.ssh import SSHConnector
from pyinfra.connectors.sshuserclient.client import get_ssh_config
from pyinfra.context import ctx_host
from visomaster_host import paths
from visomaster_host.credentials import UNKNOWN_ADDRESS
from visomaster_host.text import brief

_IS_RUNNING = "way_in"


class Address(FactBase[str]):
    """Where a VNC client or a browser finds the desktop, as the host knows it, without any secret; empty where it
    cannot say."""

    default = str

    def command(self) -> str:
        asked = f"{paths.COMMANDS}/visomaster-credentials --address"
        return f'if address=$({asked} 2>/dev/null); then echo "$address"; fi'


class WayIn(BaseStateCallback):
    """Speaks when a host is left: the last thing that pyinfra does."""

    @staticmethod
    def host_disconnect(state: State, host: Host) -> None:
        """Say where the desktop is, unless the run failed there, was a dry one, or started nothing."""
        is_good = state.current_stage is StateStage.Disconnect and host not in state.failed_hosts
        if not is_good or not host.connector_data.get(_IS_RUNNING):
            return
        with ctx_host.use(host):
            found = brief(host.get_fact(Address, _ignore_errors=True)).replace(UNKNOWN_ADDRESS, _name(host))
        logger.info(
            f"{host.print_prefix}the desktop is ready{f' at {found}' if found else ''};"
            " run visomaster-credentials there, as root, to see how to log in"
        )


def attend(host: Host) -> None:
    """Have it said at the end of the run how to get in to `host`, which is being started."""
    host.connector_data[_IS_RUNNING] = True
    if not any(isinstance(handler, WayIn) for handler in host.state.callback_handlers):
        host.state.add_callback_handler(WayIn())


def _name(host: Host) -> str:
    """What `host` may be called where this runs."""
    if isinstance(host.connector, LocalConnector):
        return "127.0.0.1"
    if not isinstance(host.connector, SSHConnector):
        return UNKNOWN_ADDRESS
    name = str(host.data.get("ssh_hostname") or host.name)
    config = get_ssh_config(host.data.get("ssh_config_file"))
    name = str(config.lookup(name).get("hostname", name)) if config else name
    return f"[{name}]" if ":" in name else name
