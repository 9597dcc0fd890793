"""`StrEnum` on every Python a host may have (Ubuntu 22.04 has 3.10, the standard library's came with 3.11)."""

import sys

if sys.version_info >= (3, 11):
    from enum import StrEnum
else:
    from enum import Enum

    class StrEnum(str, Enum):
        """Members are strings, and print as such."""

        __str__ = str.__str__
        __format__ = str.__format__


__all__ = ["StrEnum"]
