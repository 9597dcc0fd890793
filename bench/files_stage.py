"""Where files are sent and taken back: a portal and its peers on one Caddy, a browser, and what is found."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from bench.peers import Peers, peers
from sandbox.shell import SandboxError, say
from tests.portal import browser, rig
from tests.portal.files_process import Service, service

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

MIB = 1024 * 1024
NAME = "film.mp4"
LIMIT = 400
"""Seconds for one transfer."""
SMALL, MANY = 2000, 10_000
"""Files of the folder that is sent, and entries of the one that is listed."""
SMALL_SIZE = 20_000
ASKED = 10
"""How often the list is asked for."""

UP, UP_CURL, UP_PEER = "up, Chromium and the page", "up, curl, one PATCH", "up, curl -T to Caddy and nginx"
UP_ON_DISK = f"{UP_PEER}, until it is on the disk"
DOWN, DOWN_PEER_BROWSER = "down, Chromium", "down, Chromium from Caddy's file_server"
DOWN_CURL, DOWN_PEER = "down, curl", "down, curl from Caddy's file_server"


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One transfer, in MB/s."""

    caddy: str
    scheme: str
    way: str
    rate: float


@dataclass(kw_only=True)
class Bench:
    """What is sent, where everything is, and what was found."""

    folder: Path
    size: int
    browser: Browser
    digest: str = ""
    samples: list[Sample] = field(default_factory=list)
    peak: int = 0

    @property
    def source(self) -> Path:
        """The file on the person's machine."""
        return self.folder / "source" / NAME

    def make(self) -> None:
        """Write what is sent."""
        self.source.parent.mkdir()
        (self.source.parent / "page.html").write_text(f"<a href={NAME} download>{NAME}</a>")
        digest = hashlib.sha256()
        with self.source.open("wb") as file:
            for _ in range(self.size // MIB):
                piece = os.urandom(MIB)
                digest.update(piece)
                file.write(piece)
        self.digest = digest.hexdigest()

    def compare(self, path: Path) -> None:
        """Look whether `path` is what was sent, and remove it. Raises SandboxError when it is not."""
        found = hashlib.sha256()
        with path.open("rb") as file:
            while piece := file.read(MIB):
                found.update(piece)
        if found.hexdigest() != self.digest:
            raise SandboxError(f"{path}: expected {self.digest}, got {found.hexdigest()}")
        path.unlink()


def curl(*words: str) -> None:
    """Run curl. Raises SandboxError when it fails."""
    done = subprocess.run(["curl", "-sSfk", *words], capture_output=True, text=True, timeout=LIMIT, check=False)
    if done.returncode:
        raise SandboxError(f"curl {words[-1]}: {done.stderr.strip()}")


@contextlib.contextmanager
def opened(chromium: Browser, origin: str, token: str) -> Iterator[Page]:
    """The page of files as its owner sees it."""
    context = chromium.new_context(ignore_https_errors=True, accept_downloads=True)
    try:
        page = context.new_page()
        page.goto(f"{origin}/files/?token={token}")
        page.locator("body[data-ready]").wait_for(timeout=LIMIT * 1000)
        yield page
    finally:
        context.close()


def sent(page: Page, path: Path, seconds: float = LIMIT) -> float:
    """Choose a file, or a folder, and wait until the page says that it has arrived; the seconds it took."""
    begun = time.monotonic()
    page.locator("#choose-folder" if path.is_dir() else "#choose-files").set_input_files(path)
    row = page.locator("#transfers > li.done, #transfers > li.failed").first
    row.wait_for(timeout=seconds * 1000)
    took = time.monotonic() - begun
    if "failed" in (row.get_attribute("class") or ""):
        raise SandboxError(f"{path.name}: {row.inner_text()}")
    return took


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A portal on one Caddy, its service, and the peers on the same."""

    bench: Bench
    caddy: str
    portal: rig.Portal
    service: Service
    peers: Peers

    @property
    def workspace(self) -> Path:
        """What the service serves."""
        return self.portal.folder / "workspace"

    def origin(self, scheme: str, name: str = "127.0.0.1") -> str:
        """Where the portal is."""
        return f"{scheme}://{name}:{self.portal.tls_port if scheme == 'https' else self.portal.port}"

    def page(self, scheme: str) -> contextlib.AbstractContextManager[Page]:
        """The page; in the clear it is no secure context, as on a rented machine."""
        name = "127.0.0.1" if scheme == "https" else browser.ELSEWHERE
        return opened(self.bench.browser, self.origin(scheme, name), rig.TOKEN)

    @property
    def login(self) -> tuple[str, ...]:
        """curl's words that log in."""
        return ("-H", f"Authorization: Bearer {rig.TOKEN}")

    def up(self, scheme: str) -> float:
        """By the page."""
        with self.page(scheme) as page:
            took = sent(page, self.bench.source)
        self.bench.compare(self.workspace / "in" / NAME)
        return took

    def up_curl(self, scheme: str) -> float:
        """By two requests."""
        api = f"{self.origin(scheme)}/files/api"
        name = "ZmlsbS5tcDQ="  # film.mp4
        made = ("-H", f"Upload-Length: {self.bench.size}", "-H", f"Upload-Metadata: filename {name}")
        head = self.bench.folder / "head"
        began = time.monotonic()
        curl(*self.login, *made, "-H", "Tus-Resumable: 1.0.0", "-X", "POST", "-D", str(head), f"{api}/uploads/")
        place = next(line for line in head.read_text().splitlines() if line.lower().startswith("location:"))
        there = ("-H", "Upload-Offset: 0", "-H", "Content-Type: application/offset+octet-stream", "-H", "Expect:")
        upload = place.partition(":")[2].strip()
        words = ("-H", "Tus-Resumable: 1.0.0", "-X", "PATCH", "-T", str(self.bench.source))
        curl(*self.login, *there, *words, f"{api}/uploads/{upload.rpartition('/')[2]}")
        took = time.monotonic() - began
        self.bench.compare(self.workspace / "in" / NAME)
        return took

    def up_peer(self, scheme: str) -> float:
        """To nginx; how long it took until it was on the disk is kept, too."""
        began = time.monotonic()
        curl("-H", "Expect:", "-T", str(self.bench.source), self.peers.address(scheme, f"put/{NAME}"))
        took = time.monotonic() - began
        with (self.peers.put / NAME).open("rb") as file:
            os.fsync(file.fileno())
        self.keep(scheme, UP_ON_DISK, time.monotonic() - began)
        self.bench.compare(self.peers.put / NAME)
        return took

    def keep(self, scheme: str, way: str, seconds: float) -> None:
        """Keep what was found, and say it."""
        rate = self.bench.size / 1e6 / seconds
        self.bench.samples.append(Sample(caddy=self.caddy, scheme=scheme, way=way, rate=rate))
        say(f"Caddy {self.caddy}, {scheme}: {way}: {rate:.0f} MB/s")

    def down(self, scheme: str) -> float:
        """By the page's link, until the browser has it on the disk."""
        with self.page(scheme) as page:
            link = page.get_by_label(f"Download {NAME}")
            link.wait_for(timeout=LIMIT * 1000)
            return self._saved(page, link)

    def down_peer_browser(self, scheme: str) -> float:
        """From the file_server, by Chromium."""
        context = self.bench.browser.new_context(ignore_https_errors=True, accept_downloads=True)
        try:
            page = context.new_page()
            page.goto(self.peers.address(scheme, "page.html"))
            return self._saved(page, page.locator("a"))
        finally:
            context.close()

    def _saved(self, page: Page, link: Locator) -> float:
        began = time.monotonic()
        with page.expect_download(timeout=LIMIT * 1000) as download:
            link.click()
        path = Path(download.value.path())
        took = time.monotonic() - began
        self.bench.compare(path)
        return took

    def down_curl(self, scheme: str) -> float:
        """By one request."""
        return self._fetched(*self.login, f"{self.origin(scheme)}/files/api/file/out/{NAME}")

    def down_peer(self, scheme: str) -> float:
        """From the file_server."""
        return self._fetched(self.peers.address(scheme, NAME))

    def _fetched(self, *words: str) -> float:
        target = self.bench.folder / "fetched"
        began = time.monotonic()
        curl("-o", str(target), *words)
        took = time.monotonic() - began
        self.bench.compare(target)
        return took

    def measure(self, scheme: str) -> None:
        """One round."""
        ways: dict[str, Callable[[str], float]] = {
            UP: self.up,
            UP_PEER: self.up_peer,
            UP_CURL: self.up_curl,
            DOWN: self.down,
            DOWN_PEER_BROWSER: self.down_peer_browser,
            DOWN_PEER: self.down_peer,
            DOWN_CURL: self.down_curl,
        }
        for way, work in ways.items():
            self.keep(scheme, way, work(scheme))

    def small(self) -> float:
        """Seconds that a folder of small files takes by the page."""
        folder = self.bench.folder / "small"
        folder.mkdir()
        for number in range(SMALL):
            (folder / f"{number:05}.png").write_bytes(os.urandom(SMALL_SIZE))
        with self.page("http") as page:
            took = sent(page, folder)
        arrived = self.workspace / "in/small"
        for path in folder.iterdir():
            if (arrived / path.name).read_bytes() != path.read_bytes():
                raise SandboxError(f"{path.name} is another one")
        return took

    def many(self) -> float:
        """Seconds that a list of many entries takes, the median."""
        folder = self.workspace / "in/many"
        folder.mkdir(parents=True)
        for number in range(MANY):
            (folder / f"frame-{number:05}.png").touch()
        return statistics.median(self._listed() for _ in range(ASKED))

    def _listed(self) -> float:
        began = time.monotonic()
        connection = http.client.HTTPConnection("127.0.0.1", self.portal.port, timeout=60)
        connection.request("GET", "/files/api/list?path=in/many", headers={"Authorization": f"Bearer {rig.TOKEN}"})
        found = connection.getresponse().read().count(b'"name"')
        connection.close()
        if found != MANY:
            raise SandboxError(f"a list of {MANY} entries has {found}")
        return time.monotonic() - began


def version_of(caddy: str) -> str:
    """The version of a Caddy."""
    said = subprocess.run([caddy, "version"], capture_output=True, text=True, timeout=20, check=True).stdout
    return said.split()[0].lstrip("v")


@contextlib.contextmanager
def stage(bench: Bench, caddy: str) -> Iterator[Stage]:
    """Everything on one Caddy."""
    version = version_of(caddy)
    folder = bench.folder / version
    folder.mkdir()
    rig.CADDY = caddy
    with contextlib.ExitStack() as stack:
        portal = stack.enter_context(rig.running(folder, rig.wanted(token=rig.TOKEN)))
        files = stack.enter_context(service(portal))
        beside = stack.enter_context(peers(caddy, bench.source.parent, folder / "peers", portal.run / "tls"))
        (folder / "workspace/out" / NAME).hardlink_to(bench.source)
        yield Stage(bench=bench, caddy=version, portal=portal, service=files, peers=beside)
        bench.peak = max(bench.peak, files.peak)
