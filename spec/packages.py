"""The distribution packages of each part, by their Debian 12 names (`spec.distribution` knows the other names)."""

SYSTEM = (
    "bash",
    "bzip2",
    "ca-certificates",
    "curl",  # Vast's own launch scripts want bash, curl and certificates
    "ffmpeg",  # the programs record through ffmpeg and play through ffplay
    "git",
    "iproute2",  # ss: who listens where
    "procps",
    "python3",
    "python3-jinja2",
    "python3-requests",
    "python3-venv",
    "supervisor",
)

DESKTOP = (
    "fluxbox",
    "fonts-dejavu-core",
    "x11-utils",  # xdpyinfo, xprop, xwininfo: how readiness is asked
    "xauth",
    "xvfb",
)

VNC = ("x11vnc",)

PORTAL = ("caddy", "openssl", "x11vnc")

PORTAL_UNPACKED = ("novnc", "python3-websockify")
PORTAL_UNPACKED_PATHS = ("usr/lib/python3/dist-packages/websockify", "usr/share/novnc")
"""Packages of which the portal needs these paths alone: `operations.debian_files` says why."""
