"""Where things are on a host. The guide fixes the first block; do not move them.

Tests point a whole tree elsewhere by patching these names.
"""

from pathlib import Path

APPLICATION = Path("/app")
PROGRAM = APPLICATION / "VisoMaster"
GUIDE_LINK = PROGRAM / "Install_Guide.ipynb"
MODELS = APPLICATION / "models"
DEPENDENCIES = APPLICATION / "dependencies"
WORKSPACE = Path("/workspace")
INPUT, OUTPUT, KEPT = WORKSPACE / "in", WORKSPACE / "out", WORKSPACE / "state"
"""What a person brings, what the program makes, and what it keeps: below the last, a folder for each application."""
ENVIRONMENT = Path("/opt/conda/envs/visomaster")
SUPERVISOR_LOGS = Path("/var/log/supervisor")
PORTAL_LOGS = Path("/var/log/portal")

GUIDE = APPLICATION / "guide" / GUIDE_LINK.name
"""Root's, as is its folder: root runs what is in it. The path that the guide fixes is a link to it."""
GUIDE_KERNEL = Path("/usr/local/share/jupyter/kernels/visomaster-guide")
CONDA_BIN = ENVIRONMENT / "bin"
PYTHON = CONDA_BIN / "python"
TOP = Path("/")
ROOT_ETC = TOP / "etc"
LOCALE = Path("/etc/default/locale")
LOGIN_PATH = Path("/etc/profile.d/visomaster.sh")
"""What puts the environment on PATH of login shells."""
GREETING = Path("/etc/profile.d/visomaster-greeting.sh")
"""What greets whoever logs in on a terminal."""

ETC = Path("/etc/visomaster")
HOST = ETC / "host.json"
MANIFEST = ETC / "models.json"
PROGRAM_FILES = ETC / "program-files"
"""What the last copy of a folder of a person's own brought into `PROGRAM`: sha256 and name, a line each."""
ENVIRONMENT_LOCK = ETC / "environment.lock"
SUPERVISORD_CONFIG = ETC / "supervisord.conf"
FLUXBOX = ETC / "fluxbox"
SUPERVISOR_PROGRAMS = Path("/etc/supervisor/conf.d")
PROGRAM_PREFIX = "visomaster-"
"""Keeps our programs' files apart from those of a box's own image."""
SYSTEMD = Path("/run/systemd/system")
"""There where systemd is the machine's first process."""
SYSTEMD_UNIT = Path("/etc/systemd/system/visomaster.service")
MOUNTS = Path("/proc/self/mountinfo")
NVIDIA_CARDS = Path("/proc/driver/nvidia/gpus")
"""Where the driver tells of each card, in a folder of its own."""
PROCESSES = Path("/proc")
TCP_CONNECTIONS = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
BOOT = Path("/proc/sys/kernel/random/boot_id")
UNIX_SOCKETS = Path("/proc/net/unix")
"""Every socket with a name, and who is connected to it; see proc(5)."""
ENGINE_MARKS = (Path("/.dockerenv"), Path("/run/.containerenv"))
"""What an engine leaves in a container, to be known by."""
FIRST_ENVIRONMENT = Path("/proc/1/environ")
OWN_STATUS = Path("/proc/self/status")
"""Which capabilities a process has; see proc(5)."""
LOGIN_ENVIRONMENT = Path("/etc/environment")

HOME = Path("/home/visomaster")
OF_DESKTOP = (WORKSPACE, PROGRAM, HOME)
"""Where the program and its user write what they keep."""

STATE = Path("/var/lib/visomaster")
"""What was generated here and is kept over restarts; images have a volume of each container's own there."""
CONTAINER = STATE / "container"
"""Which container it was generated in."""
LEASE = STATE / "lease.json"
"""What a person has agreed of this machine's end since its start."""
SECRETS = STATE / "secrets"
SESSIONS = STATE / "sessions"
CERTIFICATES = STATE / "tls"
VERIFIED = STATE / "verified"
"""What root has proven of models in folders that others may write."""
SUPERVISORD_LOG = SUPERVISOR_LOGS / "supervisord.log"
VNC_LOG = PORTAL_LOGS / "x11vnc.log"
"""Of whichever VNC server the host has: the guide fixes the name."""
CADDY_LOG = PORTAL_LOGS / "caddy.log"
"""Every request to the portal."""

RUN = Path("/run/visomaster")
START_LOCK = RUN / "start.lock"
PREPARED = RUN / "prepared"
"""What visomaster-start has prepared the host to be."""
RESERVE = RUN / "reserve"
"""A file of nothing: room for the next start, should the disk be full then."""
STAND_INS = RUN / "instead"
"""Below it stand folders in for those that cannot be written."""
DISPLAY = RUN / "display"
"""The display of this start, where the host's own is taken."""
SETTINGS = RUN / "settings.json"
MODEL_STORE = RUN / "models"
"""A link to the folder that holds the models: the usual one, or the MODELS_DIR of this start."""
UNWRITABLE = RUN / "unwritable.json"
"""What root has found of folders that the program cannot write."""
FETCH_STATE = RUN / "fetch.json"
LEASE_LOCK = RUN / "lease.lock"
LEASE_TOLD = RUN / "lease.json"
"""What is told of this machine's end: root's, for all to read."""
LEASE_MENU = RUN / "lease-menu"
"""The part of the desktop's menu that says it."""
LEASE_DOOR = RUN / "lease"
LEASE_FOR_PAGES, LEASE_FOR_DESKTOP = LEASE_DOOR / "pages.sock", LEASE_DOOR / "desktop.sock"
"""Where the pages, and the desktop, ask for another hour: each has a socket of its own."""
RUNS = RUN / "runs"
"""One file a service: which process it is, and how those before it ended. Root's, for all to read."""
CONTAINER_LOG = Path("/proc/1/fd/1")
"""What process 1 of a container writes is the container's log."""
WINDOWS = RUN / "windows"
"""What Fluxbox does with whose windows: root's, for all to read."""
DESKTOP = RUN / "desktop"
XAUTHORITY = DESKTOP / "Xauthority"
VNC = RUN / "vnc"
VNC_SOCKET = VNC / "vnc.sock"
"""Where Xtigervnc listens behind a portal, for the desktop's user and the pages'."""
VNC_PASSWORD = DESKTOP / "vnc-password"
"""Xtigervnc's, in its own form."""
VNC_CERTIFICATE, VNC_KEY = DESKTOP / "vnc.crt", DESKTOP / "vnc.key"
"""Xtigervnc's copies of the pair it serves on a public port."""
STREAM = RUN / "stream"
STREAM_SOCKET = STREAM / "selkies.sock"
"""Where Selkies listens, for Caddy alone."""
FILES = RUN / "files"
FILES_SOCKET = FILES / "files.sock"
"""Where the service for a person's files listens, for Caddy alone."""
SOUND_SOCKET = DESKTOP / "pulse/native"
"""Where PulseAudio listens, for the desktop's user."""
SOUND_COOKIE = DESKTOP / "pulse-cookie"
X11VNC_PASSWORD = DESKTOP / "x11vnc-password"
VNC_VISITS = DESKTOP / "vnc-visits"
"""What begins the names of the files in which visits to a public VNC server are counted."""
APPLICATION_PID = DESKTOP / "application.pid"
PORTAL = RUN / "portal"
"""What Caddy reads: root's."""
FRONT = RUN / "front"
CADDY_SOCKET = FRONT / "caddy.sock"
CADDY_TLS_SOCKET = FRONT / "caddy-tls.sock"
"""Where Caddy listens, for HAProxy alone: behind the public port, and behind the one that always speaks TLS."""
PAGES = RUN / "pages"
PAGES_SOCKET = PAGES / "pages.sock"
"""Where the portal's pages listen, for Caddy alone."""
PAGES_XAUTHORITY = RUN / "pages-xauthority"
"""The X server's cookie for the pages' user, who looks whether the desktop is there."""
PORTAL_DESCRIPTION = RUN / "portal.json"
SUPERVISOR_SOCKET = Path("/run/supervisor.sock")

COMMANDS = Path("/usr/local/bin")
SERVICE = COMMANDS / "visomaster-service"
READY_COMMAND = COMMANDS / "visomaster-ready"
LEASE_COMMAND = COMMANDS / "visomaster-lease"
PACKAGES = Path("/usr/local/lib/visomaster")
PACKAGE = PACKAGES / "visomaster_host"
SERVICES = PACKAGE / "services"
VNC_BRAKE = PACKAGE / "vnc-brake"
SUPERVISORD = PACKAGE / "supervisord"
UNPACKED = PACKAGES / "debian"
"""Files of distribution packages that are not installed."""
NOVNC = UNPACKED / "usr/share/novnc"
WEBSOCKIFY = UNPACKED / "usr/lib/python3/dist-packages"
PULSEAUDIO = UNPACKED / "usr/bin/pulseaudio"
PULSEAUDIO_LIBRARIES = UNPACKED / "usr/lib"
"""Of it, below: libraries, and modules in `pulse-VERSION/modules`."""
DESKTOP_UNPACKED = PACKAGES / "desktop"
"""The same, of the desktop."""
FLUXBOX_PROGRAM = DESKTOP_UNPACKED / "usr/bin/fluxbox"
DESKTOP_LIBRARIES = DESKTOP_UNPACKED / "usr/lib/x86_64-linux-gnu"
FFMPEG = PACKAGES / "ffmpeg"
"""A folder with the program of that name, for PATH; not there where the distribution's is installed."""
SELKIES = PACKAGES / "stream"
"""Selkies and the Python packages it is made of, as wheels hold them: root's, read-only, without pip."""
SELKIES_LOCK = SELKIES / "selkies.txt"
"""The requirement set that they are of."""
SELKIES_WEB = SELKIES / "selkies/selkies_web"
"""Its page: files alone, for Caddy to serve."""
SHARE = Path("/usr/local/share/visomaster")
FRONT_SHARE = SHARE / "front"
FRONT_CONFIGURATION = FRONT_SHARE / "haproxy.cfg"
PORTAL_SHARE = SHARE / "portal"

GROUPS = Path("/sys/fs/cgroup")
"""Control groups: what the machine's owner granted us."""
OWN_GROUPS = Path("/proc/self/cgroup")

X11_LOCKS = Path("/tmp")  # noqa: S108 - fixed by X
X11_SOCKETS = X11_LOCKS / ".X11-unix"
XKBCOMP = Path("/usr/bin/xkbcomp")
XMESSAGE = Path("/usr/bin/xmessage")
MESA_EGL = Path("/usr/share/glvnd/egl_vendor.d/50_mesa.json")

ZONES = Path("/usr/share/zoneinfo")

SYSTEM_PYTHON = Path("/usr/bin/python3")
"""The distribution's own, whatever else is called so."""
SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin"
"""The distribution's programs before all that an image, or a person, has put beside them."""
