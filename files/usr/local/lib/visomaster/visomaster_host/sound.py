"""Sound: where those who play it, and those who listen, find PulseAudio."""

from __future__ import annotations

from visomaster_host import paths, unix_sockets
from visomaster_host.choices import Access, Screen
from visomaster_host.host import Host
from visomaster_host.problems import Warned

SINK = "output"
"""What all play into; Selkies records its monitor, and calls it so itself."""


def variables(host: Host) -> dict[str, str]:
    """The environment of a client. With a server named it starts none of its own where ours does not run, and with
    a cookie's file named it makes none in the user's home.
    """
    if (host.access, host.screen) != (Access.PORTAL, Screen.TIGERVNC):
        return {}
    return {"PULSE_SERVER": f"unix:{paths.SOUND_SOCKET}", "PULSE_COOKIE": str(paths.SOUND_COOKIE)}


def listening(host: Host) -> str:
    """PulseAudio listens. Raises `Warned`: a desktop without sound is one."""
    if not unix_sockets.is_listed(paths.SOUND_SOCKET):
        raise Warned(f"no sound: PulseAudio does not listen on {paths.SOUND_SOCKET}")
    return "PulseAudio listens"
