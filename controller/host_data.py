"""Which of a host's data is the project's, and which belongs to pyinfra and its connectors."""

from __future__ import annotations

from collections.abc import Mapping

from pyinfra.api.connectors import get_all_connectors

INVENTORY_PREFIX = "vast_"
"""What `inventories/vast.py` tells of a box; of no effect on what is installed."""


def project_data(data: Mapping[str, object]) -> dict[str, object]:
    """`data` (the values of one host) without what connectors (`ssh_port`, …), pyinfra's global arguments
    (`_sudo`, …) and the Vast inventory define. What is left is the project's, or a mistake."""
    connectors = {key for connector in get_all_connectors().values() for key in connector.data_meta}
    return {
        key: value
        for key, value in data.items()
        if key not in connectors and not key.startswith(("_", INVENTORY_PREFIX))
    }
