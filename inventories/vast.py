"""Every running box of a Vast.ai account: `pyinfra inventories/vast.py deploy.py --limit LABEL`.

Groups: the label, `gpu_…`, `image_…`, `status_running`; hosts: `vast-ID`; the API key is that of Vast's CLI.
"""

import os
import sys

from pyinfra.api.exceptions import InventoryError
from visomaster_host.text import printable

from connectors import vast as _vast


def _say(line: str) -> None:
    print(printable(f"    {line}"), file=sys.stderr)


try:
    _groups = _vast.inventory(os.environ, _say)
except _vast.VastError as _error:
    raise InventoryError(str(_error)) from None

globals().update(_groups)
