"""A long way to a server: `python -m bench.delay MILLISECONDS HOST:PORT…` relays to each from a port of this machine.

The kernels of rented machines often have no netem, so that the delay is made here: a byte arrives half a round trip
after it was sent, in either direction, and a connection is there after one round trip, as TCP's handshake takes it.
With `--rate BITS` all connections to a server share one bottleneck on their way back, with a queue of 100 ms before
it; a full queue is not read from, which holds the server up as a full line does. The ports are printed as one line of
JSON, in the order of the servers; with `--count` each line on standard input is answered with one of the bytes that
each server has sent so far. It runs until it is ended.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import socket
import sys
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

QUEUE = 0.1
"""Seconds that what is sent waits before the bottleneck at most."""
PIECE, SMALL_PIECE = 65536, 2048
"""Bytes that are carried at once; small ones let connections take turns at a bottleneck."""
RECEIVE_BUFFER = 8192
"""Bytes that the kernel takes ahead of us before a bottleneck, or they would be a second queue."""

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass(kw_only=True)
class Line:
    """One direction: what is sent is there `delay` seconds after it has passed at `rate` bits a second (0: at once)."""

    delay: float
    rate: float = 0
    carried: int = 0
    _free: float = 0
    """When all that was sent has passed."""

    async def arrival(self, size: int) -> float:
        """Queue so many bytes; returns when they are there, on the loop's clock, once the queue has room for more."""
        loop = asyncio.get_running_loop()
        self.carried += size
        self._free = max(self._free, loop.time()) + (size * 8 / self.rate if self.rate else 0)
        there = self._free + self.delay
        if (waiting := self._free - loop.time()) > QUEUE:
            await asyncio.sleep(waiting - QUEUE)
        return there


async def words(source: asyncio.StreamReader, size: int) -> bytes:
    """What `source` says next, nothing when it has ended."""
    with contextlib.suppress(ConnectionError):
        return await source.read(size)
    return b""


async def carry(source: asyncio.StreamReader, sink: asyncio.StreamWriter, line: Line) -> None:
    """Bring what `source` says to `sink` over `line`; then close it."""
    loop = asyncio.get_running_loop()
    under = sink.get_extra_info("socket")
    under.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    on_the_way: deque[bytes] = deque()

    def deliver() -> None:
        piece = on_the_way.popleft()  # not the timer's own: those of one moment have no order
        if not piece:
            sink.close()
        elif not sink.is_closing():  # or asyncio complains of each piece that nobody takes any more
            sink.write(piece)

    more = True
    while more:
        piece = b"" if sink.is_closing() else await words(source, SMALL_PIECE if line.rate else PIECE)
        on_the_way.append(piece)
        loop.call_at(await line.arrival(len(piece)), deliver)
        more = bool(piece)


async def connect(address: str, back: Line) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection to HOST:PORT; before a bottleneck neither the kernel nor we take much that has not passed."""
    host, _, port = address.rpartition(":")
    if not back.rate:
        return await asyncio.open_connection(host, int(port))
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    connection.setblocking(False)
    await asyncio.get_running_loop().sock_connect(connection, (host, int(port)))
    return await asyncio.open_connection(sock=connection, limit=SMALL_PIECE)


def relay(address: str, forth: Line, back: Line) -> Handler:
    """What to do with a connection: relay it to the server at `address`, HOST:PORT."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(forth.delay + back.delay)
        there, to_there = await connect(address, back)
        await asyncio.gather(carry(reader, to_there, forth), carry(there, writer, back))

    return handle


def answer(lines: list[Line]) -> None:
    """Answer a line on standard input; end with it."""
    if not os.read(sys.stdin.fileno(), PIECE):
        sys.exit()
    print(json.dumps([line.carried for line in lines]), flush=True)


async def serve(round_trip: float, rate: float, addresses: list[str], *, count: bool) -> None:
    """Relay to all of `addresses`, `round_trip` seconds away, until the process is ended."""
    back = [Line(delay=round_trip / 2, rate=rate) for _ in addresses]
    handlers = [relay(one, Line(delay=round_trip / 2), line) for one, line in zip(addresses, back, strict=True)]
    servers = [await asyncio.start_server(handler, "127.0.0.1", 0) for handler in handlers]
    print(json.dumps([server.sockets[0].getsockname()[1] for server in servers]), flush=True)
    if count:
        asyncio.get_running_loop().add_reader(sys.stdin, answer, back)
    await asyncio.gather(*(server.serve_forever() for server in servers))


def main() -> None:
    """Follow the command line."""
    options = argparse.ArgumentParser(prog="python -m bench.delay", description=__doc__)
    options.add_argument("milliseconds", type=float)
    options.add_argument("addresses", nargs="+", metavar="HOST:PORT")
    options.add_argument("--rate", type=float, default=0, metavar="BITS", help="bits a second towards this machine")
    options.add_argument("--count", action="store_true")
    given = options.parse_args()
    asyncio.run(serve(given.milliseconds / 1000, given.rate, given.addresses, count=given.count))


if __name__ == "__main__":
    main()
