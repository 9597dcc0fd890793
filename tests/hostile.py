"""Text that would act on a terminal, and how to see that none of it has come through."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

HOSTILE = {
    "title": "a\x1b]0;owned\x07b",
    "title with ST": "a\x1b]2;owned\x1b\\b",
    "link": "a\x1b]8;;https://evil.invalid\x1b\\good\x1b]8;;\x1b\\b",
    "clipboard": "a\x1b]52;c;Y3VybCBldmls\x07b",
    "clear": "a\x1b[2J\x1b[Hb",
    "hidden": "a\x1b[8mb\x1b[0m",
    "colour": "a\x1b[31mb",
    "answer": "a\x1b[6n\x1bP$qm\x1b\\b",
    "8-bit": "a\x9b2J\x9d0;owned\x9cb",
    "next line": "a\x85b",
    "charset": "a\x0eb\x0f",
    "bidi": "a\u202egnp.exe\u202cb",
    "isolate": "a\u2066b\u2069\u200f\u061c",
    "return": "good\rbad",
    "backspace": "good\b\b\b\bbad",
    "nul, bell, delete": "a\0\x07\x7fb",
    "separators": "a\u2028b\u2029c\x0bd\x0c",
    "nothing to see": "a\u200b\u2060\ufeff\u00adb\U000e0041",
    "long": "a" * 10_000 + "\x1b[2J",
}

_BAD = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\U000e0000-\U000e007f]"
)


def everything() -> str:
    """All of it, a line each."""
    return "\n".join(HOSTILE.values())


def harmless(shown: str) -> None:
    """Fail when `shown` has anything but text, tabs and line ends."""
    found = _BAD.search(shown)
    context = shown[max(0, found.start() - 40) : found.end() + 20] if found else ""
    assert not found, f"{found[0]!r} came through: {context!r}"


def one_line(shown: str) -> None:
    """As `harmless`, of a single line of a bearable length."""
    harmless(shown)
    assert shown.removesuffix("\n").count("\n") == 0, shown[:300]
    assert len(shown) <= 2500, f"{len(shown)} characters"


@contextmanager
def answering(answer: bytes, family: int = socket.AF_INET, address: object = ("127.0.0.1", 0)) -> Iterator[int]:
    """A server that says `answer` to whoever connects, whatever is asked; yields its port (0 for a path)."""
    with socket.socket(family) as listener:
        listener.bind(address)  # type: ignore[arg-type]
        listener.listen(64)

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.settimeout(5)
                    connection.sendall(answer)
                    try:
                        while connection.recv(65536):
                            pass
                    except OSError:
                        continue

        threading.Thread(target=serve, daemon=True).start()
        try:
            yield listener.getsockname()[1] if family == socket.AF_INET else 0
        finally:
            listener.shutdown(socket.SHUT_RDWR)
