"""What stands in Selkies' place behind a portal: a page that is made as its page is, and a server that hands the
desktop to the last who came.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

INDEX = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Selkies</title>\
<link rel="manifest" href="manifest.json" crossorigin="use-credentials"><link rel="icon" href="icon.png">\
<script type="module" crossorigin src="./assets/index-X1.js"></script></head><body><div id="app"></div></body></html>"""

BEGIN = 'import "./selkies-core-X2.js"; await fetch("api/status"); selkiesCoreInitialize();\n'

CORE = """
const code = `let line; onmessage = ({ data: m }) => {
  if (m.type === "send") line.send(m.data);
  if (m.type === "close") line?.close();
  if (m.type !== "open") return;
  line = new WebSocket(m.url);
  line.onopen = () => postMessage({ type: "open" });
  line.onmessage = ({ data }) => postMessage({ type: "message", data });
  line.onclose = () => postMessage({ type: "close" });
}`;
globalThis.selkiesCoreInitialize = () => {
  const status = document.createElement("p");
  status.id = "status-display";
  document.getElementById("app").append(status);
  let killed = false;
  (function connect() {
    const worker = new Worker(URL.createObjectURL(new Blob([code])));
    worker.onmessage = ({ data: m }) => {
      status.classList.toggle("hidden", m.type === "open");
      killed ||= m.data?.startsWith("KILL ");
      if (m.type === "open") worker.postMessage({ type: "send", data: `r,${innerWidth}x${innerHeight},primary` });
      if (m.type === "close" && !killed) setTimeout(connect, 100);
    };
    worker.postMessage({ type: "open", url: location.href.replace(/^http/, "ws") + "api/websockets" });
  })();
};
"""

PLAYING = "body:not(:has(#told)) #status-display.hidden"
"""There once the first picture was drawn, which takes Selkies' word off it, and nothing is told of what is missing."""

KILL = b"KILL a new primary client connected connection killed"


def expect_playing(page: Page, seconds: float = 30) -> None:
    """Return when `page` plays the desktop; it may be loaded anew meanwhile. Raises playwright's `TimeoutError`."""
    page.locator(PLAYING).wait_for(state="attached", timeout=1000 * seconds)


def write_page(web: Path) -> None:
    """Put a page into the folder `web`, whose parts are named as Selkies names them."""
    (web / "assets").mkdir(parents=True, exist_ok=True)
    (web / "index.html").write_text(INDEX, encoding="utf-8")
    (web / "assets/index-X1.js").write_text(BEGIN, encoding="utf-8")
    (web / "assets/selkies-core-X2.js").write_text(CORE, encoding="utf-8")


class Server:
    """Listens on a unix socket, takes every websocket, and tells the one before that it is over.

    `heads` are the requests that came, `said` what was said in websockets; `answer` is sent in place of a websocket.
    """

    def __init__(self, path: Path) -> None:
        self.heads: list[str] = []
        self.said: list[str] = []
        self.answer: bytes | None = None
        self._path = path
        self._open: list[socket.socket] = []
        self.start()

    def start(self) -> None:
        """Listen, also again after `stop`."""
        self._path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self._path))
        self._listener.listen()
        self._thread = threading.Thread(target=self._serve, args=(self._listener,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End as a killed process does."""
        if not self._thread.is_alive():
            return
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)
        self._listener.close()
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _serve(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._converse, args=(connection,), daemon=True).start()

    def _converse(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            head = b""
            while b"\r\n\r\n" not in head:
                if not (more := connection.recv(65536)):
                    return
                head += more
            self.heads.append(head.decode())
            if self.answer is not None:
                connection.sendall(self.answer)
                return
            connection.sendall(accepted(head.decode()))
            for before in self._open:
                with contextlib.suppress(OSError):
                    before.sendall(bytes([0x81, len(KILL)]) + KILL + b"\x88\x00")
                    before.shutdown(socket.SHUT_RDWR)
            self._open = [connection]
            while frame := connection.recv(65536):
                if frame[0] == 0x81:
                    self.said.append(unmasked(frame).decode())

    def wait_for_end(self) -> None:
        """Nothing listens afterwards, and nobody is connected."""
        self.stop()
        self._path.unlink(missing_ok=True)


@contextlib.contextmanager
def opened(path: Path) -> Iterator[None]:
    """A connection whose other end nobody has any more, as a line that died leaves it."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(path))
        connection.sendall(b"GET /desktop/api/websockets HTTP/1.1\r\nSec-WebSocket-Key: eA==\r\n\r\n")
        yield


def accepted(head: str) -> bytes:
    """What takes the websocket that `head` asks for (RFC 6455, 4.2.2)."""
    key = re.search(r"(?im)^sec-websocket-key: (\S+)", head)
    assert key is not None, head
    proof = base64.b64encode(hashlib.sha1(f"{key[1]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()).decode()
    lines = ("HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade")
    return "\r\n".join((*lines, f"Sec-WebSocket-Accept: {proof}", "", "")).encode()


def unmasked(frame: bytes) -> bytes:
    """What a browser says in `frame`, up to 125 bytes."""
    mask, content = frame[2:6], frame[6 : 6 + (frame[1] & 0x7F)]
    return bytes(byte ^ mask[place % 4] for place, byte in enumerate(content))
