"""Where a container's variables are found when the caller was not given them, and what logins are told."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from visomaster_host import environment, paths
from visomaster_host.files import Owner


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A host's files elsewhere, and a caller without variables, as an SSH session is."""
    monkeypatch.setattr(paths, "FIRST_ENVIRONMENT", tmp_path / "environ")
    monkeypatch.setattr(paths, "LOGIN_ENVIRONMENT", tmp_path / "environment")
    monkeypatch.setattr(environment, "ROOT", Owner(uid=os.getuid(), gid=os.getgid()))
    monkeypatch.setattr(os, "environ", {"HOME": "/root"})
    (tmp_path / "environ").write_bytes(b"")
    return tmp_path


def given(places: Path, **variables: str) -> None:
    """What the container was started with."""
    (places / "environ").write_bytes("".join(f"{name}={value}\0" for name, value in variables.items()).encode())


def test_the_callers_variables_win_then_those_of_logins_then_the_containers(
    places: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given(places, A="container", B="container", C="container, two\nlines")
    (places / "environment").write_text("# C=comment\nA='login'\nexport B=\"login\"\nno variable\n")
    monkeypatch.setenv("A", "caller")
    found = environment.container_environment()
    assert {name: found[name] for name in "ABC"} == {"A": "caller", "B": "login", "C": "container, two\nlines"}
    assert found["HOME"] == "/root"


def test_a_title_in_the_place_of_variables_is_none(places: Path) -> None:
    """sshd writes its state over them."""
    (places / "environ").write_bytes(b"sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups\0\0\0x y=z\0")
    assert environment.container_environment() == os.environ


def test_a_first_process_that_cannot_be_read_is_none(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> bytes:
        raise PermissionError(path)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert environment.container_environment() == os.environ


def test_logins_are_told_what_is_of_use_and_no_secret(places: Path) -> None:
    given(
        places,
        VNC_PASSWORD="secret12",
        OPEN_BUTTON_TOKEN="a-secret-of-16-or-more",
        CONTAINER_API_KEY="secret",
        NVIDIA_API_KEY="secret",
        VAST_CONTAINERLABEL="C.7",
        VAST_TCP_PORT_11111="40123",
        NVIDIA_VISIBLE_DEVICES="GPU-1,GPU-2",
        CUDA_MESSAGE='with "quotes"',
        CUDA_LINES="two\nlines",
    )
    environment.tell_logins()
    assert (places / "environment").read_text() == (
        "# begin visomaster-start\n"
        'NVIDIA_VISIBLE_DEVICES="GPU-1,GPU-2"\nVAST_CONTAINERLABEL="C.7"\nVAST_TCP_PORT_11111="40123"\n'
        "# end visomaster-start\n"
    )
    assert (places / "environment").stat().st_mode & 0o777 == 0o644


def test_a_copy_of_a_container_does_not_learn_the_first_ones_address(
    places: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """/etc/environment is in the copy, and in each login's variables; what we have told logins of the first container
    is not true of it."""
    given(places, PUBLIC_IPADDR="203.0.113.7\n", VAST_TCP_PORT_5901="40123")
    (places / "environment").write_text("THEIRS=1\n")
    environment.tell_logins()
    assert 'PUBLIC_IPADDR="203.0.113.7"\n' in (places / "environment").read_text()
    given(places, PUBLIC_IPADDR="203.0.113.8")
    monkeypatch.setattr(os, "environ", {"PUBLIC_IPADDR": "203.0.113.7", "VAST_TCP_PORT_5901": "40123"})
    assert environment.container_environment() == {"PUBLIC_IPADDR": "203.0.113.8", "THEIRS": "1"}


def test_what_others_tell_logins_stays_and_ours_follows_the_container(places: Path) -> None:
    file = places / "environment"
    file.write_text('PATH="/usr/bin"\nexport GPU_COUNT=8')
    given(places, GPU_COUNT="1", CONTAINER_ID="7")
    environment.tell_logins()
    told = file.read_text()
    assert (
        told
        == 'PATH="/usr/bin"\nexport GPU_COUNT=8\n# begin visomaster-start\nCONTAINER_ID="7"\n# end visomaster-start\n'
    )
    before = file.stat()
    environment.tell_logins()
    assert file.stat() == before, "a second start writes nothing"
    given(places)
    environment.tell_logins()
    assert file.read_text() == 'PATH="/usr/bin"\nexport GPU_COUNT=8\n'


def test_where_there_is_nothing_to_tell_nothing_is_written(places: Path) -> None:
    given(places, HOME="/root", SHELL="/bin/bash")
    environment.tell_logins()
    assert not (places / "environment").exists()
