"""The portal's own pages, behind Caddy."""

from __future__ import annotations

from visomaster_host import paths, stand_ins, users
from visomaster_host.choices import Access
from visomaster_host.host import Host
from visomaster_host.login import TokenError, login_for
from visomaster_host.problems import Problem
from visomaster_host.service import ROOT_FOLDER, Launch, Link, Service
from visomaster_host.settings import read_settings
from visomaster_host.store import PORTAL_TOKEN, read_secret


def launch(host: Host) -> Launch:
    """The portal's pages, with the folder of the sessions that the token has begun."""
    try:
        login = login_for(read_secret(PORTAL_TOKEN) or "", read_settings().container_label)
    except TokenError as error:
        raise Problem(f"{error}; the portal stays closed") from None
    return Launch(
        argv=(str(paths.COMMANDS / "visomaster-portal"),),
        variables={
            "PORTAL_SESSIONS": str(stand_ins.actual(paths.SESSIONS) / login.sessions),
            "PORTAL_PATH": login.path,
            "PORTAL_COOKIE": login.cookie,
        },
    )


SERVICE = Service(
    name="portal",
    title="The portal's pages",
    launch=launch,
    access=Access.PORTAL,
    priority=45,
    log=paths.PORTAL_LOGS / "portal.log",
    reads=(paths.PORTAL_SHARE, paths.SERVICES, paths.PACKAGE / "serve_pages.py"),
    given_secret=Access.PORTAL,
    user=users.PAGES,
    home=ROOT_FOLDER,
    directory=ROOT_FOLDER,
    links=(Link(name="LogBrowse", title="All logs", path="/logs/", place=50),),
)
