"""What lets the whole product run on one plain machine: no GPU, no image registry, no model hub.

Standard library only, Python 3.10 or newer: `python3 -m sandbox` runs before any virtual environment exists.
"""
