"""A VNC client that asks for what noVNC asks for, and looks at nothing but the markers of the test picture.

Everything that arrives is read and inflated; of pictures only the parts under a marker are decoded, so that the
client does not become what is measured. See RFC 6143 and the RFB community's protocol notes for the numbers.
"""

from __future__ import annotations

import io
import select
import socket
import struct
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from PIL import Image

from bench import marker

RAW, COPY, TIGHT, ZRLE = 0, 1, 7, 16
LAST_RECTANGLE, CURSOR, DESKTOP_SIZE, SCREENS, FENCE, CONTINUOUS = -224, -239, -223, -308, -312, -313
QUALITY, COMPRESSION = -32 + 6, -256 + 2
"""JPEG quality 6 of 9, compression 2 of 9: what noVNC asks for unless it is told otherwise."""
PSEUDO = (QUALITY, COMPRESSION, DESKTOP_SIZE, LAST_RECTANGLE, SCREENS, FENCE, CONTINUOUS, CURSOR)
PIXELS = struct.pack(">BBBBHHHBBBxxx", 32, 24, 0, 1, 255, 255, 255, 0, 8, 16)
"""noVNC's pixel format: red, green, blue, nothing; a byte each."""
SILENCE = 5
"""Seconds without a byte in the middle of a message after which the server counts as dead."""

Bright = Callable[[int, int], bool]
"""Tells whether a pixel of a rectangle is nearer to white than to black."""


class ServerGoneError(ConnectionError):
    """The server closed the connection or fell silent in the middle of a message."""


@dataclass(frozen=True)
class Sight:
    """One of the picture's markers as it was last seen: its place on the screen and its cells."""

    left: int
    top: int
    cells: list[bool | None] = field(default_factory=lambda: [None] * len(marker.CENTRES))

    def look(self, x: int, y: int, width: int, height: int, bright: Callable[[], Bright | None]) -> None:
        """Take over the cells that a rectangle of the screen covers; `bright` is called only if there are any."""
        if x >= self.left + marker.WIDTH or x + width <= self.left:
            return
        if y >= self.top + marker.HEIGHT or y + height <= self.top:
            return
        read = bright()
        for number, (column, row) in enumerate(marker.CENTRES):
            across, down = self.left + column - x, self.top + row - y
            if 0 <= across < width and 0 <= down < height:
                self.cells[number] = read(across, down) if read else None


class Viewer:
    """One connection; use as a context manager."""

    def __init__(self, port: int, encoding: int = TIGHT) -> None:
        """Connect to a server without a password on loopback. Raises OSError when it does not answer as one."""
        self.received = 0
        self.connection = socket.create_connection(("127.0.0.1", port), timeout=SILENCE)
        self.connection.settimeout(None)  # so that MSG_WAITALL waits; the bound is the socket's own:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", SILENCE, 0))
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._inflaters = [zlib.decompressobj() for _ in range(4)]
        self._zrle = zlib.decompressobj()
        self._sights: tuple[Sight, ...] = ()
        self._continuous = False
        self.width, self.height = self._shake_hands()
        encodings = (encoding, COPY, RAW, *PSEUDO)
        self.connection.sendall(struct.pack(">Bxxx", 0) + PIXELS)
        self.connection.sendall(struct.pack(f">BxH{len(encodings)}i", 2, len(encodings), *encodings))
        self.request(incremental=False)

    def __enter__(self) -> Viewer:
        return self

    def __exit__(self, *reason: object) -> None:
        self.connection.close()

    def _shake_hands(self) -> tuple[int, int]:
        self._read(12)
        self.connection.sendall(b"RFB 003.008\n")
        if 1 not in self._read(self._number("B")):
            raise ServerGoneError("the server does not let anybody in without a password")
        self.connection.sendall(b"\x01")
        if self._number("I"):
            raise ServerGoneError("the server refused the connection")
        self.connection.sendall(b"\x01")
        width, height = struct.unpack(">HH", self._read(4))
        self._read(16)
        self._read(self._number("I"))
        return width, height

    def look_at(self, left: int, top: int, width: int, height: int) -> None:
        """Watch the markers in the first and last corner of the picture at this place."""
        last = (left + width - marker.WIDTH, top + height - marker.HEIGHT)
        self._sights = (Sight(left, top), Sight(*last))

    def request(self, *, incremental: bool = True) -> None:
        """Ask for the screen, or for what changed since the last time."""
        self.connection.sendall(struct.pack(">BBHHHH", 3, incremental, 0, 0, self.width, self.height))

    def point_at(self, x: int, y: int) -> None:
        """Move the pointer; without a window manager the window under it gets the keys."""
        self.connection.sendall(struct.pack(">BBHH", 5, 0, x, y))

    def press(self, keysym: int) -> None:
        """Press and release a key."""
        for down in (1, 0):
            self.connection.sendall(struct.pack(">BBxxI", 4, down, keysym))

    def updates(self, seconds: float) -> Iterator[int | None]:
        """For so long, yield after each update what time the whole picture shows, None when that is not known.

        Raises ServerGoneError when the connection ends.
        """
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if select.select([self.connection], [], [], left)[0] and self._message():
                yield self._shown()

    def _shown(self) -> int | None:
        stamps = [marker.stamp_of(sight.cells) for sight in self._sights]
        known = [stamp for stamp in stamps if stamp is not None]
        if not stamps or len(known) < len(stamps):
            return None
        return known[0] if marker.age(known[0], known[-1]) >= 0 else known[-1]

    def _message(self) -> bool:
        """Read one message and answer it as noVNC does; tell whether it was an update of the screen."""
        kind = self._number("B")
        if kind == 0:
            self._update()
            if not self._continuous:
                self.request()
        elif kind == 3:
            self._read(3)
            self._read(self._number("I"))
        elif kind == 150:
            self._continuous = True
            self.connection.sendall(struct.pack(">BBHHHH", 150, 1, 0, 0, self.width, self.height))
        elif kind == 248:
            self._fence()
        elif kind != 2:
            raise ServerGoneError(f"message of the unknown kind {kind}")
        return kind == 0

    def _fence(self) -> None:
        _, flags, length = struct.unpack(">3sIB", self._read(8))
        payload = self._read(length)
        if flags & 1 << 31:
            self.connection.sendall(struct.pack(">BxxxIB", 248, flags & 0b111, length) + payload)

    def _update(self) -> None:
        self._read(1)
        for _ in range(self._number("H")):
            x, y, width, height, encoding = struct.unpack(">HHHHi", self._read(12))
            if encoding == LAST_RECTANGLE:
                return
            bright = self._rectangle(encoding, width, height)
            if bright:
                for sight in self._sights:
                    sight.look(x, y, width, height, bright)

    def _rectangle(self, encoding: int, width: int, height: int) -> Callable[[], Bright | None] | None:
        """Read one rectangle; return what reads its pixels when asked, None when it has none."""
        match encoding:
            case 0:
                return _pixels(self._read(width * height * 4), width, 4)
            case 1:
                self._read(4)
                return lambda: None
            case 7:
                return self._tight(width, height)
            case 16:
                return _tiles(self._zrle.decompress(self._read(self._number("I"))), width, height)
            case -239:
                self._read(width * height * 4 + (width + 7) // 8 * height)
            case -308:
                self._read(self._number("B") * 16 + 3)
            case -223:
                pass
            case _:
                raise ServerGoneError(f"rectangle of the unknown encoding {encoding}")
        return None

    def _tight(self, width: int, height: int) -> Callable[[], Bright | None]:
        control = self._number("B")
        for stream in range(4):
            if control >> stream & 1:
                self._inflaters[stream] = zlib.decompressobj()
        kind = control >> 4
        if kind == 8:
            return _pixels(self._read(3) * (width * height), width, 3)
        if kind == 9:
            return _jpeg(self._read(self._compact()))
        if kind > 7:
            raise ServerGoneError(f"Tight rectangle of the unknown kind {kind}")
        palette = b""
        if kind & 4 and (method := self._number("B")):
            if method != 1:
                raise ServerGoneError(f"Tight filter {method} where JPEG is on")
            palette = self._read((self._number("B") + 1) * 3)
        row = width * 3 if not palette else (width + 7) // 8 if len(palette) == 6 else width
        content = self._basic(kind & 3, row * height)
        if not palette:
            return _pixels(content, width, 3)
        return _indexed(content, row, palette, 1 if len(palette) == 6 else 8)

    def _basic(self, stream: int, size: int) -> bytes:
        if size < 12:
            return self._read(size)
        return self._inflaters[stream].decompress(self._read(self._compact()))

    def _compact(self) -> int:
        """Read a length of seven bits a byte, as Tight has them."""
        length = 0
        for shift in (0, 7, 14):
            byte = self._number("B")
            length |= (byte & (0x7F if shift < 14 else 0xFF)) << shift
            if not byte & 0x80:
                break
        return length

    def _number(self, form: str) -> int:
        number: int = struct.unpack(f">{form}", self._read(struct.calcsize(f">{form}")))[0]
        return number

    def _read(self, count: int) -> bytes:
        try:
            data = self.connection.recv(count, socket.MSG_WAITALL) if count else b""
        except BlockingIOError:
            data = b""
        self.received += len(data)
        if len(data) < count:
            raise ServerGoneError(f"the server sent {len(data)} of {count} bytes")
        return data


def _pixels(content: bytes, width: int, size: int) -> Callable[[], Bright]:
    def bright(x: int, y: int) -> bool:
        place = (y * width + x) * size
        return sum(content[place : place + 3]) > 384

    return lambda: bright


def _indexed(content: bytes, row: int, palette: bytes, bits: int) -> Callable[[], Bright]:
    """Return what reads pixels of `bits` bits each, first pixel in the highest ones, `row` bytes a row."""

    def bright(x: int, y: int) -> bool:
        byte = content[y * row + x * bits // 8]
        index = byte >> 8 - bits - x * bits % 8 & (1 << bits) - 1
        return sum(palette[index * 3 : index * 3 + 3]) > 384

    return lambda: bright


def _jpeg(content: bytes) -> Callable[[], Bright]:
    def decode() -> Bright:
        image = Image.open(io.BytesIO(content)).convert("L")
        width, grey = image.width, image.tobytes()
        return lambda x, y: grey[y * width + x] > 128

    return decode


def _tiles(content: bytes, width: int, height: int) -> Callable[[], Bright]:
    """Return what reads pixels of a ZRLE rectangle: tiles of 64 by 64, row by row."""

    def decode() -> Bright:
        across = (width + 63) // 64
        tiles: list[Bright] = []
        rest = memoryview(content)
        for top in range(0, height, 64):
            for left in range(0, width, 64):
                bright, used = _tile(rest, min(64, width - left), min(64, height - top))
                tiles.append(bright)
                rest = rest[used:]
        return lambda x, y: tiles[y // 64 * across + x // 64](x % 64, y % 64)

    return decode


def _tile(content: memoryview, width: int, height: int) -> tuple[Bright, int]:
    """Return what reads one tile's pixels, and the bytes it takes (RFC 6143, 7.7.6)."""
    kind = content[0]
    if kind >= 128:
        pixels, used = _runs(content, kind, width * height)
        return _pixels(pixels, width, 3)(), used
    if kind == 0:
        used = 1 + width * height * 3
        return _pixels(bytes(content[1:used]), width, 3)(), used
    palette = bytes(content[1 : 1 + kind * 3])
    if kind == 1:
        return _pixels(palette * (width * height), width, 3)(), 4
    bits = 1 if kind == 2 else 2 if kind <= 4 else 4
    row = (width * bits + 7) // 8
    used = 1 + len(palette) + row * height
    return _indexed(bytes(content[1 + len(palette) : used]), row, palette, bits)(), used


def _runs(content: memoryview, kind: int, count: int) -> tuple[bytes, int]:
    """Return the pixels of a run-length tile and the bytes it takes."""
    at = 1 + max(kind - 128, 0) * 3
    palette = content[1:at]
    pixels = bytearray()
    while len(pixels) < count * 3:
        length, indexed = 1, bool(palette)
        if indexed:
            index = content[at] & 0x7F
            colour, long = palette[index * 3 : index * 3 + 3], content[at] & 0x80
            at += 1
        else:
            colour, long = content[at : at + 3], 1
            at += 3
        while long:
            length += content[at]
            at += 1
            if content[at - 1] != 255:
                break
        pixels += bytes(colour) * length
    return bytes(pixels), at
