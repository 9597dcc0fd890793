"""websockify whose connections end with it: python3 -m visomaster_host.websockify LISTEN TARGET

websockify serves each visitor in a child, which inherits the listening socket. When websockify itself was killed, the
children of connected visitors lived on and kept the port: supervisord could not start it again, and newcomers waited in
a queue that nobody served.
"""

from __future__ import annotations

import os
import runpy
import signal

from visomaster_host.kernel import end_with_parent

if __name__ == "__main__":
    os.register_at_fork(after_in_child=lambda: end_with_parent(signal.SIGKILL))
    runpy.run_module("websockify", run_name="__main__", alter_sys=True)
