"""Measure visomaster-fetch against aria2c, curl, wget and a plain requests loop, verification counted.

    python3 bench/fetch.py [--shape a b c] [--rounds 3] [--bytes 3e9] [--folder DIR] [--write FILE]

A loopback server offers as many files as the real manifest names, with plausible sizes (about 3 GB), in three shapes:
(a) unthrottled, (b) 10 MB/s for each connection, (c) 50 ms latency for each connection and each request. Every peer
starts with an empty folder and ends with every sha256 compared. Rounds are interleaved (all peers, then all again), so
that a busy machine is equally unfair to everybody; the table shows the medians. Needs aria2c, curl and wget.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from visomaster_host import paths

ROOT = Path(__file__).resolve().parent.parent
LIBRARY = ROOT / "files/usr/local/lib/visomaster"
HOST = "http://bench.invalid"
PYTHON = str(paths.SYSTEM_PYTHON)
SHAPES = {
    "a": ("unthrottled", []),
    "b": ("10 MB/s a connection", ["--rate", "10e6"]),
    "c": ("50 ms latency", ["--latency", "0.05"]),
}
# Sizes (MiB) of the real manifest's largest files where somebody has written them down; the rest is small.
LARGE = (704, 271, 265, 264, 264, 264, 166, 137, 107, 93)
SMALL = (0.1, 0.2, 0.6, 3, 5, 10, 12, 16, 32, 32)
REQUESTS_LOOP = """
import concurrent.futures, hashlib, json, os, sys, threading
import requests
base, folder, manifest = sys.argv[1:]
local = threading.local()
def fetch(item):
    session = local.__dict__.setdefault("session", requests.Session())
    name = item["url"].split("/", 3)[3]
    path = os.path.join(folder, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    digest = hashlib.sha256()
    with session.get(f"{base}/{name}", stream=True, timeout=30) as response, open(path, "wb") as out:
        response.raise_for_status()
        for chunk in response.iter_content(1 << 20):
            out.write(chunk)
            digest.update(chunk)
    assert digest.hexdigest() == item["sha256"], name
files = json.load(open(manifest))["files"]
with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
    list(pool.map(fetch, files))
"""
OURS = "import sys; sys.path.insert(0, {!r}); from visomaster_host.fetch import main; sys.exit(main())"


@dataclass(frozen=True)
class Sample:
    """One run: seconds, seconds of processor time, megabytes at most."""

    wall: float
    cpu: float
    memory: float


@dataclass(frozen=True)
class Work:
    """Where a measurement takes place."""

    folder: Path
    files: list[dict[str, str]]

    @property
    def manifest(self) -> Path:
        return self.folder / "models.json"

    @property
    def sums(self) -> Path:
        return self.folder / "sha256sums"

    def names(self) -> list[str]:
        return [item["url"].split("/", 3)[3] for item in self.files]


def make_work(folder: Path, total: int, count: int = 57) -> Work:
    """Write `count` files of together about `total` bytes below folder/src, and their manifest (without sizes)."""
    dice = random.Random(57)
    sizes = [*LARGE, *(dice.choice(SMALL) for _ in range(count - len(LARGE)))]
    scale = total / sum(sizes)
    files = []
    for number, size in enumerate(sizes):
        name = f"{'part/' if number % 8 == 7 else ''}model-{number:02}.onnx"
        digest = _write_random(folder / "src" / name, int(size * scale) + dice.randrange(1000))
        entry = {"path": f"model_assets/{name}", "url": f"{HOST}/{name}", "sha256": digest}
        files.append({**entry, "size": None, "group": "required"})
    dice.shuffle(files)
    (folder / "models.json").write_text(json.dumps({"schema": 1, "files": files}))
    lines = [f"{item['sha256']}  {item['url'].split('/', 3)[3]}\n" for item in files]
    (folder / "sha256sums").write_text("".join(lines))
    return Work(folder, files)


def _write_random(path: Path, size: int) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    digest, block = hashlib.sha256(), os.urandom(1 << 20)
    with path.open("wb") as stream:
        while size:
            piece = (os.urandom(16) + block[16:])[:size]
            stream.write(piece)
            digest.update(piece)
            size -= len(piece)
    return digest.hexdigest()


@contextmanager
def server(work: Work, options: list[str]) -> Iterator[str]:
    """The file server as a process of its own; yields its URL."""
    command = [PYTHON, str(ROOT / "bench/range_server.py"), str(work.folder / "src"), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        finally:
            process.kill()


def ours(work: Work, base: str, out: Path) -> list[str]:
    """visomaster-fetch as a host runs it."""
    command = [PYTHON, "-c", OURS.format(str(LIBRARY)), "--manifest", str(work.manifest), "--store", str(out)]
    return [*command, "--no-link", "--mirror", f"{HOST}={base}"]


def aria2c(work: Work, base: str, out: Path) -> list[str]:
    """As the issue gives it; the checksums make it verify."""
    listing = work.folder / "aria2.txt"
    lines = [
        f"{base}/{name}\n out={name}\n checksum=sha-256={item['sha256']}\n"
        for name, item in zip(work.names(), work.files, strict=True)
    ]
    listing.write_text("".join(lines))
    options = "-x16 -s16 -j5 --check-integrity=true --file-allocation=none -q --no-conf"
    return ["aria2c", *options.split(), "-i", str(listing), "-d", str(out)]


def curl(work: Work, base: str, out: Path) -> list[str]:
    """curl --parallel, then sha256sum."""
    config = work.folder / "curl.txt"
    config.write_text("".join(f'url = "{base}/{name}"\noutput = "{out}/{name}"\n' for name in work.names()))
    fetch = f"curl -sf --parallel --parallel-max 50 --create-dirs -K {shlex.quote(str(config))}"
    return ["sh", "-c", f"{fetch} && cd {shlex.quote(str(out))} && sha256sum -c --quiet {work.sums}"]


def wget(work: Work, base: str, out: Path) -> list[str]:
    """wget, one file after the other, then sha256sum."""
    listing = work.folder / "wget.txt"
    listing.write_text("".join(f"{base}/{name}\n" for name in work.names()))
    fetch = f"wget -q -x -nH -P {shlex.quote(str(out))} -i {listing}"
    return ["sh", "-c", f"{fetch} && cd {shlex.quote(str(out))} && sha256sum -c --quiet {work.sums}"]


def requests_loop(threads: int) -> Callable[[Work, str, Path], list[str]]:
    """A plain loop over requests that hashes while it writes."""
    script = REQUESTS_LOOP.replace("THREADS", str(threads))

    def command(work: Work, base: str, out: Path) -> list[str]:
        return [PYTHON, "-c", script, base, str(out), str(work.manifest)]

    return command


PEERS: dict[str, Callable[[Work, str, Path], list[str]]] = {
    "visomaster-fetch": ours,
    "aria2c -x16 -s16 -j5": aria2c,
    "curl --parallel + sha256sum": curl,
    "wget + sha256sum": wget,
    "requests loop, 4 threads": requests_loop(4),
    "requests loop, 16 threads": requests_loop(16),
}


def run(command: list[str]) -> Sample:
    """Run a command to its end; its children count. Raises RuntimeError when it fails."""
    began = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.monotonic() - began
    if status:
        raise RuntimeError(f"status {status}: {' '.join(command)[:300]}")
    return Sample(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1000)


def measure(work: Work, shape: str, rounds: int, skip: list[str]) -> dict[str, list[Sample]]:
    """All peers in turn, `rounds` times over; the last entry is our second run with nothing to do."""
    peers = {name: make for name, make in PEERS.items() if name not in skip}
    found: dict[str, list[Sample]] = {name: [] for name in [*peers, "visomaster-fetch, nothing to do"]}
    out = work.folder / "out"
    with server(work, SHAPES[shape][1]) as base:
        for number in range(rounds):
            for name, make in peers.items():
                shutil.rmtree(out, ignore_errors=True)
                out.mkdir()
                found[name].append(run(make(work, base, out)))
                print(f"({shape}) round {number + 1}: {name}: {found[name][-1]}", file=sys.stderr, flush=True)
                if make is ours:
                    found["visomaster-fetch, nothing to do"].append(run(make(work, base, out)))
    shutil.rmtree(out, ignore_errors=True)
    return found


def table(shape: str, found: dict[str, list[Sample]]) -> str:
    """The medians of one shape as Markdown; the ratio is each peer's time over ours."""
    ours_wall = statistics.median(sample.wall for sample in found["visomaster-fetch"])
    lines = [
        f"### ({shape}) {SHAPES[shape][0]}\n",
        "| | wall s | all runs | times ours | best | CPU s | memory MB |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, samples in found.items():
        wall = statistics.median(sample.wall for sample in samples)
        runs = " ".join(f"{sample.wall:.1f}" for sample in samples)
        best = min(sample.wall for sample in samples)
        cpu = statistics.median(sample.cpu for sample in samples)
        memory = max(sample.memory for sample in samples)
        ratio = wall / ours_wall
        lines.append(f"| {name} | {wall:.2f} | {runs} | {ratio:.2f} | {best:.1f} | {cpu:.1f} | {memory:.0f} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure and print the tables, with the command that made them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--shape", nargs="+", choices=SHAPES, default=list(SHAPES))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--bytes", type=float, default=3e9)
    parser.add_argument("--folder", type=Path, default=None, help="where to work (default: the temporary folder)")
    parser.add_argument("--skip", nargs="+", default=[], choices=PEERS, metavar="PEER")
    parser.add_argument("--write", type=Path, default=None, help="also write the tables to this file")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.folder, prefix="bench-fetch-") as folder:
        work = make_work(Path(folder), int(args.bytes))
        tables = [table(shape, measure(work, shape, args.rounds, args.skip)) for shape in args.shape]
    version = subprocess.run(["aria2c", "--version"], capture_output=True, text=True, check=True).stdout
    text = f"`python3 bench/fetch.py {shlex.join(sys.argv[1:])}`\n\n"
    text += f"{len(work.files)} files, {args.bytes / 1e9:.1f} GB, {os.cpu_count()} cores (server included), "
    text += f"load {os.getloadavg()[0]:.1f} at the end, {version.splitlines()[0]}\n\n" + "\n".join(tables)
    print(text)
    if args.write:
        args.write.write_text(f"# Fetching: measured\n\n{text}")


if __name__ == "__main__":
    main()
