"""Xtigervnc as it is started: what a viewer meets on a public port and behind a portal, and what a start says of it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from visomaster_host import credentials, display, paths, rfb, vnc_access
from visomaster_host.environment import read_environment
from visomaster_host.files import Owner
from visomaster_host.host import Host
from visomaster_host.portal import tls
from visomaster_host.problems import NotReady, Problem
from visomaster_host.screen_size import MOST, USUAL_MOST, first, largest
from visomaster_host.services import screen_minder, xtigervnc
from visomaster_host.settings import Settings

from tests.unit.test_host_facts import host

ME = Owner(uid=os.getuid(), gid=os.getgid())


def portal() -> Host:
    return host(access="portal", port=11111, tls_port=11443)


def command(of: Host, *, certificate: bool = True, lockout: bool = True) -> str:
    return " ".join(xtigervnc.command(of, Settings(vnc_lockout=lockout), certificate=certificate))


def test_on_a_public_port_every_way_in_asks_for_the_password() -> None:
    """It is named by its file: arguments can be read by anyone. The public port is the gate's, a server that opens more
    files than `select` knows would abort."""
    argv = command(host())
    assert "-rfbport 5900 -localhost -UseIPv6=0 -SecurityTypes X509Vnc,TLSVnc,VncAuth" in argv
    assert "-lf 1024" in argv
    assert f"-PasswordFile {paths.VNC_PASSWORD} -X509Cert {paths.VNC_CERTIFICATE} -X509Key {paths.VNC_KEY}" in argv
    assert "None" not in argv and "5901" not in argv


def test_without_a_certificate_the_other_ways_stay() -> None:
    argv = command(host(), certificate=False)
    assert "-SecurityTypes TLSVnc,VncAuth" in argv and "X509" not in argv


def test_who_guesses_has_to_wait_unless_that_is_switched_off() -> None:
    assert "Blacklist" not in command(host())
    assert command(host(), lockout=False).endswith("-UseBlacklist=0")


def test_behind_a_portal_there_is_no_port_no_password_and_no_lockout() -> None:
    argv = command(portal())
    assert f"-rfbport -1 -rfbunixpath {paths.VNC_SOCKET} -rfbunixmode 0666 -SecurityTypes None" in argv
    assert argv.endswith("-UseBlacklist=0") and "5900" not in argv


@pytest.mark.parametrize("of", [host(), portal()], ids=["public", "portal"])
def test_x_clients_need_the_cookie(of: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    for has_file, closed in ((True, "local"), (False, "unix")):
        monkeypatch.setattr(display, "has_file", lambda has_file=has_file: has_file)
        assert f"-nolisten {closed} -nolisten tcp -auth {paths.XAUTHORITY} -noreset" in command(of)


def test_looking_whether_it_serves_counts_for_no_lockout(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every connection that does not log in counts for its address: the gate knows the host's own by theirs."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        monkeypatch.setattr(rfb, "ANSWER_WITHIN", 0.1)
        with pytest.raises(NotReady, match=f"127.0.0.1:{port}: timed out"):
            xtigervnc.serves(host(port=port))
        assert listener.accept()[1][0] == rfb.ASKING
    with pytest.raises(NotReady, match="nobody listens there"):
        xtigervnc.serves(host(port=port))


def test_the_password_is_handed_over_by_its_file_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vnc_access, "owner_of", lambda user: ME)
    monkeypatch.setattr(paths, "VNC_PASSWORD", tmp_path / "password")
    monkeypatch.setattr(vnc_access, "read_secret", lambda name: None)
    with pytest.raises(Problem, match=r"vnc-password is missing: visomaster-start writes it"):
        vnc_access.hand_over_password()
    monkeypatch.setattr(vnc_access, "read_secret", lambda name: "secretpw")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Problem, match=r"tigervncpasswd cannot write the password: .*No such file"):
        vnc_access.hand_over_password()
    (tmp_path / "tigervncpasswd").write_text("#!/bin/sh\nexec /bin/cat\n")
    (tmp_path / "tigervncpasswd").chmod(0o755)
    vnc_access.hand_over_password()
    assert paths.VNC_PASSWORD.read_text() == "secretpw"
    assert paths.VNC_PASSWORD.stat().st_mode & 0o777 == 0o600


@pytest.fixture
def certificates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A host's places for certificates elsewhere, and an instance without one."""
    monkeypatch.setattr(vnc_access, "owner_of", lambda user: ME)
    monkeypatch.setattr(tls, "INSTANCE", tls.Pair(certificate=tmp_path / "none.crt", key=tmp_path / "none.key"))
    monkeypatch.setattr(paths, "CERTIFICATES", tmp_path / "tls")
    monkeypatch.setattr(paths, "VNC_CERTIFICATE", tmp_path / "vnc.crt")
    monkeypatch.setattr(paths, "VNC_KEY", tmp_path / "vnc.key")
    return tmp_path


def test_the_certificate_is_kept_and_its_fingerprint_is_told(certificates: Path) -> None:
    """As openssl, and with it viewers, show it. The key is its user's alone."""
    assert credentials.fingerprint(host()) is None
    assert vnc_access.hand_over_certificate()
    before = paths.VNC_CERTIFICATE.read_bytes()
    assert vnc_access.hand_over_certificate() and paths.VNC_CERTIFICATE.read_bytes() == before
    assert paths.VNC_KEY.stat().st_mode & 0o777 == 0o600
    openssl = ["openssl", "x509", "-in", str(paths.VNC_CERTIFICATE), "-noout", "-fingerprint", "-sha256"]
    shown = subprocess.run(openssl, capture_output=True, text=True, check=True).stdout
    told = credentials.credentials(host(), Settings(), "secretpw")
    assert told["certificate"] == shown.strip().partition("=")[2]
    assert "certificate" not in credentials.credentials(host(screen="guide"), Settings(), "secretpw")
    paths.VNC_CERTIFICATE.write_text("no certificate")
    assert "certificate" not in credentials.credentials(host(), Settings(), "secretpw")


def test_an_instances_pair_is_served(certificates: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tls.Pair(certificate=certificates / "instance.crt", key=certificates / "instance.key")
    tls.make_self_signed(own)
    monkeypatch.setattr(tls, "INSTANCE", own)
    assert vnc_access.hand_over_certificate()
    assert paths.VNC_CERTIFICATE.read_bytes() == own.certificate.read_bytes()


def test_where_no_certificate_can_be_had_it_is_said(
    certificates: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(certificates))
    assert not vnc_access.hand_over_certificate()
    said = capsys.readouterr().out
    assert "no self-signed certificate could be made" in said and "going on: without X509Vnc" in said


GOOD = [
    ("", "", "1920x1080", "3840x2160"),
    ("1280x720", "", "1280x720", "3840x2160"),
    ("", "800x600", "800x600", "800x600"),
]


@pytest.mark.parametrize(("screen", "screen_max", "begins", "ends"), GOOD)
def test_the_screen_begins_and_grows_as_a_start_says(screen: str, screen_max: str, begins: str, ends: str) -> None:
    given = {"SCREEN": f" {screen}\n", "SCREEN_MAX": screen_max}
    settings = read_environment(given, host()).settings
    assert (str(first(host(), settings)), str(largest(settings))) == (begins, ends)
    assert f"-geometry {begins} -depth 24" in " ".join(xtigervnc.server(host(), settings))


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        *(("SCREEN", value, "SCREEN must be WIDTHxHEIGHT from 800x600 to 7680x4320") for value in ("big", "799x600")),
        *(("SCREEN_MAX", value, "SCREEN_MAX must be WIDTHxHEIGHT") for value in ("7681x4320", "1920x1080x24", "0x0")),
        ("SCREEN", "3841x2160", "SCREEN must not be larger than SCREEN_MAX, 3840x2160"),
        ("VNC_LOCKOUT", "off", 'VNC_LOCKOUT must be "true" or "false"'),
    ],
)
def test_a_wrong_one_is_refused_by_name(name: str, value: str, said: str) -> None:
    with pytest.raises(Problem, match=said):
        read_environment({name: value}, host())


def test_the_lockout_is_on_unless_it_is_switched_off() -> None:
    assert [
        read_environment(given, host()).settings.vnc_lockout
        for given in ({}, {"VNC_LOCKOUT": ""}, {"VNC_LOCKOUT": "true"}, {"VNC_LOCKOUT": "False"})
    ] == [True, True, True, False]


def test_the_minder_is_told_the_largest_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(screen_minder, "read_settings", lambda: Settings(screen_max=str(MOST)))
    assert screen_minder.launch(host()).variables["SCREEN_MAX"] == "7680x4320"
    monkeypatch.setattr(screen_minder, "read_settings", Settings)
    assert screen_minder.launch(host()).variables["SCREEN_MAX"] == str(USUAL_MOST)


@pytest.mark.parametrize(("soft", "wanted"), [(1 << 20, 1024), (256, 256)])
def test_the_guides_server_has_few_files_to_walk_over(soft: int, wanted: int) -> None:
    """With a million, as Docker gives, its greeting takes seconds."""
    source = f"""
import resource
from visomaster_host.services import x11vnc
from tests.unit.test_host_facts import host
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, {soft}), hard))
x11vnc.launch(host(access="portal", port=11111, tls_port=11443, screen="guide"))
print(*resource.getrlimit(resource.RLIMIT_NOFILE), hard)
"""
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)
    now, after, before = map(int, done.stdout.split())
    assert now == min(wanted, before) and after == before
