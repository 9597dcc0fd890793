"""A box to sync with: sshd on loopback, in a folder of its own, and a line to it that can be cut."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.fake_vast.sshd import SshdMachine
from vast import sync
from vast.sync import Proven


@dataclass
class Box:
    """A box, reached as `vast.sync` reaches one, and the two folders: `there` and `here`."""

    there: Path
    here: Path
    port: int
    key: Path
    host: str = "127.0.0.1"
    shared: Path | None = None
    """Where one connection serves all commands, which is quicker."""
    said: list[str] = field(default_factory=list)
    paused: list[float] = field(default_factory=list)

    def ssh_command(self) -> list[str]:
        """ssh with what reaches it."""
        known = ("StrictHostKeyChecking=no", f"UserKnownHostsFile={self.key.parent}/known", "BatchMode=yes")
        one = ("ControlMaster=auto", f"ControlPath={self.shared}/%C", "ControlPersist=20") if self.shared else ()
        options = [word for option in (*known, *one) for word in ("-o", option)]
        return ["ssh", "-F", "none", "-i", str(self.key), "-p", str(self.port), *options]

    def home(self) -> Proven:
        """All of it home."""
        return sync.home(self, self.here, self.said.append, at=self.there, sleep=self.paused.append)

    def bring(self) -> Proven:
        """What is here, there."""
        return sync.bring(self, self.here, self.said.append, at=self.there, sleep=self.paused.append)


@contextmanager
def box(folder: Path, binds: Mapping[str, str] | None = None) -> Iterator[Box]:
    """A box whose /workspace and whose home folder are below `folder`; `binds` as `SshdMachine` has them."""
    machine, key = SshdMachine(folder / "box", binds), folder / "key"
    shared = Path(tempfile.mkdtemp(prefix="ssh-"))  # a socket's path is short
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    machine.attach(key.with_suffix(".pub").read_text())
    machine.start(1, {}, "")
    there, here = folder / "there", folder / "here"
    for part in ("in", "out", "state"):
        (there / part).mkdir(parents=True)
    try:
        yield Box(there=there, here=here, port=machine.port, key=key, shared=shared)
    finally:
        machine.stop()
        shutil.rmtree(shared)


class CutLine:
    """A line to a port of this machine that breaks after so many bytes towards us, once for each of `cuts`; all that
    came over it is counted.
    """

    def __init__(self, port: int, cuts: list[int]) -> None:
        self.carried, self._target, self._cuts = 0, port, cuts
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        """No more of it."""
        self._server.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._server.accept()
                far = socket.create_connection(("127.0.0.1", self._target))
                threading.Thread(target=self._pass_on, args=(near, far, False), daemon=True).start()
                threading.Thread(target=self._pass_on, args=(far, near, True), daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket, counted: bool) -> None:
        passed = 0
        with contextlib.suppress(OSError):
            while piece := source.recv(65536):
                target.sendall(piece)
                passed += len(piece)
                self.carried += len(piece) if counted else 0
                if counted and self._cuts and passed > self._cuts[0]:
                    self._cuts.pop(0)
                    break
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


def write(path: Path, content: bytes | str, at: float | None = None) -> Path:
    """A file with its folders, written at this time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    if at is not None:
        os.utime(path, (at, at))
    return path


def tree(folder: Path) -> dict[str, bytes]:
    """All files below a folder, links as what they lead to."""
    return {
        str(path.relative_to(folder)): str(path.readlink()).encode() if path.is_symlink() else path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_symlink() or path.is_file()
    }
