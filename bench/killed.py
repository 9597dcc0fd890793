"""Kill the installation of a requirement set at ten moments, and look what the next run does: `python -m bench.killed`.

The set is a part of VisoMaster's: wheels of some 350 MB, fetched once and then served on this machine's loopback by an
index that counts what it sends. At each moment the program that the operation sends to a host, and its uv, are ended by
`kill -9`; then it is run again. It must end well, every file must have the hash that its package's RECORD says, the
whole must be that of an installation nobody killed, and no more may be fetched again than what was under way.
"""

from __future__ import annotations

import argparse
import base64
import csv
import glob
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import venv
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from bench.processes import machine
from bench.report import table
from operations import remote
from operations.facts.uv import InstalledPackages
from operations.remote.uv_requirements import WORK
from sandbox.shell import CACHE, SandboxError, run, say, step
from spec import requirements

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results" / "killed.md"
SET = HERE.parent / "VisoMaster" / "requirements" / "visomaster-cu124.txt"
WHEELS = CACHE.parent / "bench" / "wheels"
NAMES = (
    *("filelock", "fsspec", "networkx", "numpy", "onnx", "opencv-python", "scipy", "sympy"),
    *("nvidia-cuda-cupti-cu12", "nvidia-cuda-nvrtc-cu12", "nvidia-cufft-cu12", "nvidia-curand-cu12", "tifffile"),
)
RATE, BLOCK = 60e6, 1 << 18
"""Bytes a second and connection, and at once."""
WITHIN = 300
"""Seconds for a run, and for a moment to come."""
POLL = 0.02


@dataclass(kw_only=True)
class Index:
    """What an index of the wheels in `folder` has sent: bytes of packages, short of uv itself."""

    folder: Path
    url: str = ""
    sent: int = 0
    asked: dict[str, int] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, name: str, size: int) -> None:
        """Remember that so much of a file was sent."""
        with self.lock:
            self.sent += size
            self.asked[name] = self.asked.get(name, 0) + size

    def forget(self) -> None:
        """Begin to count anew."""
        with self.lock:
            self.sent, self.asked = 0, {}

    def page(self, name: str) -> bytes:
        """The page of a package (PEP 503), its metadata offered beside each wheel (PEP 658)."""
        wanted = re.sub("[-_.]+", "_", name)
        wheels = [path.name for path in self.folder.glob("*.whl") if path.name.startswith(f"{wanted}-")]
        return "".join(f'<a href="/files/{one}" data-core-metadata="true">{one}</a>' for one in wheels).encode()

    def metadata(self, name: str) -> bytes:
        """METADATA of a wheel."""
        with zipfile.ZipFile(self.folder / name) as wheel:
            (inner,) = (one for one in wheel.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", one))
            return wheel.read(inner)


class Handler(BaseHTTPRequestHandler):
    """Answers for an index."""

    def __init__(self, served: Index, *words: Any) -> None:
        self.served = served
        super().__init__(*words)

    def do_GET(self) -> None:
        """One answer; a client that is gone is none to tell."""
        _, kind, name = self.path.rstrip("/").split("/")
        if kind == "simple":
            self._answer(self.served.page(name), "text/html")
        elif name.endswith(".metadata"):
            self._answer(self.served.metadata(name.removesuffix(".metadata")), "text/plain")
        else:
            self._send(self.served.folder / name)

    def _answer(self, body: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _send(self, path: Path) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(path.stat().st_size))
        self.end_headers()
        try:
            with path.open("rb") as file:
                while block := file.read(BLOCK):
                    self.wfile.write(block)
                    if not path.name.startswith("uv-"):
                        self.served.count(path.name, len(block))
                    time.sleep(len(block) / RATE)
        except ConnectionError:
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Nobody reads it."""


@contextmanager
def index(folder: Path) -> Iterator[Index]:
    """An index of the wheels in `folder`, on this machine's loopback."""
    served = Index(folder=folder)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, served))
    served.url = f"http://127.0.0.1:{server.server_port}/simple"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()


@dataclass(frozen=True, kw_only=True)
class Box:
    """An environment below `folder`, and what is wanted for it."""

    folder: Path
    served: Index
    wanted: list[requirements.Wanted]

    @property
    def prefix(self) -> Path:
        return self.folder / "environment"

    @property
    def work(self) -> Path:
        return self.folder / WORK

    @property
    def site(self) -> Path:
        (found,) = self.prefix.glob("lib/python3*/site-packages")
        return found

    def anew(self) -> None:
        """An empty environment."""
        shutil.rmtree(self.folder, ignore_errors=True)
        venv.create(self.prefix, with_pip=False)

    def start(self) -> subprocess.Popen[str]:
        """What the operation does: ask what is there, then send the program."""
        command = InstalledPackages().command(str(self.prefix / "bin/python")).get_raw_value()
        said = subprocess.run(command, shell=True, capture_output=True, text=True, check=True).stdout
        state = InstalledPackages().process(said.splitlines())
        if state is None:
            raise SandboxError("the environment's Python says nothing of its packages")
        missing = requirements.missing(self.wanted, state.installed, state.markers)
        batches = [asdict(one) for one in requirements.batches(self.wanted, missing)]
        request = {"python": str(self.prefix / "bin/python"), "batches": batches, "uv": remote.text("uv.txt")}
        job: Any = remote.job("uv_requirements", {**request, "index": self.served.url})
        pipe = subprocess.PIPE
        process = subprocess.Popen(
            job.command.get_raw_value(), shell=True, text=True, stdin=pipe, stdout=subprocess.DEVNULL, stderr=pipe,
            start_new_session=True,
        )  # fmt: skip
        assert process.stdin
        process.stdin.write(job.stdin)
        process.stdin.close()
        process.stdin = None
        return process

    def install(self) -> None:
        """A run to its end. Raises SandboxError when it fails."""
        process = self.start()
        _, errors = process.communicate(timeout=WITHIN)
        if process.returncode:
            raise SandboxError(errors.strip())

    def wrong(self) -> list[str]:
        """Files whose hash is not the one in their package's RECORD, or that are missing."""
        found = []
        for record in self.site.glob("*.dist-info/RECORD"):
            for path, digest, *_ in csv.reader(record.read_text().splitlines()):
                file = self.site / path
                if path.endswith(".pyc"):
                    continue  # numpy's wheel has some, which are compiled anew
                if not file.exists() or (digest and digest != f"sha256={_digest(file)}"):
                    found.append(path)
        return found

    def tree(self) -> dict[str, str]:
        """Every file with its content, short of bytecode's times."""
        files = (path for path in self.prefix.rglob("*") if path.is_file() and not path.is_symlink())
        return {str(path.relative_to(self.prefix)): "" if path.suffix == ".pyc" else _digest(path) for path in files}


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while block := file.read(1 << 20):
            digest.update(block)
    return base64.urlsafe_b64encode(digest.digest()).rstrip(b"=").decode()


def moments(total: int, whole: Mapping[str, str]) -> Mapping[str, Callable[[Box], bool]]:
    """What has happened when a run is killed."""
    compiled = sum(path.endswith(".pyc") for path in whole)

    def sent(share: float) -> Callable[[Box], bool]:
        return lambda box: box.served.sent >= share * total

    def there(pattern: str, count: float) -> Callable[[Box], bool]:
        return lambda box: len(glob.glob(f"{box.site}/{pattern}", recursive=True)) >= count  # noqa: PTH207 - a Path raises when a folder goes

    return {
        "uv is being fetched": lambda box: any(box.work.glob("uv-*")),
        "nothing is downloaded yet": lambda box: (box.work / "cache").exists(),
        **{f"{share:.0%} are downloaded": sent(share) for share in (0.1, 0.35, 0.6, 0.85)},
        "the first package is linked": there("*.dist-info", 1),
        "half of the packages are linked": there("*.dist-info", len(NAMES) / 2),
        "the first bytecode is written": there("**/*.pyc", 1),
        "half of the bytecode is written": there("**/*.pyc", compiled / 2),
    }


def killed(box: Box, happened: Callable[[Box], bool]) -> bool:
    """Start a run and kill it, with all that it has started, when something has happened; whether it was in time."""
    process = box.start()
    until = time.monotonic() + WITHIN
    while process.poll() is None and not happened(box):
        if time.monotonic() > until:
            raise SandboxError("the moment never came")
        time.sleep(POLL)
    in_time = process.poll() is None
    os.killpg(process.pid, signal.SIGKILL) if in_time else None
    process.communicate(timeout=30)
    return in_time and box.work.exists()


def measured(box: Box, moment: str, happened: Callable[[Box], bool], total: int, whole: Mapping[str, str]) -> list[str]:
    """A row: the moment, MB of both runs, what came twice, and whether the end is right."""
    box.anew()
    box.served.forget()
    in_time = killed(box, happened)
    first, came = box.served.sent, dict(box.served.asked)
    box.served.forget()
    box.install()
    again, twice = box.served.sent, sum(min(came.get(name, 0), size) for name, size in box.served.asked.items())
    complete = sum(
        size == (box.served.folder / name).stat().st_size and name in box.served.asked for name, size in came.items()
    )
    wrong = [*box.wrong(), *(["differs"] if box.tree() != whole else []), *(["left"] if box.work.exists() else [])]
    say(f"{moment}: {first / 1e6:.0f} MB, then {again / 1e6:.0f} MB; {wrong or 'right'}")
    outcome = "right" if not wrong else f"**wrong: {wrong[0]} ({len(wrong)})**"
    kept = (first + again - twice) / total
    return [moment if in_time else f"{moment} (it had ended)", *(f"{size / 1e6:.0f}" for size in (first, again, twice)),
            str(complete), outcome if kept >= 1 else f"**{kept:.0%} came**"]  # fmt: skip


def wheels(names: tuple[str, ...]) -> str:
    """The text of the part of the set that is `names`; its wheels, and uv's, are below WHEELS afterwards."""
    every = requirements.parse(SET.read_text(), SET.name)
    WHEELS.mkdir(parents=True, exist_ok=True)
    chosen = [one for one in every if one.name in names]
    listed = WHEELS / "set.txt"
    lines = [f"{one.requirement} {' '.join(f'--hash={digest}' for digest in one.hashes)}" for one in chosen]
    text = "\n".join(lines)
    listed.write_text(f"{text}\n{remote.text('uv.txt')}")
    stamp = WHEELS / "complete"
    if not stamp.exists() or stamp.read_text() != listed.read_text():
        words = ["download", "--quiet", "--no-deps", "--only-binary", ":all:", "--require-hashes", "--dest", WHEELS]
        with step("fetching the wheels"):
            run([sys.executable, "-I", "-m", "pip", *words, "--requirement", listed], timeout=WITHIN)
        stamp.write_text(listed.read_text())
    return text


def report(rows: list[list[str]], total: int) -> str:
    """The page."""
    heads = ("killed when", "MB before", "MB after", "of which again", "whole files again", "the environment then")
    return "\n".join(
        [
            "# An installation killed at ten moments, and run again\n",
            f"- Command: `python -m bench.killed`, {time.strftime('%Y-%m-%d')}; {machine()}",
            f"- {len(NAMES)} packages, {total / 1e6:.0f} MB, from an index on the loopback that counts what it sends"
            f" ({RATE / 1e6:.0f} MB/s a connection). `kill -9` of the program and of uv.",
            "- Right: every file has the hash of its RECORD, all files are those of an installation that nobody killed,"
            " and nothing is left beside it. Again: what was under way, or in the last block of a socket.\n",
            table(heads, rows),
            "",
        ]
    )


def main() -> int:
    """Run it, print the page and write it down."""
    options = argparse.ArgumentParser(prog="python -m bench.killed", description=__doc__)
    options.add_argument("--write", type=Path, help=f"where the page goes ({RESULTS.relative_to(HERE.parent)})")
    chosen = options.parse_args()
    try:
        text = wheels(NAMES)
        with tempfile.TemporaryDirectory(prefix="visomaster-bench-killed-") as folder, index(WHEELS) as served:
            wanted = requirements.merge([requirements.Text(name=SET.name, text=text, index=served.url)])
            box = Box(folder=Path(folder) / "box", served=served, wanted=wanted)
            box.anew()
            box.install()
            total, whole = served.sent, box.tree()
            rows = [measured(box, name, one, total, whole) for name, one in moments(total, whole).items()]
    except (SandboxError, ValueError) as error:
        say(f"error: {error}")
        return 1
    page = report(rows, total)
    print(page)
    (chosen.write or RESULTS).write_text(page)
    return int(any("**" in cell for row in rows for cell in row))


if __name__ == "__main__":
    sys.exit(main())
