"""compose.yaml is what the tables say."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from visomaster_host import paths
from visomaster_host.choices import Access, ModelsAt

from spec.here import ROOT
from spec.published import HEALTHCHECK
from spec.variant import VARIANTS

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
SECRETS = {Access.VNC: ("vnc_password", "VNC_PASSWORD_FILE"), Access.PORTAL: ("portal_token", "OPEN_BUTTON_TOKEN_FILE")}


def test_one_service_for_each_variant() -> None:
    assert list(COMPOSE["services"]) == list(VARIANTS)


@pytest.mark.parametrize("name", VARIANTS)
def test_a_service_is_its_variant(name: str) -> None:
    service, variant = COMPOSE["services"][name], VARIANTS[name]
    assert service["profiles"] == [name]
    assert service["image"] == f"${{REPOSITORY:-visomaster}}:{variant.tags()[0]}"
    assert service["ports"] == [f"${{BIND:-127.0.0.1}}:{port}:{port}" for port in variant.ports]


@pytest.mark.parametrize("name", VARIANTS)
def test_its_secret_is_a_file(name: str) -> None:
    service = COMPOSE["services"][name]
    secret, variable = SECRETS[VARIANTS[name].access]
    assert service["secrets"] == [secret]
    assert service["environment"][variable] == f"/run/secrets/{secret}"
    assert COMPOSE["secrets"][secret] == {"file": f"./secrets/{secret}"}
    for ignored in (".gitignore", ".dockerignore"):
        assert "secrets" in (ROOT / ignored).read_text().replace("/", "").split()


@pytest.mark.parametrize("name", VARIANTS)
def test_models_are_kept_where_they_are_fetched_at_start(name: str) -> None:
    volumes = [f"${{WORKSPACE:-workspace}}:{paths.WORKSPACE}"]
    if VARIANTS[name].models is ModelsAt.START:
        volumes.append(f"models:{paths.MODELS}")
    assert COMPOSE["services"][name]["volumes"] == volumes
    assert set(COMPOSE["volumes"]) == {"workspace", "models"}


@pytest.mark.parametrize("name", VARIANTS)
def test_its_health_is_the_images(name: str) -> None:
    check = COMPOSE["services"][name]["healthcheck"]
    assert check == {
        "test": ["CMD", *HEALTHCHECK.command],
        "interval": f"{HEALTHCHECK.interval}s",
        "timeout": f"{HEALTHCHECK.timeout}s",
        "start_period": f"{HEALTHCHECK.start_period}s",
        "retries": HEALTHCHECK.retries,
    }


@pytest.mark.parametrize("name", VARIANTS)
def test_it_gets_the_gpus(name: str) -> None:
    (device,) = COMPOSE["services"][name]["deploy"]["resources"]["reservations"]["devices"]
    assert device == {"driver": "nvidia", "count": "all", "capabilities": ["gpu"]}


@pytest.mark.parametrize("name", VARIANTS)
def test_it_knows_where_it_is_opened(name: str) -> None:
    """What ends its log can be opened as it stands: each port is published under its own number."""
    environment = COMPOSE["services"][name]["environment"]
    ports = {key: value for key, value in environment.items() if key.startswith("VAST_TCP_PORT_")}
    assert ports == {f"VAST_TCP_PORT_{port}": f"{port}" for port in VARIANTS[name].ports}
    assert environment["PUBLIC_IPADDR"] == "${PUBLIC_IPADDR:-127.0.0.1}"
