"""What every host reached over SSH has in common; other connectors do not read these keys."""

from connectors import transport as _transport
from controller import terminal as _terminal

_terminal.guard()

ssh_paramiko_connect_kwargs = {"transport_factory": _transport.transport}

# Trust on first use; a changed key is refused.
ssh_known_hosts_file = str(_transport.KNOWN_HOSTS)
ssh_strict_host_key_checking = "accept-new"
