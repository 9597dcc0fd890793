"""A file arrives right or not at all, whatever the server does."""

from __future__ import annotations

import base64
import os
import subprocess
import time

import pytest

from tests.fetch.faults import Fault, Site, serving
from tests.fetch.world import HOST, LARGE, SMALL, World

SIZE_ASKED = Fault()  # the first request of a file whose size nobody stated asks for one byte

PASSING = {
    "500 then good": [Fault(status=500)],
    "503 then good": [Fault(status=503, headers=(("Retry-After", "0"),))],
    "429 with Retry-After": [Fault(status=429, headers=(("Retry-After", "1"),))],
    "429 without Retry-After": [Fault(status=429), Fault(status=429)],
    "408 then good": [Fault(status=408)],
    "reset before the first byte": [Fault(reset=0)],
    "reset after 100 kB": [Fault(reset=100_000), Fault(reset=50_000)],
    "truncated": [Fault(cut=70_000)],
    "stall": [Fault(stall=1000)],
    "slow drip": [Fault(drip=1000)],
    "corrupt once": [Fault(corrupt=True)],
    "web page once": [Fault(html=True)],
    "longer than it says": [Fault(extra=100)],
    "416": [Fault(status=416)],
    "wrong range": [Fault(wrong_range=True)],
    "no range once": [Fault(no_range=True)],
    "gzip once": [Fault(gzip=True)],
    "chunked once": [Fault(chunked=True)],
    "chunked, cut": [Fault(chunked=True, cut=60_000)],
    "no length": [Fault(no_length=True)],
    "no length, cut": [Fault(no_length=True, cut=60_000)],
    "500, then reset": [Fault(status=500), Fault(reset=10)],
}
LASTING = {
    "404": (Fault(status=404), "404 Not Found"),
    "410": (Fault(status=410), "410 Gone"),
    "403": (Fault(status=403), "403 Forbidden"),
    "401": (Fault(status=401), "401"),
    "500": (Fault(status=500), "500"),
    "429": (Fault(status=429), "429"),
    "corrupt": (Fault(corrupt=True), "sha256"),
    "web page": (Fault(html=True), "web page"),
    "reset": (Fault(reset=10), "tries"),
    "stall": (Fault(stall=10), "tries"),
    "drip": (Fault(drip=10), "tries"),
    "another file": (Fault(other=b"another file"), "sha256"),
    "redirect to itself": (Fault(location="/a.onnx"), "redirects more than"),
    "redirect without a place": (Fault(status=302), "without saying where"),
}


@pytest.mark.parametrize("say_size", [False, True], ids=["size unknown", "size known"])
@pytest.mark.parametrize("size", [SMALL, LARGE], ids=["small", "large"])
@pytest.mark.parametrize("name", PASSING)
def test_a_passing_fault_leaves_every_file_right(world: World, name: str, size: int, say_size: bool) -> None:
    """The fault hits the request for the size, and again the requests for the bytes."""
    world.add("a.onnx", size, say_size=say_size)
    world.add("b.onnx")
    world.site.script["/a.onnx"] = [*PASSING[name], *([] if say_size else [SIZE_ASKED]), *PASSING[name]]
    world.check(world.fetch(), failed=set())


@pytest.mark.parametrize("name", LASTING)
def test_a_lasting_fault_fails_that_file_and_says_why(
    world: World, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    world.add("a.onnx")
    world.add("b.onnx")
    fault, reason = LASTING[name]
    world.site.always["/a.onnx"] = fault
    world.check(world.fetch(), failed={"a.onnx"})
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("visomaster-fetch: model_assets/a.onnx: ")
    assert reason in lines[0]


@pytest.mark.parametrize("name", ["404", "410", "403", "401"])
def test_an_answer_that_will_not_change_is_not_asked_for_again(world: World, name: str) -> None:
    world.add("a.onnx", say_size=True)
    world.site.always["/a.onnx"] = LASTING[name][0]
    world.fetch()
    assert len(world.site.requests) == 1


@pytest.mark.parametrize("way", ["no_range", "chunked", "no_length", "gzip"])
@pytest.mark.parametrize("say_size", [False, True])
def test_a_server_without_ranges_serves_too(world: World, way: str, say_size: bool) -> None:
    world.add("a.onnx", LARGE, say_size=say_size)
    world.site.always["/a.onnx"] = Fault(**{way: True})
    world.check(world.fetch(), failed=set())


def test_retry_after_is_obeyed(world: World) -> None:
    world.add("a.onnx", say_size=True)
    world.site.script["/a.onnx"] = [Fault(status=429, headers=(("Retry-After", "1"),))]
    began = time.monotonic()
    assert world.fetch() == 0
    assert time.monotonic() - began >= 1.0


def test_a_wrong_size_in_the_manifest_fails_before_anything_is_stored(world: World) -> None:
    world.add("a.onnx", say_size=True)
    world.entries[0]["size"] = SMALL + 1
    world.check(world.fetch(), failed={"a.onnx"})
    assert f"expected {SMALL + 1}" in str(world.state)


def test_content_that_changes_between_tries_starts_over(world: World) -> None:
    """Half of another file (with its own ETag), then a reset, then the right one."""
    world.add("a.onnx", say_size=True)
    other = Fault(other=b"x" * SMALL, reset=SMALL // 2, headers=(("ETag", '"1"'),))
    world.site.script["/a.onnx"] = [other, Fault(headers=(("ETag", '"2"'),))]
    world.check(world.fetch(), failed=set())


def test_a_good_old_file_stays_until_the_new_one_is_proven(world: World) -> None:
    """A new manifest names another version; while that cannot be had, the old file is still there."""
    world.add("a.onnx")
    assert world.fetch() == 0
    old = (world.store / "a.onnx").read_bytes()
    world.entries[0]["sha256"] = "0" * 64
    assert world.fetch() == 1
    assert (world.store / "a.onnx").read_bytes() == old
    assert not world.marker.exists()


def test_redirects_carry_no_credentials_to_another_host(world: World) -> None:
    """A mirror's password is for the mirror; the host it redirects to must not see it."""
    world.add("a.onnx", LARGE)
    elsewhere = Site(files=dict(world.site.files))
    with serving(elsewhere, "127.0.0.2") as other:
        world.site.always["/a.onnx"] = Fault(location=f"{other}/a.onnx?sig=sesame")
        world.base = world.base.replace("://", "://user:open%20sesame@")
        world.check(world.fetch(), failed=set())
    assert all(request.headers["Authorization"].startswith("Basic ") for request in world.site.requests)
    assert elsewhere.requests
    assert not any("Authorization" in request.headers for request in elsewhere.requests)


def test_a_mirror_gets_its_password_with_every_request(world: World) -> None:
    """Each file's size, its first bytes and all that follow: none is refused first."""
    world.add("a.onnx", LARGE)
    world.add("b.onnx")
    world.site.authorization = "Basic " + base64.b64encode(b"user:open sesame").decode()
    world.base = world.base.replace("://", "://user:open%20sesame@")
    world.check(world.fetch(), failed=set())
    assert len(world.site.requests) > 3
    assert {request.headers.get("Authorization") for request in world.site.requests} == {world.site.authorization}


def test_secrets_reach_no_output(world: World, capfd: pytest.CaptureFixture[str]) -> None:
    world.add("a.onnx")
    world.add("b.onnx")
    elsewhere = Site()
    with serving(elsewhere, "127.0.0.2") as other:
        world.site.always["/a.onnx"] = Fault(location=f"{other}/a.onnx?sig=sesame")
        world.site.always["/b.onnx"] = Fault(location="http://user:sesame@127.0.0.1:9/b?sig=sesame")
        world.base = world.base.replace("://", "://user:sesame@")
        assert world.fetch() == 1
    captured = capfd.readouterr()
    assert "sesame" not in captured.out + captured.err + str(world.state)


def test_an_expired_signed_url_is_asked_for_again(world: World) -> None:
    """The redirect leads to a URL that works once; a new one is asked for, the file is not given up."""
    world.add("a.onnx", LARGE)
    world.site.sign_uses = 1
    world.check(world.fetch(), failed=set())
    assert any(left < 0 for left in world.site.signed.values()), "an expired URL was met"


@pytest.mark.parametrize("kind", ["link to a file", "dangling link", "link at .part"])
def test_a_symlink_in_the_way_is_never_written_through(world: World, kind: str) -> None:
    data = world.add("a.onnx")
    world.store.mkdir()
    outside = world.root / "outside"
    if kind != "dangling link":
        outside.write_bytes(b"precious")
    (world.store / ("a.onnx.part" if kind == "link at .part" else "a.onnx")).symlink_to(outside)
    world.check(world.fetch(), failed=set())
    assert not (world.store / "a.onnx").is_symlink()
    assert (world.store / "a.onnx").read_bytes() == data
    assert kind == "dangling link" or outside.read_bytes() == b"precious"


def test_a_file_or_a_link_where_a_folder_should_be_is_named(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.add("folder/a.onnx")
    world.add("linked/b.onnx")
    world.add("c.onnx")
    world.store.mkdir()
    (world.store / "folder").write_text("in the way")
    (world.root / "elsewhere").mkdir()
    (world.store / "linked").symlink_to(world.root / "elsewhere")
    world.check(world.fetch("--no-link"), failed={"folder/a.onnx", "linked/b.onnx"})
    errors = capsys.readouterr().err
    assert f"{world.store / 'folder'} is not a folder" in errors
    assert f"{world.store / 'linked'} is a symlink" in errors
    assert not list((world.root / "elsewhere").iterdir())


def test_a_folder_where_the_file_should_be_is_named(world: World) -> None:
    world.add("a.onnx")
    (world.store / "a.onnx").mkdir(parents=True)
    assert world.fetch("--no-link") == 1
    assert "is a folder, a file is needed there" in str(world.state)


def no_space(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let one block be free on every disk."""
    real = os.statvfs(world.root)
    fields = [*real[:4], 1, *real[5:]]
    monkeypatch.setattr(os, "statvfs", lambda path: os.statvfs_result(fields))


def test_too_little_space_is_said_before_anything_is_fetched(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    world.add("a.onnx", say_size=True)
    no_space(world, monkeypatch)
    assert world.fetch() == 1
    assert "are needed" in capsys.readouterr().err
    assert world.site.requests == []
    assert world.state["status"] == "failed"


def test_too_little_space_is_said_when_the_sizes_are_known(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What arrived before that goes again; what an earlier fetch left stays, to be resumed."""
    world.add("a.onnx", LARGE)
    world.add("b.onnx", LARGE)
    world.site.script["/a.onnx"] = [SIZE_ASKED, Fault(cut=300_000), *[Fault(status=404)] * 4]
    assert world.fetch("--only", "a.onnx", "--jobs", "1") == 1
    assert (world.store / "a.onnx.part").exists()
    world.site.script.clear()
    world.site.rate = 1e6
    capsys.readouterr()
    no_space(world, monkeypatch)
    assert world.fetch() == 1
    assert "are needed" in capsys.readouterr().err
    assert world.state["status"] == "failed"
    parts = {path.name for path in world.store.iterdir() if not path.name.startswith(".")}
    assert parts == {"a.onnx.part", "a.onnx.part.map"}


def test_the_transfer_waits_for_no_size_but_its_own(world: World) -> None:
    """A server that does not answer for one file holds up that file alone."""
    world.add("a.onnx")
    world.add("b.onnx")
    world.site.script["/a.onnx"] = [Fault(stall=0)]
    began = time.monotonic()
    process = subprocess.Popen(world.command("--no-link"), stdout=subprocess.DEVNULL)
    while not (world.store / "b.onnx").exists():
        assert time.monotonic() - began < 20 and process.poll() is None
        time.sleep(0.005)
    assert not (world.store / "a.onnx.part").exists()
    assert process.wait(20) == 0


def test_a_disk_that_fills_up_ends_the_fetch_with_its_reason(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    world.add("a.onnx", LARGE)
    world.add("b.onnx", LARGE)
    real, written = os.pwrite, [0]

    def full(descriptor: int, data: bytes, offset: int) -> int:
        written[0] += len(data)
        if written[0] > 8_000_000:
            raise OSError(28, "No space left on device")
        return real(descriptor, data, offset)

    monkeypatch.setattr(os, "pwrite", full)
    assert world.fetch() == 1
    assert "No space left on device" in capsys.readouterr().err
    monkeypatch.undo()
    sent = world.site.sent
    world.check(world.fetch(), failed=set())
    assert world.site.sent - sent < 2 * LARGE - 2_000_000, "the second call resumes"


def test_an_unresolvable_host_fails_with_its_name(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.add("a.onnx")
    world.base = "http://127.0.0.1:9"
    world.check(world.fetch(), failed={"a.onnx"})
    assert "127.0.0.1: Connection refused (6 tries)" in capsys.readouterr().err
    assert HOST not in capsys.readouterr().err
