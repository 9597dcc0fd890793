"""Talking to a supervisord through its socket: ours, or the one of the box we are on."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import Any

from visomaster_host import paths
from visomaster_host.problems import Problem

ANSWER_WITHIN = 5.0
"""Seconds; a healthy supervisord answers in milliseconds."""


@dataclass(frozen=True, kw_only=True)
class Program:
    """One program as supervisord sees it; `why` is empty when there is nothing to say about its state."""

    name: str
    state: str
    why: str


def is_listening() -> bool:
    """Whether something accepts connections on the socket. The file of a killed supervisord refuses them."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(ANSWER_WITHIN)
        try:
            probe.connect(str(paths.SUPERVISOR_SOCKET))
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        except PermissionError:
            raise Problem(f"{paths.SUPERVISOR_SOCKET} is for root only: run this as root") from None
        except TimeoutError:
            return True
    return True


def programs() -> dict[str, Program]:
    """All programs by name. Raises `Problem` when no supervisord answers."""
    found = _call("supervisor.getAllProcessInfo")
    return {
        entry["name"]: Program(
            name=entry["name"], state=entry["statename"], why=entry["spawnerr"] or entry["description"]
        )
        for entry in found
    }


def pid() -> int:
    """The process number of the supervisord that answers."""
    return int(_call("supervisor.getPID"))


def reread() -> set[str]:
    """Let supervisord read its configuration again; returns the names it found that it does not run yet.

    Nothing is started, stopped or changed by this.
    """
    [[added, _changed, _removed]] = _call("supervisor.reloadConfig")
    return set(added)


def add(name: str) -> None:
    """Start the program `name`, found by `reread`. What others changed is left alone."""
    _call("supervisor.addProcessGroup", name)


def restart(name: str) -> None:
    """Stop the program `name` if it runs, and start it without waiting for it. Raises `Problem`."""
    program = programs().get(name)
    if program is None:
        raise Problem(f"supervisord knows no {name}: visomaster-start adds it")
    if program.state in ("RUNNING", "STARTING", "BACKOFF"):
        _call("supervisor.stopProcess", name)
    _call("supervisor.startProcess", name, False)


def _call(method: str, *arguments: str | bool) -> Any:
    """Call one XML-RPC method. Raises `Problem` when the answer is an error, or none comes in time."""
    # 20 ms that a container, whose start asks no supervisord anything, would wait for.
    import http.client
    import xmlrpc.client

    request = xmlrpc.client.dumps(arguments, method)
    connection = http.client.HTTPConnection("localhost", timeout=ANSWER_WITHIN)
    try:
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(ANSWER_WITHIN)
        connection.sock.connect(str(paths.SUPERVISOR_SOCKET))
        connection.request("POST", "/RPC2", request, {"Content-Type": "text/xml"})
        response = connection.getresponse()
        body = response.read()
        if response.status != 200:
            raise Problem(f"supervisord on {paths.SUPERVISOR_SOCKET} answered {response.status} {response.reason}")
        return xmlrpc.client.loads(body)[0][0]
    except xmlrpc.client.Fault as fault:
        raise Problem(f"supervisord refused {method}: {fault.faultString}") from None
    except (OSError, http.client.HTTPException) as error:
        raise Problem(
            f"no answer from supervisord on {paths.SUPERVISOR_SOCKET}: {error or type(error).__name__}"
        ) from None
    finally:
        connection.close()
