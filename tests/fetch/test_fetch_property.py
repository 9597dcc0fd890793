"""Any sequence of faults ends with right files or a non-zero exit status."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from visomaster_host.fetch.schedule import Policy

from tests.fetch.faults import Fault, Site, serving
from tests.fetch.world import World

SIZES = st.sampled_from([0, 1, 5000, 4 * 1024 * 1024, 4 * 1024 * 1024 + 1, 9_000_000])
PLACES = st.sampled_from([0, 1, 4999, 300_000, 4_200_000])
FAULTS = st.one_of(
    st.builds(Fault, status=st.sampled_from([500, 503, 429, 416, 404, 403, 204, 302])),
    st.builds(Fault, reset=PLACES),
    st.builds(Fault, cut=PLACES, chunked=st.booleans()),
    st.builds(Fault, stall=PLACES),
    st.builds(Fault, corrupt=st.just(True), no_range=st.booleans()),
    st.sampled_from([Fault(html=True), Fault(gzip=True), Fault(chunked=True), Fault(no_length=True)]),
    st.sampled_from([Fault(no_range=True), Fault(wrong_range=True), Fault(extra=3), Fault(other=b"other")]),
    st.just(Fault()),
)
POLICY = Policy(tries=3, rounds=2, backoff=0.005, backoff_most=0.01, connect=1.0, stall=0.3)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    files=st.lists(st.tuples(SIZES, st.booleans(), st.lists(FAULTS, max_size=6)), min_size=1, max_size=3),
    calls=st.integers(1, 3),
)
def test_any_sequence_of_faults_ends_right_or_with_a_status(
    files: list[tuple[int, bool, list[Fault]]], calls: int
) -> None:
    """After each of several calls: every file is right or absent, and status, failures and marker agree."""
    site = Site()
    with tempfile.TemporaryDirectory() as folder, serving(site) as base:
        world = World(Path(folder), site, base)
        for number, (size, say_size, faults) in enumerate(files):
            if size == 0:
                faults = [fault for fault in faults if not fault.corrupt]
            world.add(f"{number}.onnx", size, say_size=say_size)
            site.script[f"/{number}.onnx"] = list(faults)
        for _ in range(calls):
            status = world.fetch(policy=POLICY)
            world.check(status, failed=set(world.failed()))
        site.script.clear()
        world.check(world.fetch(policy=POLICY), failed=set())
