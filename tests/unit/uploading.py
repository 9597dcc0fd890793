"""A client of the uploads without HTTP: what it asks goes straight to them."""

from __future__ import annotations

import base64
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from visomaster_host.workspace.exchange import Answer, Refused, Request
from visomaster_host.workspace.tree import Tree
from visomaster_host.workspace.turns import Turns
from visomaster_host.workspace.uploads import Uploads

BASE = "/desk/files/api"
PIECE = "application/offset+octet-stream"


@contextmanager
def tree() -> Iterator[Path]:
    """A tree with its folder `in`, in memory: a disk that is waited for would take most of the time."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        (Path(folder) / "tree/in").mkdir(parents=True)
        yield Path(folder) / "tree"


class Body:
    """A body that arrives `at_once` bytes at a time, and whose line breaks after `cut` bytes; `meanwhile` is called
    before each of its reads.
    """

    def __init__(
        self,
        data: bytes = b"",
        cut: int | None = None,
        at_once: int = 300_000,
        meanwhile: Callable[[], None] | None = None,
    ) -> None:
        self.left = len(data)
        self.stopped = False
        self._data, self._cut, self._at_once, self._meanwhile = data, cut, at_once, meanwhile

    def read_into(self, buffer: memoryview, /) -> int:
        at = len(self._data) - self.left
        if self._meanwhile is not None:
            self._meanwhile()
        most = min(len(buffer), self._at_once, self.left, self.left if self._cut is None else self._cut - at)
        if self.left and most <= 0:
            raise ConnectionResetError("the line broke")
        buffer[:most] = self._data[at : at + most]
        self.left -= most
        return most

    def stop(self) -> None:
        self.stopped = True
        self._cut = len(self._data) - self.left


@dataclass(frozen=True)
class Said:
    """What was answered, refused or not; `document` is its JSON. The status 0: the line broke."""

    status: int
    headers: Mapping[str, str]
    document: Mapping[str, Any]

    @property
    def offset(self) -> int:
        return int(self.headers["Upload-Offset"])

    @property
    def name(self) -> str:
        """The upload's, of one that was made."""
        place = self.headers["Location"]
        assert place.startswith(f"{BASE}/uploads/"), place
        return place.rsplit("/", 1)[1]


class Client:
    """Asks the uploads below `root`."""

    def __init__(self, root: Path, patience: float = 0.0) -> None:
        self.root = root
        self.patience = patience
        self.uploads = Uploads(Tree(root), Turns(patience))

    def restarted(self) -> Client:
        """The same after the service was killed and started anew."""
        return Client(self.root, self.patience)

    def ask(self, method: str, name: str = "", body: Body | None = None, **headers: str) -> Said:
        """One request; `_` in names of `headers` is `-`."""
        request = Request(
            method=method,
            path=("uploads", name) if name else ("uploads",),
            query={},
            headers={key.lower().replace("_", "-"): value for key, value in headers.items()},
            body=body or Body(),
            base=BASE,
        )
        try:
            answer: Answer = self.uploads.answer(request)
        except Refused as refused:
            return Said(refused.status, refused.headers, {"error": str(refused), **refused.more})
        except ConnectionError:
            return Said(0, {}, {})
        return Said(answer.status, answer.headers, json.loads(answer.body) if answer.body else {})

    def create(self, size: int, filename: str = "a.mp4", body: Body | None = None, **metadata: str) -> Said:
        """Make an upload, with its first bytes where there is a `body`."""
        said = {"filename": filename, **metadata}
        pairs = ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in said.items())
        kind = {} if body is None else {"content_type": PIECE}
        return self.ask("POST", body=body, upload_length=str(size), upload_metadata=pairs, **kind)

    def patch(self, name: str, offset: int, data: bytes | Body, **headers: str) -> Said:
        """Add bytes."""
        body = Body(data) if isinstance(data, bytes) else data
        return self.ask("PATCH", name, body, upload_offset=str(offset), content_type=PIECE, **headers)

    def head(self, name: str) -> Said:
        return self.ask("HEAD", name)

    def listed(self) -> list[dict[str, Any]]:
        """The uploads that are not done."""
        return list(self.ask("GET").document["uploads"])

    def files(self) -> dict[str, bytes]:
        """What a person sees below the root."""
        seen = (path for path in self.root.rglob("*") if path.is_file())
        names = {path.relative_to(self.root).as_posix(): path for path in seen}
        return {name: path.read_bytes() for name, path in names.items() if not name.startswith(".uploads/")}
