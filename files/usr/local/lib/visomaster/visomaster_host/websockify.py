"""websockify that knows whether its viewers are there: python3 -m visomaster_host.websockify LISTEN TARGET

- Whoever is in between ends what is idle, most proxies after 60 seconds, some after 30. A desktop that stands still is
  idle: viewers are pinged, and their browsers answer by themselves.
- A line that goes dead says nothing, and a proxy in between takes the pings all the same: who has sent nothing for a
  while, not even an answer to a ping, is let go.
- websockify serves each visitor in a child, which inherits the listening socket. When websockify itself was killed, the
  children of connected visitors lived on and kept the port: supervisord could not start it again, and newcomers waited
  in a queue that nobody served.
"""

from __future__ import annotations

import importlib
import os
import select
import signal
import sys
import time
from functools import partialmethod
from typing import TYPE_CHECKING, Any

from visomaster_host.kernel import end_with_parent

HEARTBEAT = 15
"""Seconds between two pings: two of them within what the shortest proxies wait."""

PATIENCE = 60.0
"""Seconds without an answer, after which a viewer is let go. A picture on a slow line holds up the pings after it."""

if TYPE_CHECKING:
    _Handler = Any
else:
    _Handler = object


class Watchful(_Handler):  # type: ignore[misc]  # websockify has no types
    """What websockify's handler of one viewer does besides; comes before it among the bases."""

    _asked = 0.0
    """When the first ping went out that nothing has come after; 0 when something has."""

    def recv_frames(self) -> Any:
        """What the viewer has sent; an answer to a ping is a sign of life, too."""
        self._asked = 0.0
        return super().recv_frames()

    def send_ping(self, data: bytes = b"") -> None:
        """Called once in `HEARTBEAT` seconds, or later: websockify waits in the middle of a picture that the line does
        not take, and reads nothing meanwhile. Raises its `EClose` when the viewer has been silent too long.
        """
        now = time.monotonic()
        if self._asked and now - self._asked > PATIENCE and not select.select([self.request], [], [], 0)[0]:
            raise self.server.EClose(f"no answer from the viewer for {now - self._asked:.0f} s, let go")
        self._asked = self._asked or now
        super().send_ping(data)


def main() -> None:
    """Serve until the end of this process, with the arguments of websockify itself."""
    websocketproxy: Any = importlib.import_module("websockify.websocketproxy")  # Debian's, unpacked into a folder
    os.register_at_fork(after_in_child=lambda: end_with_parent(signal.SIGKILL))
    handler = type("Handler", (Watchful, websocketproxy.ProxyRequestHandler), {})
    proxy = websocketproxy.WebSocketProxy
    websocketproxy.WebSocketProxy = type("Proxy", (proxy,), {"__init__": partialmethod(proxy.__init__, handler)})
    sys.argv[1:1] = [f"--heartbeat={HEARTBEAT}"]
    websocketproxy.websockify_init()


if __name__ == "__main__":
    main()
