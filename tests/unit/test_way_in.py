"""The box of a deploy, by the way its host is reached: every command in it can be copied."""

from __future__ import annotations

from typing import Any

import pytest
from pyinfra.api.config import Config
from pyinfra.api.host import Host
from pyinfra.api.inventory import Inventory
from pyinfra.api.state import State
from visomaster_host.addresses import UNKNOWN_ADDRESS
from visomaster_host.choices import Access

from controller.way_in import Made, of_image, summary

UNKNOWN = f"http://{UNKNOWN_ADDRESS}:11111/"


def host(name: str, **data: Any) -> Host:
    """A host of an inventory, not connected to."""
    inventory = Inventory(([(name, data)], {}))
    State(inventory, Config()).init(inventory, Config())
    (found,) = inventory
    return found


def text(of: Host, found: str = UNKNOWN, access: Access = Access.PORTAL, port: int = 11111) -> str:
    return "\n".join(summary(of, access, port, found).lines())


@pytest.fixture(autouse=True)
def nobodys_config(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("controller.way_in.get_ssh_config", lambda file: None)


def test_over_ssh_it_is_a_tunnel_first() -> None:
    shown = text(host("192.0.2.7", ssh_user="root", ssh_port=2222, ssh_key="/keys/a b"))
    ssh = "-i '/keys/a b' -p 2222 root@192.0.2.7"
    assert f"first, in a second terminal: ssh -L 11111:127.0.0.1:11111 {ssh}\n" in shown
    assert "then http://127.0.0.1:11111/\n" in shown
    assert f"Log in  ssh {ssh} visomaster-credentials\n" in shown
    assert f"Stop    ssh {ssh} supervisorctl shutdown\n" in shown
    assert "Check   make verify HOST=paramiko://root@192.0.2.7:2222 KEY='/keys/a b'\n" in shown


def test_a_published_address_needs_no_tunnel() -> None:
    shown = text(host("192.0.2.7", ssh_user="root"), "http://192.0.2.7:40111/")
    assert "Open    http://192.0.2.7:40111/\n" in shown and "-L" not in shown


def test_another_user_than_root_needs_sudo() -> None:
    shown = text(host("box", ssh_user="ubuntu", _sudo=True), access=Access.VNC, port=5901)
    assert "then 127.0.0.1:5901 in a VNC client\n" in shown
    assert "ssh ubuntu@box sudo visomaster-credentials\n" in shown
    assert "make verify HOST='paramiko://ubuntu@box?sudo=True'\n" in shown


def test_a_box_of_vast_is_ended_by_its_number() -> None:
    shown = text(host("vast-12", ssh_hostname="192.0.2.7", ssh_port=4022, ssh_user="root"))
    assert "make end BOX=12 destroys it" in shown and "root@192.0.2.7" in shown
    assert "make end" not in text(host("vast-box", ssh_user="root"))


def test_this_machine_is_opened_as_it_is() -> None:
    shown = text(host("@local"))
    assert "Open    http://127.0.0.1:11111/\n" in shown and "HOST=local://\n" in shown and "ssh" not in shown


def test_an_address_over_tls_stays_one() -> None:
    assert "https://127.0.0.1:11111/" in text(host("@local"), f"https://{UNKNOWN_ADDRESS}:11111/")


@pytest.mark.parametrize(
    ("name", "own", "said"),
    [
        ("@bake/debian:12", False, "docker run --detach --gpus all --name visomaster -p 127.0.0.1:11111:11111 me/x:1"),
        ("@docker/debian:12", False, "-p 127.0.0.1:11111:11111 --entrypoint visomaster-start IMAGE-ID"),
        ("@docker/3f9a0c12beef", True, "docker exec 3f9a0c12beef visomaster-start"),
    ],
)
def test_an_image_says_how_it_is_run(name: str, own: bool, said: str) -> None:
    connector: Any = host(name).connector
    if own:
        connector.no_stop, connector.container_id = True, "3f9a0c12beef"
    made = Made(access=Access.PORTAL, port=11111, is_started=False, image="me/x:1")
    shown = "\n".join(of_image(connector, made).lines())
    container = "3f9a0c12beef" if own else "visomaster"
    assert f"{said}\n" in shown and "then http://127.0.0.1:11111/\n" in shown
    assert f"docker exec {container} visomaster-credentials\n" in shown
    assert f"make verify HOST=docker://{container}\n" in shown
