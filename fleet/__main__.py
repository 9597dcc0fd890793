"""`python -m fleet VARIANT REPOSITORY [kubernetes|dstack|skypilot]` prints an engine's file; without an argument, the
files that are kept in fleet/ are written anew.
"""

from __future__ import annotations

import sys
from pathlib import Path

from visomaster_host.text import brief

from fleet.rendered import EXAMPLE, FILE, Engine, fleet
from spec.image import own_repository

HERE = Path(__file__).parent


def main(arguments: list[str]) -> int:
    """Print or write; exit status 1 with one line where an argument is refused."""
    try:
        if not arguments:
            write()
        elif len(arguments) in (2, 3):
            variant, repository, engine = (*arguments, Engine.KUBERNETES.value)[:3]
            if engine not in [each.value for each in Engine]:
                raise ValueError(f"engine: {engine!r} is unknown, expected one of {', '.join(Engine)}")
            sys.stdout.write(fleet(variant, own_repository(repository)).file(Engine(engine)))
        else:
            raise ValueError(f"fleet: expected VARIANT REPOSITORY [{'|'.join(Engine)}], got {len(arguments)} words")
    except ValueError as error:
        print(brief(error), file=sys.stderr)
        return 1
    except OSError as error:
        print(brief(f"{error.filename}: {error.strerror}"), file=sys.stderr)
        return 1
    return 0


def write() -> None:
    """Write the examples. Raises `OSError`."""
    for engine, name in FILE.items():
        (HERE / name).write_text(fleet(*EXAMPLE).file(engine), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
