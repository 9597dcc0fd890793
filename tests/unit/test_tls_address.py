"""Where the port that always speaks TLS is found from outside."""

from __future__ import annotations

import pytest
from visomaster_host import addresses, credentials
from visomaster_host.portal.config import ConfigError, OwnPage, PortalConfig, parse
from visomaster_host.settings import Settings, outside_port

from tests.unit.test_host_facts import host

TOKEN = "0123456789abcdef"
PORTAL = host(access="portal", port=11111, tls_port=11443)


@pytest.mark.parametrize(
    ("published", "label", "found"),
    [
        ({}, "", 11443),  # nobody tells: Docker, a machine of one's own
        ({"11111": "40111", "11443": "40443"}, "C.1", 40443),
        ({"11111": "40111"}, "C.1", None),
        ({}, "C.1", None),
    ],
)
def test_vast_tells_each_port_that_it_publishes(published: dict[str, str], label: str, found: int | None) -> None:
    assert outside_port(11443, published, label) == found


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (Settings(), f"https://{addresses.UNKNOWN_ADDRESS}:11443/"),
        (
            Settings(public_address="203.0.113.7:40111", outside_ports={"11111": "40111", "11443": "40443"}),
            "https://203.0.113.7:40443/",
        ),
        (
            Settings(public_address="[2001:db8::7]:40111", outside_ports={"11111": "40111", "11443": "40443"}),
            "https://[2001:db8::7]:40443/",
        ),
        (Settings(public_address="203.0.113.7:40111", outside_ports={"11111": "40111"}), None),
    ],
)
def test_credentials_tell_it_where_it_is_published(settings: Settings, expected: str | None) -> None:
    found = credentials.credentials(PORTAL, settings, TOKEN)
    assert found.get("https") == (expected and f"{expected}?token={TOKEN}")
    assert found["url"].startswith("http://")


def test_the_stream_is_a_page_of_the_portal() -> None:
    """No service can take its place."""
    config = parse('{"version": 2, "services": [{"name": "Desktop", "uri": "/desktop/"}]}', PortalConfig(services=()))
    assert config.services == (OwnPage(name="Desktop", path="/desktop/"),)
    with pytest.raises(ConfigError, match="a name with letters or digits that is not a page of the portal"):
        parse("localhost:6100:16100:/:Desktop", PortalConfig(services=()))
