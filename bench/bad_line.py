"""A home line that fails: so many bits a second each way, far away, and every connection cut after a while.

A cut is a reset of both ends, and what was on its way is lost. Other than `bench.delay` it runs in a thread of the
process that asks for it, which reads what has passed and how often it was cut.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass

from bench.delay import QUEUE, RECEIVE_BUFFER, SMALL_PIECE, Line, carry, connect

AT_ONCE = struct.pack("ii", 1, 0)
"""SO_LINGER's value for a close that is a reset."""


@dataclass(kw_only=True)
class BadLine:
    """The line; `port` of this machine is its near end. `cut`: seconds that a connection lasts."""

    address: str
    forth: Line
    back: Line
    cut: float
    port: int = 0
    cuts: int = 0

    @property
    def on_its_way(self) -> float:
        """Bytes that a cut loses of a line that is full: in its queue, and under way."""
        return self.forth.rate / 8 * (QUEUE + self.forth.delay + self.back.delay)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection until it ends or is cut."""
        ends = [writer]
        try:
            await asyncio.wait_for(self._carry(reader, writer, ends), self.cut)
        except asyncio.TimeoutError:
            self.cuts += 1
        except OSError:
            pass  # nobody listens at the far end
        else:
            return  # what is still on its way gets there
        for end in ends:
            reset(end)

    async def _carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, ends: list[asyncio.StreamWriter]
    ) -> None:
        await asyncio.sleep(self.forth.delay + self.back.delay)  # a handshake
        there, to_there = await connect(self.address, self.back)
        ends.append(to_there)
        await asyncio.gather(carry(reader, to_there, self.forth), carry(there, writer, self.back))


def reset(end: asyncio.StreamWriter) -> None:
    """End a connection as a router does that has forgotten it."""
    under = end.get_extra_info("socket")
    with contextlib.suppress(OSError):
        under.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
    end.transport.abort()


async def _serve(line: BadLine, ready: threading.Event, ended: asyncio.Event) -> None:
    near = socket.socket()
    near.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    near.bind(("127.0.0.1", 0))
    server = await asyncio.start_server(line.handle, sock=near, limit=SMALL_PIECE)
    line.port = near.getsockname()[1]
    ready.set()
    await ended.wait()
    server.close()
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()


@contextlib.contextmanager
def bad_line(address: str, *, rate: float, round_trip: float, cut: float) -> Iterator[BadLine]:
    """A line to HOST:PORT of `rate` bits a second each way, `round_trip` and `cut` in seconds."""
    forth, back = (Line(delay=round_trip / 2, rate=rate) for _ in range(2))
    line = BadLine(address=address, forth=forth, back=back, cut=cut)
    ready, loop = threading.Event(), asyncio.new_event_loop()
    ended = asyncio.Event()
    thread = threading.Thread(target=loop.run_until_complete, args=(_serve(line, ready, ended),), daemon=True)
    thread.start()
    try:
        assert ready.wait(10)
        yield line
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join(10)
        loop.close()
