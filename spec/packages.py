"""The distribution packages of each part, by their Debian 12 names (`spec.distribution` knows the other names)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from visomaster_host.choices import Screen

from spec.distribution import Release

FIRST = ("ca-certificates", "python3", "python3-requests")
"""Of the next ones, what installs the environment and fetches models: these need nothing else of the system."""

SYSTEM = (
    "bash",
    "bzip2",
    "ca-certificates",
    "curl",  # Vast's own launch scripts want bash, curl and certificates
    "iproute2",  # ss: who listens where
    *("libva-drm2", "libva2"),  # what `operations.ffmpeg` leaves to the distribution
    "procps",
    "python3",
    "python3-jinja2",
    "python3-requests",
    "supervisor",
    "tzdata",  # the zones that TZ may name
)

FFMPEG = "ffmpeg"
"""With what it is linked to, speech and LLVM's neighbours among it, 172 MB: a profile names it whose program plays
through its `ffplay`. Others have `operations.ffmpeg`."""

DESKTOP = (
    "fontconfig",
    "fonts-dejavu-core",
    "fonts-noto-color-emoji",  # 11 MB
    "fonts-wqy-microhei",  # Chinese, Japanese and Korean in 5 MB; the finer fonts-noto-cjk has 91
    *("libfreetype6", "libfribidi0", "libx11-xcb1", "libxcb-shm0", "libxext6"),  # what Fluxbox and its Imlib2 are
    *("libxft2", "libxinerama1", "libxpm4", "libxrandr2", "libxrender1"),  # linked to
    "x11-utils",  # xdpyinfo, xprop, xwininfo: how readiness is asked
)

DESKTOP_UNPACKED = ("fluxbox", "libimlib2")
DESKTOP_UNPACKED_PATHS = ("usr/bin/fluxbox", "usr/lib")
"""Installed, Fluxbox brings what Imlib2 reads every kind of picture with, Ghostscript and its fonts among it: 125 MB,
for a desktop without one. `operations.debian_files` says what else that means."""

SCREEN: Mapping[Screen, tuple[str, ...]] = MappingProxyType(
    {
        Screen.TIGERVNC: (
            "libgl1-mesa-dri",
            "python3-xlib",
            "tigervnc-standalone-server",
            "tigervnc-tools",  # tigervncpasswd
            "x11-xkb-utils",  # xkbcomp
        ),
        Screen.GUIDE: ("x11vnc", "xvfb"),
    }
)

VNC = ("openssl",)

PORTAL = ("caddy", "haproxy", "openssl")

STREAM = (
    *("libgbm1", "libpixman-1-0", "libpulse0", "libxkbcommon0"),  # what Selkies' wheels leave to the distribution
    *("libdbus-1-3", "libltdl7", "liborc-0.4-0", "libsndfile1", "libsoxr0", "libspeexdsp1", "libtdb1", "libwrap0"),
    *("libx11-xcb1", "pulseaudio-utils"),  # pactl and paplay, to see whether there is sound
)
"""What a portal's desktop is streamed with; what PulseAudio's server is linked to, among it."""

PORTAL_UNPACKED = ("novnc", "python3-websockify")
PORTAL_UNPACKED_PATHS = ("usr/lib/python3/dist-packages/websockify", "usr/share/novnc")
"""Packages of which the portal needs these paths alone: `operations.debian_files` says why."""

STREAM_UNPACKED = (*PORTAL_UNPACKED, "pulseaudio")
STREAM_UNPACKED_PATHS = ("usr/bin/pulseaudio", "usr/lib", "usr/share/novnc")
"""The same where the desktop is streamed: installed, PulseAudio brings 36 MB for echo cancelling and its like. Its
modules are in a folder that is called after its version."""


@dataclass(frozen=True, kw_only=True)
class Repository:
    """An apt repository of somebody else, and the fingerprint of the one key that signs it, which `tools` check."""

    name: str
    url: str
    suite: str
    component: str
    key_url: str
    fingerprint: str
    tools: tuple[str, ...] = ("curl", "gpg")


CADDY = Repository(
    name="caddy-stable",
    url="https://dl.cloudsmith.io/public/caddy/stable/deb/debian",
    suite="any-version",
    component="main",
    key_url="https://dl.cloudsmith.io/public/caddy/stable/gpg.key",
    fingerprint="65760C51EDEA2017CEA2CA15155B6D79CA56EA34",
)
"""Caddy's own: https://caddyserver.com/docs/install#debian-ubuntu-raspbian"""

LACKS_CADDY = frozenset({Release.JAMMY})
"""Releases without a package of Caddy."""
