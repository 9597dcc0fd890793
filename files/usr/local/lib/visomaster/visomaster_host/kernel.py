"""What only the kernel can promise of a process."""

from __future__ import annotations

import ctypes
import os
import signal

from visomaster_host.problems import Problem

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def end_with_parent(number: signal.Signals) -> None:
    """Have the kernel send `number` to this process when its parent is gone, even by kill -9. Raises `Problem`.

    Left alone, it would keep a display or a port from the parent's successor. To be called after root was given
    up: changing users takes the wish back.
    """
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0) != 0:
        raise Problem(f"prctl: {os.strerror(ctypes.get_errno())}")
