"""Several runs of pytest at once: python -m tests.side_by_side THESE … -- THOSE … [--apart THOSE …]

Tests in containers leave a processor idle most of the time, those in a browser often. What THESE say is shown as it
comes, what the others said when all are done. Ends with 1 when any of them failed.

Those after --apart have a network of their own, of which a container that comes or goes is no change: a browser drops
what it was about to load when its machine's network changes (`net::ERR_NETWORK_CHANGED`).
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import groupby

PYTEST = (sys.executable, "-m", "pytest")
NO_CACHE = ("-p", "no:cacheprovider")
"""All would write there which tests have failed."""

NETWORK = """
ip link set lo up
ip link add up0 type veth peer name up1
ip address add 192.0.2.1/24 dev up0
ip link set up0 up
ip link set up1 up
exec "$@"
"""
"""A network of its own, and the way out of it leads nowhere: with none at all a browser calls itself offline."""

BEGINNINGS = {"--": (), "--apart": ("unshare", "--net", "sh", "-ec", NETWORK, "sh")}
"""Of a group, and what its run is begun with. Only root makes networks; others share the machine's."""


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
    words = [list(group) for _, group in groupby(("--", *arguments), BEGINNINGS.__contains__)]
    groups = words[1::2]
    these, *others = (
        (*(BEGINNINGS[begun[-1]] if os.geteuid() == 0 else ()), *PYTEST, *group)
        for begun, group in zip(words[::2], groups, strict=True)
    )
    with ExitStack() as stack:
        said = [stack.enter_context(tempfile.TemporaryFile()) for _ in others]
        beside = [
            stack.enter_context(going((*command, *NO_CACHE), output.fileno()))
            for command, output in zip(others, said, strict=True)
        ]
        statuses = [subprocess.run(these, check=False).returncode, *(process.wait() for process in beside)]
        for output in said:
            output.seek(0)
            sys.stdout.buffer.write(output.read())
            sys.stdout.buffer.flush()
    for names, status in zip(groups, statuses, strict=True):
        print(f"{'passed' if status == 0 else f'FAILED, status {status}'}: {' '.join(names)}")
    return int(any(statuses))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
