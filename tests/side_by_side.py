"""Several runs of pytest at once: python -m tests.side_by_side THESE … -- THOSE … [-- …]

Tests in containers leave a processor idle most of the time, those in a browser often. What THESE say is shown as it
comes, what the others said when all are done. Ends with 1 when any of them failed.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import groupby

PYTEST = (sys.executable, "-m", "pytest")
NO_CACHE = ("-p", "no:cacheprovider")
"""All would write there which tests have failed."""


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
    """Run all of them; the exit status."""
    groups = [list(group) for is_end, group in groupby(arguments, "--".__eq__) if not is_end]
    these, *others = groups
    with ExitStack() as stack:
        said = [stack.enter_context(tempfile.TemporaryFile()) for _ in others]
        beside = [
            stack.enter_context(going((*PYTEST, *group, *NO_CACHE), output.fileno()))
            for group, output in zip(others, said, strict=True)
        ]
        statuses = [subprocess.run((*PYTEST, *these), check=False).returncode, *(process.wait() for process in beside)]
        for output in said:
            output.seek(0)
            sys.stdout.buffer.write(output.read())
            sys.stdout.buffer.flush()
    for names, status in zip(groups, statuses, strict=True):
        print(f"{'passed' if status == 0 else f'FAILED, status {status}'}: {' '.join(names)}")
    return int(any(statuses))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
