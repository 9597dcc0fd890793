"""Print what is installed for this Python and the values requirement markers are decided by, as one line of
JSON.

A distribution without RECORD was cut off while being installed (pip writes it last): it counts as not there.
"""

import importlib.metadata
import json
import os
import platform
import sys

installed = [
    (distribution.metadata["Name"], distribution.version)
    for distribution in importlib.metadata.distributions()
    if distribution.metadata and distribution.metadata["Name"] and distribution.read_text("RECORD")
]
markers = {
    "implementation_name": sys.implementation.name,
    "os_name": os.name,
    "platform_machine": platform.machine(),
    "platform_python_implementation": platform.python_implementation(),
    "platform_system": platform.system(),
    "python_full_version": platform.python_version(),
    "python_version": ".".join(platform.python_version_tuple()[:2]),
    "sys_platform": sys.platform,
}
print(json.dumps({"installed": installed, "markers": markers}))
