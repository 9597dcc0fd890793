"""PORTAL_CONFIG: what is understood, and that everything else is refused by the name of its field."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from visomaster_host.choices import Access, ModelsAt
from visomaster_host.portal import config
from visomaster_host.portal.config import (
    ConfigError,
    OtherPort,
    OwnPage,
    PortalConfig,
    Proxied,
    offered,
)
from visomaster_host.portal.render import links, services_file
from visomaster_host.services import services_for

DEFAULT = offered(services_for(Access.PORTAL, ModelsAt.BUILD))

GUIDE = (
    '{"version":2,"port":11111,"services":[{"name":"VNC","uri":"/vnc/","proto":"http","rewrite":true,"auth":true},'
    '{"name":"AppLogs","uri":"/logs/visomaster_app.log","auth":true},{"name":"VNCLogs","uri":"/logs/x11vnc.log","auth":true},'
    '{"name":"CaddyLogs","uri":"/logs/caddy.log","auth":true},{"name":"LogBrowse","uri":"/logs/","auth":true}]}'
)
VAST = (
    "localhost:1111:11111:/:Instance Portal|localhost:8080:18080:/:Jupyter"
    "|localhost:8080:8080:/terminals/1:Jupyter Terminal"
)


def parse(text: str | None, port: int = config.PORTAL_PORT) -> PortalConfig:
    return config.parse(text, DEFAULT, port)


@pytest.mark.parametrize("text", [None, "", "  \n "])
def test_nothing_given_is_the_default(text: str | None) -> None:
    """The guide's five services."""
    assert parse(text) == DEFAULT


def test_the_guides_text_is_the_default() -> None:
    """What the guide says to paste describes what is served without it."""
    assert parse(GUIDE) == DEFAULT
    assert len(DEFAULT.services) == 5


def test_the_text_of_vasts_templates() -> None:
    """The portal itself, a proxied service, and a service with a public port of its own."""
    assert parse(VAST).services == (
        OwnPage(name="Instance Portal", path="/"),
        Proxied(name="Jupyter", prefix="/jupyter", port=18080),
        OtherPort(name="Jupyter Terminal", port=8080, path="/terminals/1"),
    )


def test_a_name_may_hold_colons_and_other_letters() -> None:
    """The string is split four times, as Vast's own portal does it."""
    (service,) = parse("127.0.0.1:1:8888:/lab/tree:Jupyter: Müller & Söhne").services
    assert service == Proxied(
        name="Jupyter: Müller & Söhne", prefix="/jupyter-m-ller-s-hne", port=8888, landing="/lab/tree"
    )


def test_every_field_of_the_json_form() -> None:
    """proto, rewrite and auth are honoured for a proxied service."""
    service = {
        "name": "J",
        "uri": "/jupyter/",
        "port": 8888,
        "proto": "https",
        "rewrite": False,
        "auth": False,
    }
    (parsed,) = parse(json.dumps({"version": 2, "services": [service]})).services
    assert parsed == Proxied(name="J", prefix="/jupyter", port=8888, scheme="https", strip_prefix=False, auth=False)


def document(*services: Any, **top: Any) -> str:
    return json.dumps({"version": 2, "services": list(services), **top})


GOOD = {"name": "x", "uri": "/x/", "port": 8888}
MALFORMED: dict[str, tuple[str, str]] = {
    # the string form
    "no entry": ("hello", "entry 1"),
    "four parts": ("localhost:80:8080:/", "entry 1"),
    "empty entry": ("localhost:80:8080:/:x|", "entry 2"),
    "empty host": (":80:8080:/:x", "entry 1 host"),
    "other host": ("evil.example:80:8080:/:x", "entry 1 host"),
    "all addresses": ("0.0.0.0:80:8080:/:x", "entry 1 host"),
    "host with a user": ("me@localhost:80:8080:/:x", "entry 1 host"),
    "IPv6": ("[::1]:80:8080:/:x", "entry 1 host"),
    "port zero": ("localhost:0:8080:/:x", "entry 1 external port"),
    "port too big": ("localhost:80:65536:/:x", "entry 1 internal port"),
    "negative port": ("localhost:-1:8080:/:x", "entry 1 external port"),
    "port with a space": ("localhost: 80:8080:/:x", "entry 1 external port"),
    "port in other digits": ("localhost:80:٨٠٨٠:/:x", "entry 1 internal port"),
    "port with a leading zero": ("localhost:080:8080:/:x", "entry 1 external port"),
    "no port": ("localhost::8080:/:x", "entry 1 external port"),
    "relative path": ("localhost:80:8080:lab:x", "entry 1 path"),
    "path going up": ("localhost:80:8080:/../etc:x", "entry 1 path"),
    "path with a dot segment": ("localhost:80:8080:/./x:x", "entry 1 path"),
    "path with an escape": ("localhost:80:8080:/%2e%2e/:x", "entry 1 path"),
    "path with a quote": ('localhost:80:8080:/":x', "entry 1 path"),
    "path with a brace": ("localhost:80:8080:/{env.PORTAL_TOKEN}:x", "entry 1 path"),
    "path with a line break": ("localhost:80:8080:/\n}:x", "entry 1 path"),
    "path with two slashes": ("localhost:80:8080://evil.example:x", "entry 1 path"),
    "empty name": ("localhost:80:8080:/:", "entry 1 name"),
    "name with a brace": ("localhost:80:8080:/:a{b}", "entry 1 name"),
    "name with a tag": ("localhost:80:8080:/:<script>", "entry 1 name"),
    "name with a quote": ("localhost:80:8080:/:a'b", "entry 1 name"),
    "name with a line break": ("localhost:80:8080:/:a\nb", "entry 1 name"),
    "name with a null": ("localhost:80:8080:/:a\0b", "entry 1 name"),
    "long name": ("localhost:80:8080:/:" + "x" * 41, "entry 1 name"),
    "name without a letter for its path": ("localhost:80:8080:/:日本", "entry 1 name"),
    "name of a page of ours": ("localhost:80:8080:/:VNC", "entry 1 name"),
    "two of one name": ("localhost:80:8080:/:x|localhost:81:8081:/:X", "entry 2 name"),
    "two of one path": ("localhost:80:8080:/:a b|localhost:81:8081:/:a-b", "entry 2 path"),
    "the desktop's own port": ("localhost:80:5900:/:x", "entry 1 internal port"),
    "websockify's own port": ("localhost:80:6080:/:x", "entry 1 internal port"),
    "no page of the portal": ("localhost:80:11111:/etc/:x", "entry 1 path"),
    "too long": ("localhost:80:8080:/:x|" * 500, "PORTAL_CONFIG"),
    "too many": ("|".join(f"localhost:80:8080:/:x{n}" for n in range(33)), "PORTAL_CONFIG services"),
    # the JSON form
    "JSON cut short": (GUIDE[:-1], "PORTAL_CONFIG"),
    "JSON too deep": ('{"version":' + "[" * 8000, "PORTAL_CONFIG"),
    "JSON list": ("[]", "entry 1"),
    "key given twice": ('{"version":2,"version":2,"services":[]}', "PORTAL_CONFIG"),
    "no version": ('{"services":[]}', "PORTAL_CONFIG"),
    "another version": (document(GOOD, version=3), "version"),
    "version as text": (document(GOOD, version="2"), "version"),
    "version as a truth": (document(GOOD, version=True), "version"),
    "another port": (document(GOOD, port=1111), "port"),
    "no services": (document(), "services"),
    "services as an object": ('{"version":2,"services":{}}', "services"),
    "unknown key": (document(GOOD, admin="on"), "PORTAL_CONFIG"),
    "service as text": (document("VNC"), "services[0]"),
    "service without a name": (document({"uri": "/vnc/"}), "services[0]"),
    "service without a uri": (document({"name": "VNC"}), "services[0]"),
    "unknown key of a service": (document({**GOOD, "host": "10.0.0.1"}), "services[0]"),
    "name as a number": (document({**GOOD, "name": 1}), "services[0].name"),
    "uri as null": (document({**GOOD, "uri": None}), "services[0].uri"),
    "uri of elsewhere": (document({"name": "x", "uri": "http://evil.example/"}), "services[0].uri"),
    "uri of no page": (document({"name": "x", "uri": "/etc/"}), "services[0].uri"),
    "uri going up": (document({"name": "x", "uri": "/logs/../etc"}), "services[0].uri"),
    "prefix of ours": (document({**GOOD, "uri": "/vnc/"}), "services[0].uri"),
    "prefix of a person's files": (document({**GOOD, "uri": "/files/"}), "services[0].uri"),
    "name of a person's files": ("localhost:1:8080:/:Files", "entry 1 name"),
    "prefix of two parts": (document({**GOOD, "uri": "/a/b/"}), "services[0].uri"),
    "prefix with a line break": (document({**GOOD, "uri": "/x\n"}), "services[0].uri"),
    "prefix with a brace": (document({**GOOD, "uri": "/x{/"}), "services[0].uri"),
    "no prefix": (document({**GOOD, "uri": "/"}), "services[0].uri"),
    "port as text": (document({**GOOD, "port": "8888"}), "services[0].port"),
    "port as a fraction": (document({**GOOD, "port": 80.5}), "services[0].port"),
    "port as a truth": (document({**GOOD, "port": True}), "services[0].port"),
    "port out of range": (document({**GOOD, "port": 65536}), "services[0].port"),
    "port of the portal": (document({**GOOD, "port": 11111}), "services[0].port"),
    "proto ftp": (document({**GOOD, "proto": "ftp"}), "services[0].proto"),
    "rewrite as a number": (document({**GOOD, "rewrite": 1}), "services[0].rewrite"),
    "auth as text": (document({**GOOD, "auth": "false"}), "services[0].auth"),
    "the desktop without a login": (
        document({"name": "VNC", "uri": "/vnc/", "auth": False}),
        "services[0].auth",
    ),
    "the second of two": (document(GOOD, {**GOOD, "name": "y"}), "services[1] path"),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_a_malformed_text_is_refused_in_one_line_that_names_the_field(case: str) -> None:
    """Nothing is guessed, and the reader is told where to look."""
    text, field = MALFORMED[case]
    with pytest.raises(ConfigError) as refusal:
        parse(text)
    message = str(refusal.value)
    assert message.startswith("PORTAL_CONFIG")
    assert message.partition(": ")[0].endswith(field)
    assert "expected" in message
    assert message.isprintable()
    assert len(message) < 300


SAFE_LINE = re.compile(r"[\t -~]*")
names = st.text(max_size=50)
ports = st.integers(-1, 70000)
values: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    ports,
    st.text(max_size=12),
    st.sampled_from(["/vnc/", "/x/", "/logs/", "http", "https", 2]),
)
services = st.dictionaries(st.sampled_from(["name", "uri", "port", "proto", "rewrite", "auth", "x"]), values)
entries = st.builds(
    "{}:{}:{}:{}:{}".format,
    st.sampled_from(["localhost", "127.0.0.1", "x"]),
    ports,
    ports,
    st.one_of(st.just("/"), st.text(max_size=12)),
    names,
)
texts = st.one_of(
    st.text(),
    st.lists(entries, min_size=1, max_size=4).map("|".join),
    st.builds(lambda version, found: json.dumps({"version": version, "services": found}), values, st.lists(services)),
)


@given(texts)
def test_whatever_is_accepted_is_harmless(text: str) -> None:
    """Any text at all is refused with one clear line, or gives a file whose every value Caddy takes as plain
    words.
    """
    try:
        config = parse(text)
    except ConfigError as error:
        assert str(error).isprintable()
        return
    assert_harmless(config)


@given(
    st.from_regex(
        r"(localhost|127\.0\.0\.1):[1-9][0-9]{0,3}:[1-9][0-9]{0,3}:(/[a-z]{1,5}){0,3}:[a-zA-Z]{1,20}",
        fullmatch=True,
    )
)
def test_a_well_formed_entry_is_understood(text: str) -> None:
    """Except where it wants a place of ours."""
    try:
        config = parse(text)
    except ConfigError as error:
        assert re.search(r"portal|web service", str(error))
        return
    assert config.services[0].name == text.split(":", 4)[4]
    assert_harmless(config)


def assert_harmless(config: PortalConfig) -> None:
    for service in config.proxied:
        assert re.fullmatch(r"/[a-z0-9][a-z0-9_-]*", service.prefix)
        assert 0 < service.port < 65536
    rendered = services_file(config, "C.1_auth_token")
    assert rendered.count("{") == rendered.count("}")
    assert rendered.count("reverse_proxy ") == len(config.proxied)
    assert all(SAFE_LINE.fullmatch(line) for line in rendered.splitlines())
    for link in links(config):
        assert re.match(r"\./", str(link.get("href", "./")))


def test_a_portal_on_another_port_knows_itself_by_that_one() -> None:
    """Its own pages are there, and 11111 is somebody else's service."""
    text = "localhost:8443:8443:/:Instance Portal|localhost:1:11111:/:Theirs"
    assert parse(text, 8443).services == (
        OwnPage(name="Instance Portal", path="/"),
        Proxied(name="Theirs", prefix="/theirs", port=11111),
    )
    assert parse(GUIDE, 8443) == DEFAULT
    with pytest.raises(ConfigError, match="11111, got 8443"):
        parse(GUIDE.replace("11111", "8443"))


@pytest.mark.parametrize("depth", [5, 900, 990, 991, 992, 993, 994, 995, 3000])
def test_a_deep_json_is_refused_at_any_depth(depth: int) -> None:
    """Where it can just be parsed, but not be shown whole."""
    services = "[" * depth + "]" * depth
    with pytest.raises(ConfigError, match=r"^PORTAL_CONFIG") as refusal:
        parse(f'{{"version":2,"services":{services}}}')
    assert len(str(refusal.value)) < 300


@pytest.mark.parametrize(
    "text", ["localhost:8080:18080:/?token=hidden:Jupyter", '{"version":2,"services":[{"uri":"/x?token=hidden"}]}']
)
def test_a_refusal_shows_no_query(text: str) -> None:
    """It may hold another service's secret, and refusals are on a page and in a log."""
    with pytest.raises(ConfigError) as refusal:
        parse(text)
    assert "hidden" not in str(refusal.value)


def test_a_service_on_another_port_is_linked_where_it_is_published() -> None:
    """Vast gives each port another number outside, and tells it in VAST_TCP_PORT_<port>."""
    config = parse("localhost:8384:8384:/:Syncthing|localhost:6006:6006:/:TensorBoard")
    found = [(link["name"], link["port"]) for link in links(config, {"8384": "40123"}) if link["kind"] == "port"]
    assert found == [("Syncthing", 40123), ("TensorBoard", 6006)]
