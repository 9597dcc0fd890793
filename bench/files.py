"""A person's files up and down through the portal: python -m bench.files [--size MIB] [--rounds N] [--line]

Chromium sends a large file by the page and takes it back, over plain HTTP by a name (no checksums there: it is no
secure context) and over TLS (with a checksum for each piece), on the Caddy of Debian and on the newest. Beside it, in
the same rounds: `curl -T` to Caddy before nginx, which takes PUT, and curl from Caddy's file_server. All of them read
from and write to the same disk; only the portal's service waits until what it has confirmed is on it. Whatever arrives
has its sha256 compared. Then a folder of small files, and a list of many. With --line instead: 200 MiB over a line of
10 Mbit/s, 100 ms away, every connection cut after 20 s.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import http.client
import os
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from bench.bad_line import BadLine, bad_line
from bench.peers import Peers, peers
from bench.processes import machine
from bench.report import table
from sandbox import tools
from sandbox.shell import SandboxError, say
from tests.portal import browser, rig
from tests.portal.files_process import Service, service

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

HERE = Path(__file__).resolve().parent
RESULTS, LINE_RESULTS = HERE / "results" / "files.md", HERE / "results" / "files-line.md"
NEWEST = str(Path(sys.executable).parent / "caddy")
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
DOWN, DOWN_CURL, DOWN_PEER = "down, Chromium", "down, curl", "down, curl from Caddy's file_server"
GOALS = {UP: (0.5, UP_PEER), UP_CURL: (0.5, UP_PEER), DOWN: (0.7, DOWN_PEER), DOWN_CURL: (0.7, DOWN_PEER)}
"""The least part of another way's rate."""
MEMORY, SECONDS_SMALL, SECONDS_MANY = 30, 15.0, 0.5
"""MB of the service, seconds for the folder, seconds for the list: at most."""
LINE_SIZE, LINE_RATE, LINE_ROUND_TRIP, LINE_CUT = 200, 10e6, 0.1, 20.0
LINE_TIME, LINE_TWICE = 1.15, 0.02
"""Of the ideal time, and of the file: at most."""

Row = Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One transfer, in MB/s; `service` is the most memory that it had so far, bytes."""

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


def rows(samples: Sequence[Sample]) -> list[Row]:
    """A row for each Caddy, scheme and way; where there is a goal, the ratio to the other way."""
    found: list[Row] = []
    for caddy, scheme in dict.fromkeys((one.caddy, one.scheme) for one in samples):
        own: dict[str, list[float]] = {}
        for one in samples:
            if (one.caddy, one.scheme) == (caddy, scheme):
                own.setdefault(one.way, []).append(one.rate)
        for way, rates in own.items():
            median = statistics.median(rates)
            goal = ["", ""]
            if way in GOALS:
                least, beside = GOALS[way]
                ratio = median / statistics.median(own[beside])
                goal = [f"{ratio:.2f} (≥ {least})", "yes" if ratio >= least else "**no**"]
            found.append([caddy, scheme, way, f"{median:.0f} ({min(rates):.0f} to {max(rates):.0f})", *goal])
    return found


def heading(title: str, load: float) -> list[str]:
    """How it was measured."""
    command = shlex.join(["python", "-m", "bench.files", *sys.argv[1:]])
    return [
        f"# {title}\n",
        f"- Command: `{command}`, {time.strftime('%Y-%m-%d')}",
        f"- Machine: {machine()}; load before the first run {load:.1f}",
    ]


def judged(what: str, found: float, most: float, form: str) -> Row:
    """A row of a figure and its bound."""
    return [what, f"{found:{form}}", f"{most:{form}}", "yes" if found <= most else "**no**"]


def measured(options: argparse.Namespace, folder: Path, chromium: Browser, load: float) -> str:
    """The page of the large file, the small ones and the list."""
    bench = Bench(folder=folder, size=options.size * MIB, browser=chromium)
    bench.make()
    small = many = 0.0
    for number in range(options.rounds):
        for caddy in (rig.HAPROXY.replace("sbin/haproxy", "bin/caddy"), NEWEST):
            with stage(bench, caddy) as one:
                for scheme in ("http", "https"):
                    one.measure(scheme)
                if number == 0 and not small:
                    small, many = one.small(), one.many()
            shutil.rmtree(folder / one.caddy)
    others = [
        judged("memory of the service, the most, MB", bench.peak / 1e6, MEMORY, ".1f"),
        judged(
            f"a folder of {SMALL:,} files of {SMALL_SIZE // 1000} kB up by the page, s", small, SECONDS_SMALL, ".1f"
        ),
        judged(f"a list of {MANY:,} entries, s", many, SECONDS_MANY, ".2f"),
    ]
    return "\n".join(
        [
            *heading("A person's files through the portal", load),
            f"- {options.size} MiB; medians of {options.rounds} interleaved rounds, the least and the most in brackets;"
            " every sha256 compared, and not timed.",
            "- Up, the peer: a Caddy of the same version before nginx of Debian (`dav_methods PUT`), which do not wait for"
            " the disk; the portal's service does. `http` is by a name: no `crypto.subtle`, no checksums of pieces.",
            "- Down, the peer: the same Caddy's file_server. curl writes to the disk, as Chromium does.\n",
            table(("Caddy", "", "way", "MB/s", "of the peer", "met"), rows(bench.samples)),
            "",
            table(("", "found", "at most", "met"), others),
            "",
        ]
    )


def over_the_line(options: argparse.Namespace, folder: Path, chromium: Browser, load: float) -> str:
    """The page of the bad line."""
    bench = Bench(folder=folder, size=options.size * MIB, browser=chromium)
    bench.make()
    (folder / "portal").mkdir()
    with contextlib.ExitStack() as stack:
        portal = stack.enter_context(rig.running(folder / "portal", rig.wanted(token=rig.TOKEN)))
        stack.enter_context(service(portal))
        address = f"127.0.0.1:{portal.port}"
        line: BadLine = stack.enter_context(
            bad_line(address, rate=LINE_RATE, round_trip=LINE_ROUND_TRIP, cut=options.cut)
        )
        page = stack.enter_context(opened(chromium, f"http://{browser.ELSEWHERE}:{line.port}", rig.TOKEN))
        before = line.forth.carried
        took = sent(page, bench.source, 3 * bench.size * 8 / LINE_RATE)
        twice = (line.forth.carried - before) / bench.size - 1
        bench.compare(folder / "portal/workspace/in" / NAME)
    ideal = bench.size * 8 / LINE_RATE
    found = [
        judged(f"time, of the ideal {ideal:.0f} s", took / ideal, LINE_TIME, ".3f"),
        judged("sent besides the file, of its size", twice, LINE_TWICE, ".4f"),
    ]
    return "\n".join(
        [
            *heading("An upload over a bad line", load),
            f"- {options.size} MiB from Chromium by the page, {LINE_RATE / 1e6:.0f} Mbit/s each way,"
            f" {LINE_ROUND_TRIP * 1e3:.0f} ms away, every connection reset after {options.cut:g} s: {line.cuts} times."
            " Intact by its sha256.\n",
            table(("", "found", "at most", "met"), found),
            "",
        ]
    )


def parser() -> argparse.ArgumentParser:
    """The command line's grammar."""
    options = argparse.ArgumentParser(prog="python -m bench.files", description=__doc__)
    options.add_argument("--size", type=int, metavar="MIB", help="of the large file (2048; over the line 200)")
    options.add_argument("--rounds", type=int, default=2)
    options.add_argument("--line", action="store_true", help="over the bad line instead, about three minutes")
    options.add_argument("--cut", type=float, default=LINE_CUT, metavar="SECONDS")
    options.add_argument("--folder", type=Path, help="where four times the size is free (a temporary one)")
    options.add_argument("--write", type=Path, help=f"where the table goes ({RESULTS.relative_to(HERE.parent)})")
    return options


def main() -> int:
    """Run the bench, print the table and write it down."""
    options = parser().parse_args()
    options.size = options.size or (LINE_SIZE if options.line else 2048)
    load = os.getloadavg()[0]
    tools.provide()
    work, results = (over_the_line, LINE_RESULTS) if options.line else (measured, RESULTS)
    try:
        with tempfile.TemporaryDirectory(dir=options.folder) as folder, browser.chromium() as chromium:
            page = work(options, Path(folder), chromium, load)
    except SandboxError as error:
        say(f"error: {error}")
        return 1
    print(page)
    (options.write or results).write_text(page)
    return 0


if __name__ == "__main__":
    sys.exit(main())
