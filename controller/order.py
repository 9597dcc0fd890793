"""Where an operation stands among those of a deploy, found quickly.

pyinfra 3.10 orders operations by the lines that led to each, and asks `inspect.stack()` for them: it reads the source
around each of some thirty frames, and is asked again for each. The numbers of the lines are in the frames themselves.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pyinfra
from pyinfra.api.util import PYINFRA_INSTALL_DIR

if TYPE_CHECKING:
    from types import FrameType

    from pyinfra.api.state import State


def lines(state: State) -> list[int]:
    """What pyinfra's `get_operation_order_from_stack` gives to who calls: the number of the file among those of the
    command line, and the line of each frame outside pyinfra, from the deploy's on."""
    frame: FrameType | None = sys._getframe(1)
    found: list[tuple[str, int]] = []
    while frame is not None:
        found.append((frame.f_code.co_filename, frame.f_lineno))
        frame = frame.f_back
    found.reverse()
    deploy, begin = state.current_deploy_filename, 0
    if deploy:
        begin = next((number for number, (name, _) in enumerate(found) if name == deploy), len(found))
    first = [state.current_op_file_number] if pyinfra.is_cli else []
    return first + [line for name, line in found[begin:] if not name.startswith(PYINFRA_INSTALL_DIR)]
