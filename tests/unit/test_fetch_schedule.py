"""Which connection takes which bytes, how long a failure is waited for, who gets which credentials, what is shown."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from visomaster_host.fetch.engine import _Growth
from visomaster_host.fetch.manifest import ModelFile
from visomaster_host.fetch.part import UNIT, Part
from visomaster_host.fetch.progress import Board, Entry, duration, human
from visomaster_host.fetch.schedule import Job, Policy, Schedule
from visomaster_host.fetch.transfer import Client, Transient, shown

URL = "https://host.invalid/x"


def make_file(name: str, size: int | None) -> ModelFile:
    return ModelFile(path=f"model_assets/{name}", url=URL, sha256="0" * 64, size=size, group="required")


def make_job(folder: Path, name: str, size: int | None) -> Job:
    job = Job(Entry(make_file(name, size), size), URL)
    job.part = Part(folder / name, "0" * 64, size)
    job.ranges = True
    return job


def test_the_largest_file_is_begun_first_and_shared_when_nothing_is_left(tmp_path: Path) -> None:
    jobs = [make_job(tmp_path, "small", UNIT), make_job(tmp_path, "large", 6 * UNIT)]
    schedule = Schedule(jobs, Policy(connections=4, first=4))
    claims = [schedule.claim(0.0, lambda job: True) for _ in range(4)]
    taken = [(claim.job.entry.file.rest, claim.start // UNIT) for claim in claims if claim]
    assert taken == [("large", 0), ("small", 0), ("large", 1), ("large", 2)]
    assert schedule.claim(0.0, lambda job: True) is None, "no more connections than allowed"


def test_a_connection_for_small_files_begins_the_smallest_and_joins_like_the_others(tmp_path: Path) -> None:
    jobs = [make_job(tmp_path, name, units * UNIT) for name, units in (("b", 2), ("a", 1), ("c", 9))]
    schedule = Schedule(jobs, Policy(first=5))
    claims = [schedule.claim(0.0, lambda job: True, small=True) for _ in range(4)]
    assert [claim.job.entry.file.rest for claim in claims if claim] == ["a", "b", "c", "c"]


def test_a_file_whose_size_is_being_asked_for_waits(tmp_path: Path) -> None:
    job = make_job(tmp_path, "a", None)
    job.asking = True
    schedule = Schedule([job], Policy())
    assert schedule.claim(0.0, lambda job: True) is None
    job.asking = False
    assert schedule.claim(0.0, lambda job: True) is not None


def test_the_last_requests_are_worth_their_wait(tmp_path: Path) -> None:
    """A quarter of a second at the connection's speed; the rest of the file when little else would stay of it."""
    schedule = Schedule([make_job(tmp_path, "a", 100 * UNIT)], Policy(first=50))
    claims = [schedule.claim(0.0, lambda job: True, speed=8.0 * UNIT * 4) for _ in range(3)]
    assert [(claim.start // UNIT, claim.end // UNIT) for claim in claims if claim and claim.end] == [
        (0, 8),
        (8, 16),
        (16, 24),
    ]


def test_a_connection_goes_on_with_its_file(tmp_path: Path) -> None:
    jobs = [make_job(tmp_path, "a", 6 * UNIT), make_job(tmp_path, "b", 9 * UNIT)]
    schedule = Schedule(jobs, Policy(first=1))
    claim = schedule.claim(0.0, lambda job: True, last=jobs[0], speed=1e9)
    assert claim is not None
    assert claim.job is jobs[0]


def test_claims_never_overlap_and_released_bytes_are_claimed_again(tmp_path: Path) -> None:
    schedule = Schedule([make_job(tmp_path, "a", 10 * UNIT + 5)], Policy(connections=64, first=64))
    claims = []
    while claim := schedule.claim(0.0, lambda job: True):
        claims.append(claim)
    spans = sorted((claim.start, claim.end) for claim in claims)
    assert spans[0][0] == 0
    assert spans[-1][1] == 10 * UNIT + 5
    assert all(before[1] == after[0] for before, after in itertools.pairwise(spans))
    schedule.release(claims[3])
    again = schedule.claim(0.0, lambda job: True)
    assert again is not None
    assert (again.start, again.end) == (claims[3].start, claims[3].end)


def test_a_file_without_ranges_or_size_has_one_connection(tmp_path: Path) -> None:
    for job in (make_job(tmp_path, "a", None), make_job(tmp_path, "b", 9 * UNIT)):
        job.ranges = False
        schedule = Schedule([job], Policy())
        assert schedule.claim(0.0, lambda job: True) is not None
        assert schedule.claim(0.0, lambda job: True) is None


def test_failures_wait_longer_and_longer_and_end(tmp_path: Path) -> None:
    job = make_job(tmp_path, "a", UNIT)
    policy = Policy(tries=8)
    schedule, now, waits = Schedule([job], policy), 0.0, []
    for _ in range(20):
        claim = schedule.claim(now, lambda job: True)
        assert claim is not None
        schedule.release(claim)
        reason = schedule.failed(claim, Transient("no"), now + 0.001)
        if reason:
            break
        waits.append(job.not_before - now)
        now = job.not_before + 0.001
    assert reason == "no (8 tries)"
    assert len(waits) == 7
    assert all(later > 0.9 * before for before, later in itertools.pairwise(waits))
    assert waits[-1] <= policy.backoff_most + 0.01


def test_many_connections_that_break_together_are_one_failure(tmp_path: Path) -> None:
    job = make_job(tmp_path, "a", 40 * UNIT)
    schedule = Schedule([job], Policy(tries=3, first=16))
    claims = [schedule.claim(0.0, lambda job: True) for _ in range(16)]
    for claim in claims:
        assert claim is not None
        schedule.release(claim)
        assert schedule.failed(claim, Transient("reset"), 1.0) is None
    assert job.failures == 1


def test_a_busy_server_is_asked_later_and_less(tmp_path: Path) -> None:
    jobs = [make_job(tmp_path, "a", UNIT), make_job(tmp_path, "b", UNIT)]
    schedule = Schedule(jobs, Policy(first=16))
    claim = schedule.claim(0.0, lambda job: True)
    assert claim is not None
    schedule.release(claim)
    schedule.failed(claim, Transient("429", retry_after=60.0, busy=True), 0.0)
    assert schedule.allowed == 8
    assert schedule.claim(59.0, lambda job: True) is None, "the other file waits too: it is the same host"
    assert schedule.claim(61.0, lambda job: True) is not None


def test_a_burst_of_refusals_is_one_call_for_less(tmp_path: Path) -> None:
    """All that were under way together are refused together; the next time it is halved again."""
    schedule = Schedule([make_job(tmp_path, "a", 64 * UNIT)], Policy(connections=16, first=16))
    claims = [claim for _ in range(16) if (claim := schedule.claim(0.0, lambda job: True, speed=1.0))]
    assert len(claims) == 16
    for number, claim in enumerate(claims):
        schedule.failed(claim, Transient("429", retry_after=5.0, busy=True), 0.01 * number)
    assert schedule.allowed == 8
    schedule.failed(claims[0], Transient("429", retry_after=5.0, busy=True), 60.0)
    assert schedule.allowed == 4


def test_connections_grow_again_after_a_call_for_less(tmp_path: Path) -> None:
    """What more of them brought before the server was busy says nothing of after."""
    schedule = Schedule([make_job(tmp_path, "a", UNIT)], Policy(connections=16, first=4))
    growth = _Growth(schedule)
    schedule.busy, received, now = 4, 0, growth.since
    for _ in range(3):
        now, received = now + 1.0, received + 100_000_000 * schedule.busy
        growth.look(now, received)
        schedule.busy = schedule.allowed
    assert schedule.allowed == 16
    schedule.allowed = schedule.busy = 1
    for _ in range(3):
        now, received = now + 1.0, received + 1_000_000 * schedule.busy
        growth.look(now, received)
        schedule.busy = schedule.allowed
    assert schedule.allowed > 1


def test_a_token_goes_to_its_own_host_only() -> None:
    client = Client(connections=1, credentials={"https://huggingface.co:443": "hf_secret"})

    def sent(url: str) -> str | None:
        return client._headers(url, None, 0, None).get("Authorization")

    assert sent("https://huggingface.co/a/resolve/main/x") == "Bearer hf_secret"
    for url in (
        "http://huggingface.co/x",
        "https://cdn.huggingface.co/x",
        "https://huggingface.co.evil/x",
        "https://huggingface.co:444/x",
    ):
        assert sent(url) is None, url


def test_netrc_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "netrc").write_text("machine host.invalid login me password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    session = Client(connections=1).session
    import requests

    prepared = session.prepare_request(requests.Request("GET", URL))
    assert "Authorization" not in prepared.headers


def test_a_url_is_shown_without_its_secrets() -> None:
    assert shown("https://user:pw@host:1/a/b?sig=secret#x") == "https://host:1/a/b"


def test_rate_and_time_left() -> None:
    board = Board.of([make_file("a", 1000), make_file("b", 3000)])
    board.sample(0.0)
    board.entries[0].done, board.entries[0].status = 1000, "done"
    board.sample(2.0)
    assert (board.done, board.total, board.rate, board.eta) == (1000, 4000, 500.0, 6.0)
    board.entries[1].size = None
    assert (board.total, board.eta) == (None, None)


def test_numbers_for_people() -> None:
    assert [human(n) for n in (1, 999_000, 704e6, 1.34e9)] == ["0 kB", "999 kB", "704 MB", "1.3 GB"]
    assert [duration(s) for s in (45, 180, 7500)] == ["45 s", "3 min", "2 h 5 min"]
