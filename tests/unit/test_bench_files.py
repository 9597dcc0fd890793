"""The bench of files: the line that is cut, and what is said of the goals."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from bench import files, files_stage
from bench.bad_line import bad_line


@pytest.fixture
def listening() -> Iterator[tuple[str, list[bytes], threading.Event]]:
    """A server's address, what it is told, and whether a connection of its was reset."""
    heard: list[bytes] = []
    was_reset = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection:
                    try:
                        while piece := connection.recv(65536):
                            heard.append(piece)
                    except ConnectionResetError:
                        was_reset.set()

    server = threading.Thread(target=serve, daemon=True)
    server.start()
    yield f"127.0.0.1:{listener.getsockname()[1]}", heard, was_reset
    listener.shutdown(socket.SHUT_RDWR)  # it accepts no more: by its number it could be the next test's
    server.join(5)
    listener.close()


def test_a_line_is_cut_at_both_ends(listening: tuple[str, list[bytes], threading.Event]) -> None:
    """What arrives is the beginning of what was sent, at the rate of the line."""
    address, heard, was_reset = listening
    with bad_line(address, rate=8e6, round_trip=0.01, cut=0.3) as line:
        with socket.create_connection(("127.0.0.1", line.port)) as connection, pytest.raises(OSError):
            while True:
                connection.sendall(bytes(65536))
        assert was_reset.wait(5)
        arrived = sum(map(len, heard))
        assert line.cuts == 1
        assert 0 < arrived <= line.forth.carried <= 8e6 / 8 * 5


def test_a_connection_that_ends_in_time_is_not_cut(listening: tuple[str, list[bytes], threading.Event]) -> None:
    address, heard, was_reset = listening
    with bad_line(address, rate=0, round_trip=0, cut=60) as line:
        with socket.create_connection(("127.0.0.1", line.port)) as connection:
            connection.sendall(b"words")
            connection.shutdown(socket.SHUT_WR)
            assert connection.recv(1) == b""
        deadline = time.monotonic() + 30
        while not heard and time.monotonic() < deadline:  # the line ends at both ends at once
            time.sleep(0.01)
        assert (line.cuts, b"".join(heard), was_reset.is_set()) == (0, b"words", False)


PEERS = (files_stage.UP_PEER, files_stage.DOWN_PEER, files_stage.DOWN_PEER_BROWSER)


def sample(way: str, rate: float) -> files_stage.Sample:
    return files_stage.Sample(caddy="2.6.2", scheme="http", way=way, rate=rate)


def test_a_rate_is_compared_with_the_peers_median() -> None:
    ways = {files_stage.UP: 99.0, files_stage.UP_CURL: 100.0, files_stage.DOWN: 140.0, files_stage.DOWN_CURL: 139.0}
    samples = [sample(way, rate) for way, rate in ways.items()]
    samples += [sample(way, rate) for way in PEERS for rate in (1.0, 200.0, 900.0)]
    judged = {row[2]: list(row[4:]) for row in files.rows(samples)}
    assert judged[files_stage.UP] == ["0.49 (≥ 0.5)", "**no**"]
    assert judged[files_stage.UP_CURL] == ["0.50 (≥ 0.5)", "yes"]
    assert judged[files_stage.DOWN] == ["0.70 (≥ 0.7)", "yes"]
    assert judged[files_stage.DOWN_CURL][1] == "**no**"
    assert judged[files_stage.UP_PEER] == ["", ""]


def test_a_figure_is_at_most_its_bound() -> None:
    assert files.judged("memory, MB", 30.0, 30, ".1f") == ["memory, MB", "30.0", "30.0", "yes"]
    assert files.judged("memory, MB", 30.1, 30, ".1f")[-1] == "**no**"
