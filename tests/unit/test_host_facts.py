"""host.json, the environment and the secrets: what is accepted, what is refused and in which words."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from visomaster_host import environment, paths, store
from visomaster_host.environment import Environment, read_environment
from visomaster_host.files import Owner, ensure_directory, write_atomic
from visomaster_host.host import Host, read_host
from visomaster_host.kept_entry import Kept
from visomaster_host.problems import Problem
from visomaster_host.settings import Settings, read_settings
from visomaster_host.xauthority import record

ME = Owner(uid=os.getuid(), gid=os.getgid())
FACTS = {
    "application": "sandbox",
    "window_title": "VisoMaster Sandbox",
    "access": "vnc",
    "models": "build",
    "port": 5901,
    "tls_port": 0,
    "screen": "tigervnc",
    "display": ":1",
    "geometry": "1920x1080x24",
    "commit": "0" * 40,
    "services": ["xtigervnc", "fluxbox", "visomaster_app"],
    "cuda_libraries": ["libcudart.so.12"],
    "state": [{"path": "presets", "folder": True, "by": "", "seed": ""}],
}


def host(**changes: object) -> Host:
    changes = {"tls_port": 11443 if changes.get("access") == "portal" else 0, **changes}
    lists = {name: tuple(FACTS[name]) for name in ("services", "cuda_libraries")}
    return Host(**{**FACTS, **lists, "state": tuple(Kept(**each) for each in FACTS["state"]), **changes})


def test_host_facts_are_read_back(tmp_path: Path) -> None:
    (tmp_path / "host.json").write_text(json.dumps(FACTS))
    assert read_host(tmp_path / "host.json") == host()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("access", "telnet"),
        ("models", "never"),
        ("port", 0),
        ("port", "5901"),
        ("port", True),
        ("tls_port", 11443),
        ("screen", "xvfb"),
        ("geometry", "1920x1080"),
        ("display", "1"),
        ("window_title", " "),
        ("services", []),
        ("services", ["x;y"]),
        ("services", [1]),
        ("commit", None),
        ("application", "../x"),
        ("application", ".x"),
        ("state", "presets"),
        ("state", ["presets"]),
        ("state", [{"path": "../x", "folder": True}]),
        ("state", [{"path": "x", "folder": True}, {"path": "x/y", "folder": False}]),
        ("state", [{"path": "x", "folder": True, "odd": 1}]),
    ],
)
def test_a_wrong_fact_is_refused_by_name(tmp_path: Path, field: str, value: object) -> None:
    (tmp_path / "host.json").write_text(json.dumps({**FACTS, field: value}))
    with pytest.raises(Problem, match=field):
        read_host(tmp_path / "host.json")


def test_a_missing_or_broken_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="run the deploy first"):
        read_host(tmp_path / "host.json")
    (tmp_path / "host.json").write_text("{")
    with pytest.raises(Problem, match="not JSON"):
        read_host(tmp_path / "host.json")


@pytest.mark.parametrize("password", ["a", "12345678", "a b\"'%$\\", " lead"])
def test_vnc_passwords_that_are_taken(password: str) -> None:
    assert read_environment({"VNC_PASSWORD": password}, host()).vnc_password == password


@pytest.mark.parametrize("password", ["", "123456789", "a\tb", "a\nb", "pässwd", "\x7f", "__SKIP__", "__COMM__"])
def test_vnc_passwords_that_are_refused_without_being_repeated(password: str) -> None:
    with pytest.raises(Problem, match="VNC_PASSWORD") as refusal:
        read_environment({"VNC_PASSWORD": password}, host())
    assert "\n" not in str(refusal.value)
    assert len(password) < 3 or password.startswith("__") or password not in str(refusal.value)


@pytest.mark.parametrize("token", ["", "1", "x" * 15])
def test_a_short_token_means_please_generate(token: str) -> None:
    assert read_environment({"OPEN_BUTTON_TOKEN": token}, host(access="portal")).portal_token is None


def test_a_token_may_hold_any_printable_character() -> None:
    token = "sixteen \"'%{}$\\é*?&="
    assert read_environment({"OPEN_BUTTON_TOKEN": token}, host(access="portal")).portal_token == token


@pytest.mark.parametrize("token", ["x" * 16 + "\nx", "x" * 16 + "\udcff", " " + "x" * 16])
def test_a_token_with_others_is_refused(token: str) -> None:
    with pytest.raises(Problem, match="OPEN_BUTTON_TOKEN"):
        read_environment({"OPEN_BUTTON_TOKEN": token}, host(access="portal"))


SECRETS = [("VNC_PASSWORD", "vnc", "hunter2"), ("OPEN_BUTTON_TOKEN", "portal", "sixteen or longer")]


@pytest.mark.parametrize(("name", "access", "secret"), SECRETS)
@pytest.mark.parametrize("around", [b"%s", b"%s\n", b"%s\r\n", b"\xef\xbb\xbf%s\r\n"])
def test_a_secret_may_come_as_a_file(tmp_path: Path, name: str, access: str, secret: str, around: bytes) -> None:
    """Also one of an editor of Windows."""
    (tmp_path / "secret").write_bytes(around % secret.encode())
    given = read_environment({f"{name}_FILE": str(tmp_path / "secret")}, host(access=access))
    assert secret in (given.vnc_password, given.portal_token)


@pytest.mark.parametrize(("name", "access", "secret"), SECRETS)
def test_a_secret_given_twice_is_refused(tmp_path: Path, name: str, access: str, secret: str) -> None:
    (tmp_path / "secret").write_text(secret)
    with pytest.raises(Problem, match=f"{name} and {name}_FILE are both set, expected one of them"):
        read_environment({name: secret, f"{name}_FILE": str(tmp_path / "secret")}, host(access=access))


@pytest.mark.parametrize(("name", "access", "secret"), SECRETS)
def test_a_secret_file_that_is_not_there_is_refused(tmp_path: Path, name: str, access: str, secret: str) -> None:
    """Never a generated secret instead of the one that was meant."""
    with pytest.raises(Problem, match=f"{name}_FILE: cannot read .*: No such file"):
        read_environment({f"{name}_FILE": str(tmp_path / "none")}, host(access=access))


@pytest.mark.parametrize(
    ("name", "access", "content"),
    [
        ("VNC_PASSWORD", "vnc", b""),
        ("VNC_PASSWORD", "vnc", b"two\nlines\n"),
        ("VNC_PASSWORD", "vnc", b"too long for VNC"),
        ("OPEN_BUTTON_TOKEN", "portal", b""),
        ("OPEN_BUTTON_TOKEN", "portal", b"1\n"),
        ("OPEN_BUTTON_TOKEN", "portal", b"sixteen or longer\nand another\n"),
        ("OPEN_BUTTON_TOKEN", "portal", b"\xff" * 16),
    ],
)
def test_a_secret_file_with_anything_else_is_refused(tmp_path: Path, name: str, access: str, content: bytes) -> None:
    (tmp_path / "secret").write_bytes(content)
    with pytest.raises(Problem, match=name):
        read_environment({f"{name}_FILE": str(tmp_path / "secret")}, host(access=access))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ENABLE_HTTPS", "yes"),
        ("MODELS_DIR", "models"),
        ("MODELS_DIR", "/volume\n/models"),
        ("VAST_CONTAINERLABEL", "a b"),
        ("VAST_CONTAINERLABEL", "a;b"),
    ],
)
def test_a_wrong_setting_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(Problem, match=name):
        read_environment({name: value}, host())


def test_models_that_came_with_the_host_stay_where_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    given = {"MODELS_DIR": "/volume/models"}
    assert read_environment(given, host(models="start")).settings.models_dir == "/volume/models"
    assert not capsys.readouterr().out
    assert read_environment(given, host(models="build")).settings.models_dir == ""
    assert "MODELS_DIR is not used" in capsys.readouterr().out


def test_the_public_address_comes_from_vast() -> None:
    variables = {"PUBLIC_IPADDR": "203.0.113.7", "VAST_TCP_PORT_5901": "40123", "ENABLE_HTTPS": "True"}
    settings = read_environment(variables, host()).settings
    ports = {"5901": "40123"}
    assert settings == Settings(public_address="203.0.113.7:40123", outside_ports=ports, enable_https=True)


AROUND = ["{}\n", "{}\r\n", " {} ", "\t{}", '"{}"', "'{}'", '"{}"\r\n', '" {} "', "\ufeff{}\r"]
"""What `-e NAME="$(cat file)"`, `--env-file` and editors put around a value."""
GIVEN = {
    "VAST_CONTAINERLABEL": "C.7",
    "PORTAL_CONFIG": '{"version": 2}',
    "VISOMASTER_MIRRORS": "https://a.example/=https://b.example/",
    "MODELS_DIR": "/volume/models",
    "PUBLIC_IPADDR": "203.0.113.7",
    "VAST_TCP_PORT_11111": "40123",
    "ENABLE_HTTPS": "true",
}


@pytest.mark.parametrize("around", AROUND)
def test_what_stands_around_a_value_is_no_part_of_it(around: str, capsys: pytest.CaptureFixture[str]) -> None:
    portal = host(access="portal", models="start", port=11111)
    given = {name: around.format(value) for name, value in GIVEN.items()}
    assert read_environment(given, portal) == read_environment(GIVEN, portal)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(("name", "access", "secret"), SECRETS)
@pytest.mark.parametrize("around", ["{}\n", "{}\r\n", "{}\r", '"{}"', "'{}'\r"])
def test_a_secret_ends_with_its_line(
    tmp_path: Path, name: str, access: str, secret: str, around: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Quotes are left out in a variable, and a line says so; in a file, which no shell reads, they are meant."""
    given = read_environment({name: around.format(secret)}, host(access=access))
    assert secret in (given.vnc_password, given.portal_token)
    said = capsys.readouterr().out
    assert ("quotes" in said) is (around[-1] in "\"'" or around[0] in "\"'") and secret not in said
    if around.strip() == "{}":
        (tmp_path / "secret").write_text(around.format(secret), newline="")
        given = read_environment({f"{name}_FILE": str(tmp_path / "secret")}, host(access=access))
        assert secret in (given.vnc_password, given.portal_token)


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("203.0.113.7\n", "203.0.113.7:40123"),
        ("2001:db8::7", "[2001:db8::7]:40123"),
        ("[2001:db8::7]\n", "[2001:db8::7]:40123"),
        ("::ffff:203.0.113.7", "[::ffff:203.0.113.7]:40123"),
        ("box.example.org", "box.example.org:40123"),
        ("", ""),
        (" \n", ""),
    ],
)
def test_an_address_is_one_line_and_can_be_followed(
    address: str, shown: str, capsys: pytest.CaptureFixture[str]
) -> None:
    variables = {"PUBLIC_IPADDR": address, "VAST_TCP_PORT_5901": "40123\n"}
    assert read_environment(variables, host()).settings.public_address == shown
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "address",
    [
        "203.0.113",
        "203.0.113.7.8",
        "999.1.1.1",
        "1.2.3.4 5.6.7.8",
        "1.2.3.4\n5.6.7.8",
        "fe80::1%eth0",
        "[box]",
        "2001:db8",
        "203.0.113.7:80",
        "<script>",
        "a..b",
        "-a",
        "\x1b[2J",
        "http://x",
        "\x00",
        "\udcff",
        "ü",
    ],
)
def test_what_is_no_address_is_said_and_not_used(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The desktop is there all the same."""
    variables = {"PUBLIC_IPADDR": address, "VAST_TCP_PORT_5901": "40123"}
    assert read_environment(variables, host()).settings.public_address == ""
    [line] = capsys.readouterr().out.splitlines()
    assert line.startswith("visomaster-start: PUBLIC_IPADDR is not used: ") and line.isprintable()


@pytest.mark.parametrize("port", ["", "0", "65536", "4o123", "٤٠", "1 2", "-1"])
def test_what_is_no_port_is_said_and_not_used(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    variables = {"PUBLIC_IPADDR": "203.0.113.7", "VAST_TCP_PORT_5901": port, "VAST_TCP_PORT_X": "1"}
    settings = read_environment(variables, host()).settings
    assert (settings.public_address, settings.outside_ports) == ("", {})
    [line] = capsys.readouterr().out.splitlines()
    assert line.startswith("visomaster-start: VAST_TCP_PORT_5901 is not used: ")


def test_secrets_do_not_show_in_a_representation() -> None:
    assert "hunter2" not in repr(Environment(vnc_password="hunter2", portal_token="hunter2"))


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(paths, "SECRETS", tmp_path / "secrets")
    monkeypatch.setattr(paths, "SETTINGS", tmp_path / "settings.json")
    for module in (store, environment):
        monkeypatch.setattr(module, "ROOT", ME)
    monkeypatch.setattr(store, "ensure_directory", lambda path, mode: ensure_directory(path, mode=mode, owner=ME))
    return tmp_path


def test_a_generated_password_stays_until_another_is_given(kept: Path) -> None:
    environment.keep(Environment(), host())
    first = store.read_secret(store.VNC_PASSWORD)
    assert first is not None
    assert len(first) == 8
    assert first.isalnum()
    environment.keep(Environment(), host())
    assert store.read_secret(store.VNC_PASSWORD) == first
    environment.keep(Environment(vnc_password="given"), host())
    environment.keep(Environment(), host())
    assert store.read_secret(store.VNC_PASSWORD) == "given"
    assert (kept / "secrets").stat().st_mode & 0o777 == 0o700
    assert (kept / "secrets" / store.VNC_PASSWORD).stat().st_mode & 0o777 == 0o600


def test_a_portal_host_keeps_a_token_and_no_password(kept: Path) -> None:
    environment.keep(Environment(settings=Settings(portal_config="x")), host(access="portal"))
    assert len(store.read_secret(store.PORTAL_TOKEN) or "") == 32
    assert store.read_secret(store.VNC_PASSWORD) is None
    assert read_settings() == Settings(portal_config="x")


@pytest.mark.parametrize(
    ("access", "name", "own", "length"),
    [("vnc", store.VNC_PASSWORD, "mine", 8), ("portal", store.PORTAL_TOKEN, "a token of my own", 32)],
)
def test_a_secret_is_renewed(kept: Path, access: str, name: str, own: str, length: int) -> None:
    environment.keep(Environment(), host(access=access))
    first = store.read_secret(name)
    environment.renew(host(access=access), None)
    second = store.read_secret(name)
    assert second is not None and second != first and len(second) == length
    environment.renew(host(access=access), own)
    assert store.read_secret(name) == own


@pytest.mark.parametrize(
    ("access", "secret", "said"),
    [("vnc", "", "got 0"), ("vnc", "123456789", "got 9"), ("portal", "", "got 0"), ("portal", "short", "got 5")],
)
def test_what_cannot_be_a_secret_changes_nothing(kept: Path, access: str, secret: str, said: str) -> None:
    """A portal never falls back to one that is generated when a person names one."""
    environment.keep(Environment(), host(access=access))
    name = store.VNC_PASSWORD if access == "vnc" else store.PORTAL_TOKEN
    before = store.read_secret(name)
    with pytest.raises(Problem, match=said):
        environment.renew(host(access=access), secret)
    assert store.read_secret(name) == before


def test_damaged_settings_are_said(kept: Path) -> None:
    (kept / "settings.json").write_text('{"unknown": 1}')
    with pytest.raises(Problem, match="damaged"):
        read_settings()


def test_secrets_leave_the_environment() -> None:
    variables = {"VNC_PASSWORD": "a", "OPEN_BUTTON_TOKEN": "b", "PORTAL_CONFIG": "c"}
    environment.drop_secrets(variables)
    assert variables == {"PORTAL_CONFIG": "c"}


def test_a_planted_link_is_replaced_not_followed(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("precious")
    (tmp_path / "file").symlink_to(tmp_path / "target")
    write_atomic(tmp_path / "file", b"new", mode=0o640, owner=ME)
    assert (tmp_path / "target").read_text() == "precious"
    assert (tmp_path / "file").read_bytes() == b"new"
    assert (tmp_path / "file").lstat().st_mode & 0o777 == 0o640
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "target"]


def test_a_link_in_place_of_a_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "directory").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(NotADirectoryError):
        ensure_directory(tmp_path / "directory", mode=0o700, owner=ME)


def test_the_cookie_record_is_as_xauth_writes_it() -> None:
    expected = b"\xff\xff\x00\x00\x00\x011\x00\x12MIT-MAGIC-COOKIE-1\x00\x10" + b"c" * 16
    assert record("1", b"c" * 16) == expected
