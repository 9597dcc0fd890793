"""uv at work, and what it prints made into what a person is told."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping, Sequence

from operations.remote.uv_environment import without_login

_ANSWERED = {
    "401": "its index wants a login (401)",
    "403": "its index refuses to give it (403)",
    "404": "its index has no such file (404)",
}

_LIKELY = {9: ", as happens where memory runs out"}


def follow(command: Sequence[str], environment: Mapping[str, str], keep: tuple[int, ...] = ()) -> tuple[int, list[str]]:
    """Run uv and pass on what a person waits for; its status and all its lines. It holds the files `keep` open, so that
    it holds the lock as long as it lives, and ends when this program cannot go on."""
    lines = []
    with subprocess.Popen(
        command,
        env=environment,
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        pass_fds=keep,
    ) as process:
        try:
            for line in process.stdout or ():
                lines.append(line.rstrip())
                progress = progress_of(line)
                if progress:
                    print(f"packages: {progress}", flush=True)
        except BaseException:
            process.kill()
            raise
    if process.returncode < 0:
        lines.append(f"error: uv was ended by signal {-process.returncode}{_LIKELY.get(-process.returncode, '')}")
    return process.returncode, lines


def progress_of(line: str) -> str | None:
    """What a line of uv's tells somebody who waits, or None."""
    found = re.match(r"\s*Downloading (\S+) \((.+)\)", line)
    if found:
        return f"downloading {found[1]}, {found[2]}"
    found = re.match(r"\s*Building (\S+)", line)
    if found:
        return f"building {found[1]}"
    found = re.match(r"Prepared (\d+) packages? in", line)
    if found:
        return f"installing {found[1]}"
    return None


def reason(lines: Sequence[str]) -> str:
    """Why uv failed, in one line."""
    text = without_login("\n".join(lines))
    if "No space left on device" in text:
        return "no space left on device: free some and run again, the rest is installed then"
    if mismatch := re.search(r"Hash mismatch for `([^`]+)`", text):
        return f"{mismatch[1]}: its sha256 is not the one in the requirement set"
    if lacking := _lacking(text):
        return lacking
    causes = [found[1].strip() for found in re.finditer(r"^\s*(?:error|cause): (.*)$", text, re.MULTILINE)]
    if not causes:
        said = [line.strip() for line in text.splitlines() if line.strip()]
        return said[-1] if said else "uv failed without a message"
    if "error sending request" in text:
        return f"{_asked(text)} cannot be reached: {causes[-1]}"
    if status := re.search(r"HTTP status \w+ error \((\d+)[^)]*\)", text):
        return f"{causes[0]}: {_ANSWERED.get(status[1], f'its index answers {status[1]}')}"
    return ": ".join(dict.fromkeys((causes[0], causes[-1])))


def _asked(text: str) -> str:
    """The address that was asked last."""
    found = re.search(r"for url \(([^)]+)\)", text)
    return found[1] if found else "its index"


def _lacking(text: str) -> str | None:
    """What the index does not have, where uv found no solution."""
    if found := re.search(r"Because (\S+) was not found in the package registry", text):
        return f"{found[1]}: its index has no such package"
    if found := re.search(r"Because there is no version of (\S+)", text):
        return f"{found[1]}: its index has no such version"
    if found := re.search(r"Because (\S+) has no (?:usable wheels|wheels)", text):
        return f"{found[1]}: its index has no wheel for this Python"
    if found := re.search(r"No solution found.*?cause: (.*?)(?:\n\s*\n|\nhint:|\Z)", text, re.DOTALL):
        return re.sub(r"\s+", " ", found[1]).strip()
    return None
