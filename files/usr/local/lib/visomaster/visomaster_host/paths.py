"""Where things are on a host. Tests point a whole tree elsewhere by patching these names."""

from pathlib import Path

HOST = Path("/etc/visomaster/host.json")
FIRST_ENVIRONMENT = Path("/proc/1/environ")
LOGIN_ENVIRONMENT = Path("/etc/environment")
SUPERVISORD_CONFIG = Path("/etc/visomaster/supervisord.conf")
FLUXBOX = Path("/etc/visomaster/fluxbox")

PROGRAM = Path("/app/VisoMaster")
DEPENDENCIES = Path("/app/dependencies")
MODELS = Path("/app/models")
CONDA_BIN = Path("/opt/conda/envs/visomaster/bin")
HOME = Path("/home/visomaster")

SECRETS = Path("/var/lib/visomaster/secrets")
SESSIONS = Path("/var/lib/visomaster/sessions")
CERTIFICATES = Path("/var/lib/visomaster/tls")
VERIFIED = Path("/var/lib/visomaster/verified")
"""What root has proven of models in folders that others may write."""
SUPERVISOR_LOGS = Path("/var/log/supervisor")
SUPERVISORD_LOG = SUPERVISOR_LOGS / "supervisord.log"
PORTAL_LOGS = Path("/var/log/portal")

RUN = Path("/run/visomaster")
START_LOCK = RUN / "start.lock"
PREPARED = RUN / "prepared"
"""What visomaster-start has prepared the host to be."""
SETTINGS = RUN / "settings.json"
MODEL_STORE = RUN / "models"
"""A link to the folder that holds the models: the usual one, or the MODELS_DIR of this start."""
FETCH_STATE = RUN / "fetch.json"
CONTAINER_LOG = Path("/proc/1/fd/1")
"""What process 1 of a container writes is the container's log."""
DESKTOP = RUN / "desktop"
XAUTHORITY = DESKTOP / "Xauthority"
X11VNC_PASSWORD = DESKTOP / "x11vnc-password"
VNC_VISITS = DESKTOP / "vnc-visits"
"""What begins the names of the files in which visits to a public VNC server are counted."""
APPLICATION_PID = DESKTOP / "application.pid"
PORTAL = RUN / "portal"
"""What Caddy reads: root's."""
FRONT = RUN / "front"
CADDY_SOCKET = FRONT / "caddy.sock"
"""Where Caddy listens, for HAProxy alone."""
PAGES = RUN / "pages"
PAGES_SOCKET = PAGES / "pages.sock"
"""Where the portal's pages listen, for Caddy alone."""
PAGES_XAUTHORITY = RUN / "pages-xauthority"
"""The X server's cookie for the pages' user, who looks whether the desktop is there."""
PORTAL_DESCRIPTION = RUN / "portal.json"
SUPERVISOR_SOCKET = Path("/run/supervisor.sock")

PACKAGES = Path("/usr/local/lib/visomaster")
FRONT_CONFIGURATION = Path("/usr/local/share/visomaster/front/haproxy.cfg")
PORTAL_SHARE = Path("/usr/local/share/visomaster/portal")
NOVNC = PACKAGES / "debian/usr/share/novnc"
SERVICE = Path("/usr/local/bin/visomaster-service")
VNC_BRAKE = PACKAGES / "visomaster_host/vnc-brake"
SUPERVISORD = PACKAGES / "visomaster_host/supervisord"
WEBSOCKIFY = Path("/usr/local/lib/visomaster/debian/usr/lib/python3/dist-packages")

X11_LOCKS = Path("/tmp")  # noqa: S108 - fixed by X
X11_SOCKETS = X11_LOCKS / ".X11-unix"
MESA_EGL = Path("/usr/share/glvnd/egl_vendor.d/50_mesa.json")

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
