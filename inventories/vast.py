"""Every running box of a Vast.ai account: `pyinfra inventories/vast.py deploy.py --limit LABEL`.

Groups: the label, `gpu_…`, `image_…`, `status_running`; hosts: `vast-ID`; the API key is that of Vast's CLI.
"""

import os
import sys
from pathlib import Path as _Path

from pyinfra.api.exceptions import InventoryError

# Started in this folder, pyinfra would find this very file by the name of the package.
sys.path.insert(0, str(_Path(__file__).resolve().parent.parent))

from visomaster_host.text import printable

from vast.errors import VastError as _VastError
from vast.inventory import groups as _groups_of


def _say(line: str) -> None:
    print(printable(f"    {line}"), file=sys.stderr)


try:
    _groups = _groups_of(os.environ, _say)
except _VastError as _error:
    raise InventoryError(str(_error)) from None

globals().update(_groups)
