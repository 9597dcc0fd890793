"""Sound: where those who play it, and those who listen, find PulseAudio."""

from __future__ import annotations

from visomaster_host import paths
from visomaster_host.beneath import Folder
from visomaster_host.host import Host
from visomaster_host.problems import NotReady
from visomaster_host.refusals import refusal

SINK = "output"
"""What all play into; Selkies records its monitor, and calls it so itself."""

SERVER = "pulseaudio"
"""The service."""


def variables(host: Host) -> dict[str, str]:
    """The environment of a client. With a server named it starts none of its own where ours does not run, and with
    a cookie's file named it makes none in the user's home.
    """
    if SERVER not in host.services:
        return {}
    return {"PULSE_SERVER": f"unix:{paths.SOUND_SOCKET}", "PULSE_COOKIE": str(paths.SOUND_COOKIE)}


def listening(host: Host) -> str:
    """PulseAudio accepts connections. Raises `NotReady`."""
    try:
        with Folder.open(paths.SOUND_SOCKET.parent) as folder:
            if folder.answers(paths.SOUND_SOCKET.name):
                return "PulseAudio listens"
    except OSError as error:
        raise NotReady(f"no sound: {refusal(error)}") from None
    raise NotReady(f"no sound: nobody listens on {paths.SOUND_SOCKET}")
