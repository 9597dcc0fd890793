"""What carries the desktop to the browser as video, with sound: Selkies on the screen of Xtigervnc."""

from __future__ import annotations

from visomaster_host import display, paths, screen_size, sound
from visomaster_host.choices import STREAM_PATH, Access, Screen
from visomaster_host.host import Host
from visomaster_host.needs import X_SERVER
from visomaster_host.portal import probe
from visomaster_host.service import ROOT_FOLDER, Check, Launch, Service
from visomaster_host.settings import read_settings

STREAMED = (
    *("--mode=websockets", "--enable-dual-mode=false", "--encoder=h264enc", "--framerate=30,8-60"),
    "--video-streaming-mode=false",  # a still screen is sent once, sharp: a tenth of a core, not a third
    "--use-css-scaling=true",  # no program here draws itself larger for a finer screen, so the browser does
    *("--ui-title=VisoMaster", "--ui-show-logo=false"),
    "--keyboard-shortcuts=false",  # Ctrl+Shift+F, M, X and G are the program's
)
"""How the desktop is shown. NVENC or VA-API encodes where there is one, else x264: Selkies looks by itself."""

OFF = (
    *("basic-auth", "https", "sharing", "shared", "collab", "player2", "player3", "player4"),
    *("metrics-http", "webrtc-statistics"),
)
"""What is turned off as `--enable-…`: who is let in is Caddy's to say, and it is one at a time."""

CLOSED = ("command", "printing", "gamepad", "webcam", "microphone")
"""What is turned off as `--…-enabled`."""

NO_PANELS = ("files", "apps", "sharing", "gamepads", "webcam", "gaming-mode", "shortcuts", "audio-settings")
"""Parts of the page's sidebar for what is off; the last one asks for the microphone."""


def launch(host: Host) -> Launch:
    """Selkies by our own start script, which has it resize the screen as a viewer does."""
    largest = str(screen_size.largest(read_settings()))
    return Launch(
        argv=(str(paths.SYSTEM_PYTHON), "-S", "-m", "visomaster_host.selkies", largest, *options()),
        variables={
            **display.variables(host),
            **sound.variables(host),
            "HOME": str(paths.DESKTOP),  # what it makes there is of this start alone
            "XDG_RUNTIME_DIR": str(paths.DESKTOP),
            # Neither the distribution's packages (-S) nor the user's, which the program could write.
            "PYTHONNOUSERSITE": "1",
            "PYTHONPATH": f"{paths.PACKAGES}:{paths.SELKIES}",
        },
    )


def options() -> tuple[str, ...]:
    """Selkies' own options."""
    own = paths.DESKTOP / "selkies"
    return (
        *STREAMED,
        *("--unix-socket", str(paths.STREAM_SOCKET), "--subfolder", STREAM_PATH),
        *(f"--enable-{name}=false" for name in OFF),
        *(f"--{name}-enabled=false|locked" for name in CLOSED),  # locked: the page has no button for it
        *(f"--ui-sidebar-show-{name}=false" for name in NO_PANELS),
        *("--second-screen=false", "--file-transfers=none", "--publish-input-devices=false"),
        *("--file-manager-path", str(own / "files"), "--print-spool-path", str(own / "print")),
    )


SERVICE = Service(
    name="selkies",
    title="The sharp picture (Selkies)",
    launch=launch,
    access=Access.PORTAL,
    screen=Screen.TIGERVNC,
    priority=42,
    log=paths.PORTAL_LOGS / "selkies.log",
    stopwaitsecs=0,  # nothing is lost with it
    reads=(paths.PACKAGE / "selkies.py", paths.SELKIES_LOCK),
    directory=ROOT_FOLDER,  # with -m, Python takes modules of the working directory before its own
    needs=(X_SERVER,),
    umask=0o007,  # Caddy is of the socket's group
    checks=(Check(name="sharp picture", probe=probe.stream, after="screen"),),
)
