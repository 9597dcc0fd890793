"""Scripts of `operations.remote` that use apt."""

from __future__ import annotations

from operations.remote import HERE


def script(*names: str) -> str:
    """The text of the scripts `names`, after what all that use apt begin with."""
    return "".join((HERE / part).read_text(encoding="utf-8") for part in ("apt_run.sh", *names))
