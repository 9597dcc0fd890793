"""What Caddy serves follows PORTAL_CONFIG and the token; a bad one never replaces a good one."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from visomaster_host import paths
from visomaster_host.choices import PORT, TLS_PORT, WEBSOCKET_PORT, Access, Screen
from visomaster_host.files import ROOT, Owner, ensure_directory, write_atomic
from visomaster_host.login import Login, TokenError, cookie_pattern, login_for
from visomaster_host.portal import config, novnc, render, stream_page, tls
from visomaster_host.problems import Problem
from visomaster_host.refusals import refusal
from visomaster_host.settings import outside_port, read_settings
from visomaster_host.store import PORTAL_TOKEN, read_secret

_VALIDATE_TIMEOUT = 30  # seconds; it takes 0.1 on a quiet machine


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where things are. `caddy` is the user Caddy runs as, `root` owns what everybody may read.

    `run` is root's, with files that only Caddy may read; `home` is Caddy's own. `listen`, `tls_listen` and `pages` are
    addresses as Caddy writes them, `sessions` is the folder with a folder of sessions for each token.
    """

    caddy: Owner
    root: Owner = ROOT
    run: Path = paths.PORTAL
    home: Path = paths.FRONT
    sessions: Path = paths.SESSIONS
    description: Path = paths.PORTAL_DESCRIPTION
    share: Path = paths.PORTAL_SHARE
    novnc: Path = paths.NOVNC
    stream_web: Path = paths.SELKIES_WEB
    certificates: Path = paths.CERTIFICATES
    instance: tls.Pair = tls.INSTANCE
    program: str = "caddy"
    port: int = PORT[Access.PORTAL]
    tls_port: int = TLS_PORT
    screen: Screen = Screen.TIGERVNC
    listen: str = f"unix/{paths.CADDY_SOCKET}"
    tls_listen: str = f"unix/{paths.CADDY_TLS_SOCKET}"
    websockify: str = f"127.0.0.1:{WEBSOCKET_PORT}"
    stream: str = f"unix/{paths.STREAM_SOCKET}"
    files: str = f"unix/{paths.FILES_SOCKET}"
    pages: str = f"unix/{paths.PAGES_SOCKET}"


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What the environment of the host asked for; `offered` are the services when `portal_config` says nothing."""

    token: str = field(repr=False)
    offered: config.PortalConfig
    container_label: str = ""
    portal_config: str = ""
    outside_ports: Mapping[str, str] = field(default_factory=dict)
    enable_https: bool = False


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """How to run Caddy as its user, and what a person should be told (one line each)."""

    command: tuple[str, ...]
    environment: dict[str, str] = field(repr=False)
    notices: tuple[str, ...]


class Refused(Problem):
    """`caddy validate` does not accept a configuration; the text ends with Caddy's own last words."""


def prepare(wanted: Wanted, places: Places) -> Prepared:
    """Write and validate what Caddy needs. Run as root (or as Caddy's user), before every start of Caddy.

    A PORTAL_CONFIG that cannot be used becomes a notice, and the services stay what they were: the last good
    ones of this boot, else the default. So does a certificate that cannot be had: the port for TLS is then closed.
    Raises `Problem` when the portal cannot be served safely at all: a token that is none, no certificate with
    ENABLE_HTTPS=true, a Caddyfile that Caddy refuses.
    """
    accepted = login(wanted)
    ensure_directory(places.run, mode=0o750, owner=Owner(uid=places.root.uid, gid=places.caddy.gid))
    nonce = os.urandom(16).hex()
    page = novnc.page(places.novnc, places.share, places.screen, nonce)
    write_atomic(places.run / "vnc.html", page, mode=0o400, owner=places.caddy)
    secure, notices = _certificate(wanted, places)
    notices += stream_page.install(places.stream_web, places.share, nonce, places.run, places.caddy)
    tls_port = outside_port(places.tls_port, wanted.outside_ports, wanted.container_label) if secure else None
    about = {"notices": notices, "port": places.port, "tls_port": tls_port}
    try:
        services = config.parse(wanted.portal_config, wanted.offered, places.port)
        _replace_services(services, accepted, places, wanted, about)
    except (config.ConfigError, Refused, OSError) as error:
        reason = refusal(error) if isinstance(error, OSError) else str(error)
        notices.append(f"{reason}; the services stay as they were")
        _keep_services(accepted, places, wanted, about)
    environment = _environment(accepted, places, wanted, _services(places))
    return Prepared(
        command=_caddy(places, "run"),
        environment={**environment, "PORTAL_CERTIFICATE": "on" if secure else "off", "PORTAL_NONCE": nonce},
        notices=tuple(notices),
    )


def stored(offered: config.PortalConfig) -> Wanted:
    """What the last start of this host asked for; `offered` is what the portal has otherwise. Raises `Problem` unless
    run as root.
    """
    settings = read_settings()
    return Wanted(
        token=read_secret(PORTAL_TOKEN) or "",
        offered=offered,
        container_label=settings.container_label,
        portal_config=settings.portal_config,
        outside_ports=settings.outside_ports,
        enable_https=settings.enable_https,
    )


def login(wanted: Wanted) -> Login:
    """What lets a visitor in. Raises `Problem` when the token is none: the portal stays closed."""
    try:
        return login_for(wanted.token, wanted.container_label)
    except TokenError as error:
        raise Problem(f"{error}; the portal stays closed") from None


def _services(places: Places) -> Path:
    return places.run / "services.caddy"


def _replace_services(
    services: config.PortalConfig, login: Login, places: Places, wanted: Wanted, about: dict[str, object]
) -> None:
    """Validate the new services beside the old ones, then put them in place.

    The default ones hold nothing of the user's that Caddy could refuse, and nothing could take their place: Caddy
    itself then says what is wrong. Asking it first would make every start of the portal wait for two of Caddy.
    """
    text = render.services_file(services, login.cookie).encode()
    if services != wanted.offered:
        new = places.run / "services.caddy.new"
        write_atomic(new, text, mode=0o400, owner=places.caddy)
        _validate(login, places, wanted, new)
        new.replace(_services(places))
    else:
        write_atomic(_services(places), text, mode=0o400, owner=places.caddy)
    _describe(places, {"services": render.links(services, wanted.outside_ports), **about})


def _keep_services(login: Login, places: Places, wanted: Wanted, about: dict[str, object]) -> None:
    """Stay with the services of the last good PORTAL_CONFIG, or begin with the default ones; only what is said `about`
    the portal is new.
    """
    before = _described_services(places) if _services(places).exists() else None
    if before is None:
        _replace_services(wanted.offered, login, places, wanted, about)
        return
    _describe(places, {"services": before, **about})


def _described_services(places: Places) -> object:
    """What the pages are shown of the present services; None when nothing of use is written there."""
    try:
        return json.loads(places.description.read_text(encoding="utf-8"))["services"]
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def _describe(places: Places, description: dict[str, object]) -> None:
    """What the pages show of the portal itself. It holds no secret: everybody on the host may read it."""
    text = json.dumps({"schema": 1, **description}, indent=2) + "\n"
    write_atomic(places.description, text.encode(), mode=0o644, owner=places.root)


def _certificate(wanted: Wanted, places: Places) -> tuple[bool, list[str]]:
    """Give Caddy's user a copy of the pair to serve: whether there is one, and what is to be said of it. Raises
    `Problem` where there is none and ENABLE_HTTPS wants no answer in the clear.
    """
    try:
        pair, reason = tls.served_pair(places.instance, kept=places.certificates, instead=places.run / "tls")
        for source, name in ((pair.certificate, "tls.crt"), (pair.key, "tls.key")):
            write_atomic(places.run / name, source.read_bytes(), mode=0o400, owner=places.caddy)
        return True, [reason] if reason else []
    except (tls.TlsError, OSError) as error:
        reason = refusal(error) if isinstance(error, OSError) else str(error)
    if wanted.enable_https:
        raise Problem(f"ENABLE_HTTPS: {reason}; the portal stays closed rather than answer without TLS")
    return False, [f"{reason}; port {places.tls_port}, which speaks TLS, stays closed"]


def _caddy(places: Places, command: str) -> tuple[str, ...]:
    return (places.program, command, "--config", str(places.share / "Caddyfile"), "--adapter", "caddyfile")


def _environment(login: Login, places: Places, wanted: Wanted, services: Path) -> dict[str, str]:
    """Caddy's whole environment. Never run Caddy with --environ: it would print this."""
    return {
        "PATH": paths.SYSTEM_PATH,
        "HOME": str(places.home),
        "XDG_DATA_HOME": str(places.home),
        "XDG_CONFIG_HOME": str(places.home),
        "GOGC": "25",  # what many visitors at once have needed is given back soon
        "PORTAL_TOKEN": login.token,
        "PORTAL_BASIC": login.basic,
        "PORTAL_BASE": f"~{login.path}",
        "PORTAL_COOKIE_PATTERN": cookie_pattern(login.cookie),
        "PORTAL_SESSIONS": str(places.sessions / login.sessions),
        "PORTAL_LOGIN_SCRIPT": script_hash(places.share / "login.html"),
        "PORTAL_ANSWER_SCRIPT": script_hash(places.share / "answer.html"),
        "PORTAL_LISTEN": places.listen,
        "PORTAL_TLS_LISTEN": places.tls_listen,
        "PORTAL_PORT": str(places.port),
        "PORTAL_TLS_PORT": str(places.tls_port),
        "PORTAL_TLS": "on" if wanted.enable_https else "off",
        "PORTAL_RUN": str(places.run),
        "PORTAL_SERVICES": str(services),
        "PORTAL_SHARE": str(places.share),
        "PORTAL_NOVNC": str(places.novnc),
        "PORTAL_RESIZE": novnc.resize(places.screen),
        "PORTAL_WEBSOCKIFY": places.websockify,
        "PORTAL_STREAM": places.stream,
        "PORTAL_STREAM_WEB": str(places.stream_web),
        "PORTAL_FILES": places.files,
        "PORTAL_PAGES": places.pages,
    }


def script_hash(page: Path) -> str:
    """What a Content-Security-Policy calls the one script in the file `page`. Raises `Problem` unless there is one."""
    scripts = re.findall(r"<script>(.*?)</script>", page.read_text(encoding="utf-8"), re.DOTALL)
    if len(scripts) != 1:
        raise Problem(f"{page.name}: expected one script in it, found {len(scripts)}")
    return "sha256-" + base64.b64encode(hashlib.sha256(scripts[0].encode()).digest()).decode("ascii")


def _validate(login: Login, places: Places, wanted: Wanted, services: Path) -> None:
    """Raise `Refused` unless Caddy accepts the configuration with `services`, `Problem` when it cannot be
    asked.
    """
    change_user: dict[str, Any] = {}
    if os.getuid() == 0:
        change_user = {"user": places.caddy.uid, "group": places.caddy.gid, "extra_groups": []}
    try:
        done = subprocess.run(
            _caddy(places, "validate"),
            env=_environment(login, places, wanted, services),
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_VALIDATE_TIMEOUT,
            check=False,
            **change_user,
        )
    except OSError as error:
        raise Problem(f"caddy validate: {refusal(error)}") from None
    except subprocess.TimeoutExpired as error:
        raise Problem(f"caddy validate: {error}") from None
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no output"])[-1]
        raise Refused(f"caddy validate refused the portal's configuration: {last}")
