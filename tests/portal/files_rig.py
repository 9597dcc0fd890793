"""The page of files in a browser, and the service behind it as a process that can be killed, or told that its disk is
full."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.portal import browser, rig

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

SERVICE = """
import os, sys
from pathlib import Path
from types import SimpleNamespace
from visomaster_host.workspace.home import routes as home

root, socket, full, asked = map(Path, sys.argv[1:])
real = os.statvfs

def statvfs(where):
    found = real(where)
    if not full.exists():
        return found
    return os.statvfs_result([*found[:3], 0, 0, *found[5:]])

os.statvfs = statvfs
home.read_host = lambda: SimpleNamespace(application="sandbox", commit="3f1d0c2", state=())
home.told_previous = lambda: {"modified": 1764190000000}
home.open_previous = asked.touch

from visomaster_host.workspace.routes import routes
from visomaster_host.workspace.server import Server

with Server(routes(root), socket) as server:
    print("up", flush=True)
    server.serve_forever(0.05)
"""
"""The service on any folder, on a host that is not there; while a file is there, its disk is full."""


@dataclass
class Service:
    """The service of `portal` in a process of its own, in place of the one in this."""

    portal: rig.Portal
    process: subprocess.Popen[bytes] | None = None

    @property
    def full(self) -> Path:
        """While this is there, the disk is full."""
        return self.portal.folder / "disk-full"

    @property
    def asked(self) -> Path:
        """This is there once the workspace of last time was asked for."""
        return self.portal.folder / "asked-for-previous"

    def start(self) -> None:
        """Begin to answer, at once when this returns."""
        socket = rig.sockets(self.portal.folder) / "files.sock"
        command = [sys.executable, "-c", SERVICE, *map(str, (root(self.portal), socket, self.full, self.asked))]
        variables = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, env=variables)
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"up\n"

    def kill(self) -> None:
        """With SIGKILL, whatever it does."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)
            assert self.process.stdout is not None
            self.process.stdout.close()
        self.process = None


@contextmanager
def served(portal: rig.Portal) -> Iterator[Service]:
    """A service that answers until the end, or until it is killed."""
    service = Service(portal)
    service.start()
    try:
        yield service
    finally:
        service.full.unlink(missing_ok=True)
        service.kill()


def root(portal: rig.Portal) -> Path:
    """Where the files of `portal` are."""
    return portal.folder / "workspace"


def address(portal: rig.Portal, path: str = "/files/", *, host: str = "127.0.0.1", secure: bool = False) -> str:
    """A link that logs in."""
    scheme, port = ("https", portal.tls_port) if secure else ("http", portal.port)
    return f"{scheme}://{host}:{port}{path}?token={rig.TOKEN}"


def ready(page: Page, where: str) -> None:
    """Open the page; returns when its scripts run."""
    page.goto(where)
    browser.wait_for(page, "'ready' in document.body.dataset")


@contextmanager
def opened(chromium: Browser, portal: rig.Portal, **how: object) -> Iterator[Page]:
    """The page of files, as a new visitor has it."""
    secure = bool(how.pop("secure", False))
    host = str(how.pop("host", "127.0.0.1"))
    with browser.page(chromium, **how) as page:  # type: ignore[arg-type]
        ready(page, address(portal, host=host, secure=secure))
        yield page


def made(folder: Path, name: str, megabytes: int) -> Path:
    """A file of which no two pieces are alike."""
    path = folder / name
    path.write_bytes(b"".join(os.urandom(1024) * 1024 for _ in range(megabytes)))
    return path


def same(one: Path, other: Path) -> bool:
    """Whether both have the same bytes."""
    return one.stat().st_size == other.stat().st_size and digest(one) == digest(other)


def digest(path: Path) -> str:
    """The file's sha256."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def choose(page: Page, *paths: Path) -> None:
    """Give the files to the page, as the browser's window for choosing does."""
    page.set_input_files("#choose-files", [str(path) for path in paths])


class Line:
    """The line of a page."""

    def __init__(self, page: Page) -> None:
        self._session = page.context.new_cdp_session(page)

    def slow(self, megabytes: float) -> None:
        """From now on so much a second goes up."""
        self._limit(megabytes * 1_000_000)

    def free(self) -> None:
        """From now on as much as there is."""
        self._limit(-1)

    def _limit(self, rate: float) -> None:
        conditions = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": rate}
        self._session.send("Network.emulateNetworkConditions", conditions)


def drop(page: Page, selector: str, *paths: Path) -> None:
    """Drop files and folders on the middle of what `selector` names, as the browser does when a person drops them."""
    box = page.locator(selector).bounding_box()
    assert box is not None
    session = page.context.new_cdp_session(page)
    data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
    where = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2, "data": data}
    for kind in ("dragEnter", "dragOver", "drop"):
        session.send("Input.dispatchDragEvent", {"type": kind, **where})


def uploads(portal: rig.Portal) -> list[dict[str, Any]]:
    """The uploads that are not done, as the service lists them."""
    return list(json.loads(portal.inside("/files/api/uploads/").body)["uploads"])


def sent(portal: rig.Portal, name: str, size: int = 1_000_000) -> None:
    """Return when so many bytes of the upload called `name` are there, and it is not done."""
    rig.wait_until(
        lambda: any(each["name"] == name and each["offset"] > size for each in uploads(portal)),
        f"{size} bytes of {name} are there",
        20,
    )


def row(page: Page, name: str) -> Any:
    """What the page shows of the upload called `name`."""
    return page.locator("#transfers > li").filter(has=page.get_by_text(name, exact=True))


def press(page: Page, button: str, video: Path) -> None:
    """Press `button` of the upload of `video`."""
    page.get_by_role("button", name=f"{button} {video.name}", exact=True).click()
