"""`StrEnum` on every Python the project supports (Ubuntu 22.04 has 3.10, the standard library's came with 3.11)."""

import sys

if sys.version_info >= (3, 11):
    from enum import StrEnum
else:
    from backports.strenum import StrEnum

__all__ = ["StrEnum"]
