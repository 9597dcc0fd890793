"""The line of a program's log that says best why it ended."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path

from visomaster_host.text import brief

LONGEST = 300
"""Characters of a line that is shown: a window of a browser and a terminal have room for it among others."""

MARK = "visomaster-service: before this: "
"""What begins the lines that tell of the run before, in the log of the next one: they are not its own words."""

_TAIL = 64 * 1024  # bytes of a log that are looked at
_LOOKED_AT = 60  # lines; a traceback is the end of a program when little comes after it
_TRACEBACK = "Traceback (most recent call last):"
_COLOURS = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)")
_WORDS = re.compile(
    r"\w(?:Error|Exception)\b|(?i:\b(?:error|fatal|fail(?:ed|ure|s)?|exception|abort(?:ed)?|panic|cannot|can't"
    r"|could ?n[o']t|unable|denied|refused|not found|no such|not permitted|out of memory|insufficient|segmentation"
    r"|gave up|missing)\b)"
)
_WARNING = re.compile(r"(?i)\bwarn(?:ing)?\b")
_NO_REASON = re.compile(
    r"Extension modules: |Current thread |Aborted(?: \(core dumped\))?$|visomaster-service: failed with status "
)
"""What Python, the shell and our own programs write after the line that has the reason."""

_SECRETS = (
    (re.compile(r"(://)[^/\s@]+@"), r"\1…@"),
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{6,}"), r"\1 …"),
    (
        re.compile(
            r"(?i)((?:api[_-]?key|token|passw(?:or)?d|passphrase|secret|signature|credential)s?[\"']?\s*[=:]\s*[\"']?)"
            r"[^\s\"'&,;)]{4,}"
        ),
        r"\1…",
    ),
    (re.compile(r"\b(hf_|sk-|ghp_|github_pat_)[A-Za-z0-9_-]{8,}"), r"\1…"),
)


def last_words(logs: Sequence[tuple[Path, int]]) -> str:
    """The line that says why a program ended; empty when it said nothing.

    `logs` are files, the one for errors first, each with the byte from which on they are of its last run. Where no line
    reads like an error, it is the last one of the first file. What it returns is one printable line of at most
    `LONGEST` characters, without what looks like a secret.
    """
    written = [_lines(path, begin) for path, begin in logs]
    for found in written:
        if reason := _reason(found):
            return shown(reason)
    return shown(written[0][-1]) if written and written[0] else ""


def shown(line: str) -> str:
    """`line` as it may be shown: cleaned, cut, and without what looks like a secret."""
    for pattern, instead in _SECRETS:
        line = pattern.sub(instead, line)
    return brief(line.strip(), LONGEST)


def _lines(path: Path, begin: int) -> list[str]:
    """The lines with words of the end of the log at `path`, from the byte `begin` on; all of a newer file's."""
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(max(size - _TAIL, begin if begin <= size else 0))
            text = file.read(_TAIL).decode("utf-8", "replace")
    except OSError:
        return []
    # A bar of progress is written over itself: what is left of it is behind the last carriage return.
    last = (_COLOURS.sub("", line).rstrip().rpartition("\r")[2].rstrip() for line in text.split("\n"))
    plain = (_of_json(line) if line.startswith("{") else line for line in last if not line.startswith(MARK))
    return [line for line in plain if any(map(str.isalpha, line))][-_LOOKED_AT:]


def _of_json(line: str) -> str:
    """What a line of a log in JSON, such as Caddy's, says of an error; empty for its others, of which requests are."""
    try:
        entry = json.loads(line)
        bad = entry.get("level") in ("error", "fatal", "panic", "dpanic")
        return ": ".join(str(entry[key]) for key in ("msg", "error") if entry.get(key)) if bad else ""
    except (ValueError, RecursionError):
        return line


def _reason(found: Sequence[str]) -> str:
    """The error that a traceback ends with, else the last line that reads like one; empty when none does."""
    last = max((number for number, line in enumerate(found) if line.strip() == _TRACEBACK), default=None)
    if last is not None:
        for line in found[last + 1 :]:
            if not line[0].isspace():
                return line
    said = (line for line in reversed(found) if not line[0].isspace() and not _NO_REASON.match(line))
    return next((line for line in said if _WORDS.search(line) and not _WARNING.search(line)), "")
