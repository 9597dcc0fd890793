"""A long way to a server: `python -m bench.delay MILLISECONDS HOST:PORT…` relays to each from a port of this machine.

The kernels of rented machines often have no netem, so that the delay is made here: a byte arrives half a round trip
after it was sent, in either direction, and a connection is there after one round trip, as TCP's handshake takes it.
Bandwidth is not limited. The ports are printed as one line of JSON, in the order of the servers; it runs until it is
ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import sys
from collections.abc import Awaitable, Callable

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def carry(source: asyncio.StreamReader, sink: asyncio.StreamWriter, delay: float) -> None:
    """Bring what `source` says to `sink`, each piece `delay` seconds after it came; then close it."""
    loop = asyncio.get_running_loop()
    under = sink.get_extra_info("socket")
    under.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with contextlib.suppress(ConnectionError):
        while piece := await source.read(65536):
            loop.call_later(delay, sink.write, piece)
    loop.call_later(delay, sink.close)


def relay(address: str, delay: float) -> Handler:
    """What to do with a connection: relay it to the server at `address`, HOST:PORT."""
    host, _, port = address.rpartition(":")

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(2 * delay)
        there, back = await asyncio.open_connection(host, int(port))
        await asyncio.gather(carry(reader, back, delay), carry(there, writer, delay))

    return handle


async def serve(round_trip: float, addresses: list[str]) -> None:
    """Relay to all of `addresses`, `round_trip` seconds away, until the process is ended."""
    servers = [await asyncio.start_server(relay(one, round_trip / 2), "127.0.0.1", 0) for one in addresses]
    print(json.dumps([server.sockets[0].getsockname()[1] for server in servers]), flush=True)
    await asyncio.gather(*(server.serve_forever() for server in servers))


if __name__ == "__main__":
    asyncio.run(serve(float(sys.argv[1]) / 1000, sys.argv[2:]))
