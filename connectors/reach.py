"""How pyinfra's SSH connector reaches a box here: each failure is one line, and files arrive without SFTP too.

pyinfra 3.10 has no hooks for it: its class is given these methods, so that a plain `pyinfra my-box` has them.
"""

from __future__ import annotations

import contextlib
import shlex
from typing import IO, Any

import paramiko
from pyinfra import logger
from pyinfra.api.exceptions import ConnectError
from pyinfra.api.util import memoize
from pyinfra.connectors import ssh
from pyinfra.connectors.sshuserclient import client as sshuserclient
from typing_extensions import override
from visomaster_host.text import brief

from connectors import transport

_connect = ssh.SSHConnector.connect
_files = ssh.SSHConnector.get_file_transfer_connection.__wrapped__


class Client(transport.Client):
    """The client of pyinfra's connector, which would say a command of its own where a host's key has changed: one that
    edits another file than this project's."""

    @override
    def connect(self, hostname: str, *arguments: Any, **options: Any) -> None:
        """As the one above; raises `SSHException` for a changed key too."""
        try:
            super().connect(hostname, *arguments, **options)
        except transport.ChangedHostKey as error:
            raise paramiko.SSHException(str(error)) from None


class Piped:
    """Files sent through a command: for a box whose sshd has no SFTP. It is a `FileTransferClient` of pyinfra's."""

    def __init__(self, client: paramiko.SSHClient) -> None:
        """Send over `client`, which is connected."""
        self._client = client

    def putfo(self, file: IO[Any], path: str) -> None:
        """Make what `file` holds the content of `path` there. Raises `OSError` with the box's reason."""
        stdin, stdout, stderr = self._client.exec_command(f"cat >{shlex.quote(path)}")
        content = file.read()
        with contextlib.suppress(OSError):  # it has ended already, and says why
            stdin.write(content)
            stdin.channel.shutdown_write()
        said = stderr.read().decode(errors="replace").strip()
        if stdout.channel.recv_exit_status() != 0:
            raise OSError(f"{path}: {brief(said.splitlines()[-1] if said else 'it cannot be written')}")

    def getfo(self, path: str, file: IO[Any]) -> None:
        """Raises `OSError`: what a login prints would be taken for the file's content."""
        raise OSError(f"{path} cannot be fetched: sshd has no SFTP there")


def attend() -> None:
    """Have pyinfra's SSH connector reach boxes so; may be called any number of times."""
    ssh.SSHClient = Client  # type: ignore[misc]
    sshuserclient.SSHClient = Client  # type: ignore[misc]  # those of jump hosts
    ssh.SSHConnector.connect = connect  # type: ignore[method-assign,assignment]
    ssh.SSHConnector.get_file_transfer_connection = memoize(transfer)  # type: ignore[method-assign]


def connect(connector: ssh.SSHConnector) -> None:
    """As pyinfra's, but whatever goes wrong is a `ConnectError` of one line: a key that is not there, a mistake in the
    ssh config."""
    try:
        _connect(connector)
    except ConnectError as error:
        cause = error.__context__
        plain = cause.strerror if isinstance(cause, OSError) else None
        raise ConnectError(brief(str(error).replace(str(cause), plain) if plain else error)) from None
    except Exception as error:
        raise ConnectError(brief(f"SSH: {error}" if str(error) else f"SSH: {type(error).__name__}")) from None


def transfer(connector: ssh.SSHConnector) -> Any:
    """As pyinfra's, but without SFTP files are sent through a command."""
    try:
        return _files(connector)
    except ConnectError:
        if connector.data["ssh_file_transfer_protocol"] != "sftp":
            raise
    except (EOFError, OSError, paramiko.SFTPError):  # it ends at once, or a login has printed something into it
        pass
    logger.info(f"{connector.host.print_prefix}sshd has no SFTP there: files are sent through a command")
    return Piped(connector.client)  # type: ignore[arg-type]  # connected, or nobody would ask
