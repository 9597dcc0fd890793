"""What the NVIDIA driver's own program says of the cards that are here."""

from __future__ import annotations

import os

from visomaster_host import paths
from visomaster_host.text import Told

_PROGRAM = "nvidia-smi"
_MOST = 64 * 1024  # characters


class Silent(Told):
    """The program is not there, fails, or does not answer in time."""


def ask(fields: str, *, within: float) -> list[str]:
    """A line for each card with its `fields`, which the program knows by name: values with commas between, without
    units. Raises `Silent` after `within` seconds at the latest, unless the kernel holds the program fast.
    """
    program = next((at for at in paths.SYSTEM_PATH.split(":") if os.access(f"{at}/{_PROGRAM}", os.X_OK)), None)
    if program is None:
        raise Silent(f"{_PROGRAM} is not installed")
    import subprocess  # 3 ms, for machines that have such a card

    try:
        asked = subprocess.run(
            [f"{program}/{_PROGRAM}", f"--query-gpu={fields}", "--format=csv,noheader,nounits"],
            env={"PATH": paths.SYSTEM_PATH, "LC_ALL": "C.UTF-8"},
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=within,
            check=True,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise Silent(f"{_PROGRAM} does not answer") from error
    return [line.strip() for line in asked.stdout[:_MOST].splitlines() if line.strip()]
