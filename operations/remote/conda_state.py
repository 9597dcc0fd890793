"""Print what a Conda prefix and the lock kept on its host are, as one line of JSON: PREFIX LOCK MARKER."""

import json
import os
import pathlib
import sys

prefix, lock, marker = sys.argv[1:]
meta = pathlib.Path(prefix, "conda-meta")
packages = {}
for path in meta.glob("*.json"):
    try:
        record = json.loads(path.read_text())
        packages[record["fn"]] = record["sha256"]
    except (ValueError, KeyError):  # cut off by a crash
        packages[path.name] = None
state = {
    "machine": os.uname().machine,
    "packages": packages,
    "pending": (meta / marker).exists(),
    "lock": pathlib.Path(lock).read_text() if pathlib.Path(lock).exists() else None,
}
print(json.dumps(state))
