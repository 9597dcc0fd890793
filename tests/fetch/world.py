"""A store, a manifest and a misbehaving server, and the command run over them."""

from __future__ import annotations

import hashlib
import json
import random
import struct
import sys
from dataclasses import dataclass, field
from pathlib import Path

from visomaster_host.fetch import main
from visomaster_host.fetch.part import HEADER
from visomaster_host.fetch.schedule import Policy

from tests.fetch.faults import Site

QUICK = Policy(tries=6, rounds=3, backoff=0.01, backoff_most=0.05, connect=2.0, stall=0.6)
HOST = "http://models.invalid"
SMALL, LARGE = 200_000, 9_000_000  # LARGE: three units, so several connections share it
LIBRARY = Path(__file__).resolve().parents[2] / "files/usr/local/lib/visomaster"


def content(seed: int, size: int) -> bytes:
    """Bytes that differ by seed."""
    return random.Random(seed).randbytes(size)


@dataclass
class World:
    """Everything one test needs."""

    root: Path
    site: Site
    base: str
    entries: list[dict[str, object]] = field(default_factory=list)
    output: str = ""

    @property
    def store(self) -> Path:
        return self.root / "models"

    @property
    def tree(self) -> Path:
        return self.root / "VisoMaster"

    @property
    def marker(self) -> Path:
        return self.store / ".downloaded"

    @property
    def state(self) -> dict[str, object]:
        return json.loads((self.root / "fetch.json").read_text())

    def add(self, name: str, size: int = SMALL, *, group: str = "required", say_size: bool = False) -> bytes:
        """Offer a file and list it in the manifest; its bytes."""
        data = content(len(self.entries), size)
        self.site.files[f"/{name}"] = data
        entry = {"path": f"model_assets/{name}", "url": f"{HOST}/{name}", "group": group}
        size_entry = size if say_size else None
        self.entries.append({**entry, "sha256": hashlib.sha256(data).hexdigest(), "size": size_entry})
        return data

    def arguments(self, *more: str) -> list[str]:
        """The command's arguments; writes the manifest."""
        self.tree.mkdir(exist_ok=True)
        manifest = self.root / "models.json"
        manifest.write_text(json.dumps({"schema": 1, "files": self.entries}))
        places = {"manifest": manifest, "store": self.store, "tree": self.tree, "state": self.root / "fetch.json"}
        named = [text for name, path in places.items() for text in (f"--{name}", str(path))]
        dependencies = ["--dependencies", str(self.root / "dependencies")]
        return [*named, *dependencies, "--mirror", f"{HOST}={self.base}", *more]

    def fetch(self, *more: str, policy: Policy = QUICK) -> int:
        """Run the command here; its exit status."""
        return main(self.arguments(*more), policy=policy)

    def command(self, *more: str) -> list[str]:
        """The command as a process of its own."""
        code = (
            f"import sys; sys.path.insert(0, {str(LIBRARY)!r}); from visomaster_host.fetch import main; "
            "from visomaster_host import paths; from pathlib import Path; "
            f"paths.VERIFIED = Path({str(self.root / 'verified')!r}); "
            f"from visomaster_host.fetch.schedule import Policy; sys.exit(main(policy={QUICK!r}))"
        )
        return [sys.executable, "-c", code, *self.arguments(*more)]

    def received(self) -> int:
        """Bytes that are kept so far, by the files and by the maps of unfinished ones.

        A fetch that is killed between giving a file its name and removing its map leaves both: that is one file.
        """
        whole = {path.name: path.stat().st_size for path in self.store.glob("*.onnx")}
        maps = {path.name.removesuffix(".part.map"): path.read_bytes()[HEADER:] for path in self.store.glob("*.map")}
        parts = {name: sum(count for (count,) in struct.iter_unpack("<Q", kept)) for name, kept in maps.items()}
        return sum((parts | whole).values())

    def failed(self) -> list[str]:
        """The paths the state file calls failed."""
        files = self.state["files"]
        assert isinstance(files, list)
        return [item["path"].removeprefix("model_assets/") for item in files if item["status"] == "failed"]

    def check(self, status: int, failed: set[str]) -> None:
        """The invariants after any run: each file right or absent, exit status, failures and marker agree."""
        good = True
        for entry in self.entries:
            name = str(entry["path"]).removeprefix("model_assets/")
            path = self.store / name
            if path.exists() or path.is_symlink():
                assert hashlib.sha256(path.read_bytes()).hexdigest() == entry["sha256"], name
                assert not (path.parent / f"{path.name}.part").exists()
                assert not (path.parent / f"{path.name}.part.map").exists()
            elif entry["group"] == "required":
                good = False
        states = {item["path"].removeprefix("model_assets/"): item["status"] for item in self.state["files"]}
        done = {name for name, state in states.items() if state == "done"}
        assert status or done == set(states), "it says that all is well, and has not done all"
        for name in done:
            root = self.store if not name.startswith("dependencies/") else self.root
            assert (root / name).is_file(), f"{name} is called done, and is not there"
        assert self.marker.exists() == good
        assert set(self.failed()) == failed
        assert status == (1 if failed else 0)
        assert self.state["status"] == ("failed" if status else "done")
