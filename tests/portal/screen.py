"""A desktop that a page of noVNC connects to without any host: an empty screen, and what keys arrive there."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page, WebSocketRoute

SIZE = (800, 600)
NAME = b"a desktop"
KEY = 4  # RFC 6143, 7.5.4


class Screen:
    """Takes the websockets of `page`; `keys` are those that arrived as (keysym, whether it is down)."""

    def __init__(self, page: Page) -> None:
        self.keys: list[tuple[int, bool]] = []
        page.route_web_socket("**/websockify*", self._take)

    def held(self) -> set[int]:
        """The keys that are down now."""
        return {key for number, (key, down) in enumerate(self.keys) if down and (key, False) not in self.keys[number:]}

    def _take(self, line: WebSocketRoute) -> None:
        pixels = struct.pack(">BBBBHHHBBBxxx", 32, 24, 0, 1, 255, 255, 255, 16, 8, 0)
        answers = [
            b"\x01\x01",  # no login
            bytes(4),  # it is good
            struct.pack(">HH", *SIZE) + pixels + struct.pack(">I", len(NAME)) + NAME,
        ]

        def heard(said: str | bytes) -> None:
            if answers:
                line.send(answers.pop(0))
            elif isinstance(said, bytes):
                self._note(said)

        line.on_message(heard)
        line.send(b"RFB 003.008\n")

    def _note(self, said: bytes) -> None:
        while said and said[0] == KEY:  # what follows another message in the same frame is no key's
            down, key = struct.unpack(">xBxxI", said[:8])
            self.keys.append((key, bool(down)))
            said = said[8:]
