"""Sound: PulseAudio with one sink that plays into nothing, and whose monitor Selkies listens to."""

from __future__ import annotations

from visomaster_host import paths, sound
from visomaster_host.choices import Access, Screen
from visomaster_host.host import Host
from visomaster_host.problems import Problem
from visomaster_host.service import ROOT_FOLDER, Check, Launch, Service


def launch(host: Host) -> Launch:
    """PulseAudio for the desktop's user alone, with these modules and no configuration but the daemon's: it asks for
    no D-Bus, no device and no priority, and opens no port.
    """
    modules = (
        f"module-null-sink sink_name={sound.SINK} sink_properties=device.description=VisoMaster",
        # Whoever can enter the folder is the desktop's user, and is known by that.
        "module-native-protocol-unix auth-cookie-enabled=0",
    )
    options = ("-n", "--daemonize=no", "--use-pid-file=no", "--exit-idle-time=-1", "--disallow-exit")
    # No segments of shared memory, which one that is killed would leave behind; the rest are one user's own.
    own = ("--disable-shm=yes", "--realtime=no", "--high-priority=no", "--log-target=stderr")
    loaded = (word for module in modules for word in ("-L", module))
    libraries, folder = paths.PULSEAUDIO_LIBRARIES, modules_folder()
    return Launch(
        argv=(str(paths.PULSEAUDIO), *options, *own, "-p", folder, *loaded),
        variables={
            # Ubuntu 22.04 has its core in the second; modules are linked to one another.
            "LD_LIBRARY_PATH": f"{libraries}/x86_64-linux-gnu/pulseaudio:{libraries}/pulseaudio:{folder}",
            "HOME": str(paths.DESKTOP),  # what it keeps is of this start alone
            "XDG_RUNTIME_DIR": str(paths.DESKTOP),
        },
    )


def modules_folder() -> str:
    """Where the unpacked modules are; its name has their version. Raises `Problem` when they are not there."""
    found = list(paths.PULSEAUDIO_LIBRARIES.glob("pulse-*/modules"))
    if len(found) != 1:
        expected = f"{paths.PULSEAUDIO_LIBRARIES}/pulse-VERSION/modules"
        raise Problem(f"expected one folder {expected}, found {len(found)}: deploy the host again")
    return str(found[0])


SERVICE = Service(
    name="pulseaudio",
    title="The sound (PulseAudio)",
    launch=launch,
    access=Access.PORTAL,
    screen=Screen.TIGERVNC,
    priority=15,
    log=paths.PORTAL_LOGS / "pulseaudio.log",
    stopwaitsecs=0,  # nothing is lost with it
    directory=ROOT_FOLDER,
    checks=(Check(name="sound", probe=sound.listening),),
)
