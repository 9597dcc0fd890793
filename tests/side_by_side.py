"""Two runs of pytest at once: python -m tests.side_by_side THESE … -- THOSE …

Tests in containers leave a processor idle most of the time. What THESE say is shown as it comes, what THOSE said when
both are done. Ends with 1 when any of them failed.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

PYTEST = (sys.executable, "-m", "pytest")
NO_CACHE = ("-p", "no:cacheprovider")
"""Both would write there which tests have failed."""


@contextmanager
def going(command: Sequence[str], output: int) -> Iterator[subprocess.Popen[bytes]]:
    """`command` goes on, its output in the file `output`; it does not outlive us."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()


def main(arguments: Sequence[str]) -> int:
    """Run both; the exit status."""
    end = arguments.index("--")
    these, those = arguments[:end], arguments[end + 1 :]
    with tempfile.TemporaryFile() as said, going((*PYTEST, *those, *NO_CACHE), said.fileno()) as others:
        statuses = subprocess.run((*PYTEST, *these), check=False).returncode, others.wait()
        said.seek(0)
        sys.stdout.buffer.write(said.read())
        sys.stdout.buffer.flush()
    for names, status in zip((these, those), statuses, strict=True):
        print(f"{'passed' if status == 0 else f'FAILED, status {status}'}: {' '.join(names)}")
    return int(any(statuses))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
