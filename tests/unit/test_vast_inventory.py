"""The Vast.ai inventory against a fake API: what it finds, and how it fails when the answer is no good."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.fake_vast import KEY, Canned, FakeVast, instance
from vast import inventory
from vast.api import read_key
from vast.boxes import NO_VARIANT
from vast.errors import VastError

ROOT = Path(__file__).resolve().parents[2]
BY_HAND = "; by hand: vastai show instances"
PYINFRA = str(Path(sys.executable).parent / "pyinfra")


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeVast]:
    """An empty account."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with FakeVast().serving() as fake:
        yield fake


class Run:
    """One load of the inventory, with what it said and how long it would have slept."""

    def __init__(self, account: FakeVast, **environment: str) -> None:
        self.said: list[str] = []
        self.slept: list[float] = []
        environment = {"VAST_API_KEY": KEY, "HOME": "/nonexistent", "VAST_URL": account.url, **environment}
        began = time.time()
        self.groups = inventory.groups(
            environment, self.said.append, self.slept.append, clock=lambda: began + sum(self.slept)
        )

    @property
    def hosts(self) -> Mapping[str, dict[str, object]]:
        return {name: data for group in self.groups.values() for name, data in group}

    def members(self, group: str) -> list[str]:
        return [name for name, _ in self.groups[group]]


def only(account: FakeVast, **changes: Any) -> dict[str, object]:
    """The host data of a single instance, changed."""
    account.instances = [instance(7, **changes)]
    return dict(Run(account).hosts["vast-7"])


def refusal(account: FakeVast, **environment: str) -> str:
    """The one line with which the inventory fails."""
    with pytest.raises(VastError) as caught:
        Run(account, **environment)
    message = str(caught.value)
    assert "\n" not in message
    assert KEY not in message
    return message


def test_every_page_is_read(account: FakeVast) -> None:
    """60 boxes are three pages, asked for a second apart."""
    account.instances = [instance(number) for number in range(60)]
    run = Run(account)
    assert len(run.hosts) == 60
    assert [path.partition("?")[2] for path in account.requests] == [
        "limit=25",
        "limit=25&after_token=25",
        "limit=25&after_token=50",
    ]
    assert run.slept == [1.0, 1.0]


def test_a_direct_port_is_preferred(account: FakeVast) -> None:
    """Straight to the machine, as root."""
    data = only(account, image_runtype="jupyter_direc ssh_direc")
    assert (data["ssh_hostname"], data["ssh_port"], data["ssh_user"]) == ("192.0.2.45", 20022, "root")


@pytest.mark.parametrize(
    ("address", "expected"), [("192.0.2.45\n", "192.0.2.45"), (" 2001:db8::7 ", "2001:db8::7"), ("[2001:db8::7]",) * 2]
)
def test_an_address_is_the_address_alone(account: FakeVast, address: str, expected: str) -> None:
    """As SSH takes it: without what stands around it, and one of IPv6 without brackets."""
    assert only(account, public_ipaddr=address)["ssh_hostname"] == expected.strip("[]")


@pytest.mark.parametrize("ports", [None, [], {}, {"8080/tcp": [{"HostPort": "1"}]}, {"22/tcp": None}, "missing"])
def test_without_a_direct_port_the_proxy_serves(account: FakeVast, ports: object) -> None:
    """`ports` comes in many shapes that all mean "none"."""
    account.instances = [instance(7, ports=ports)]
    if ports == "missing":
        del account.instances[0]["ports"]
    data = Run(account).hosts["vast-7"]
    assert (data["ssh_hostname"], data["ssh_port"]) == ("ssh123.vast.ai", 10600)


@pytest.mark.parametrize("runtype", ["jupyter", "jupyter_direc ssh_direc ssh_proxy"])
def test_the_proxy_port_of_jupyter_is_one_higher(account: FakeVast, runtype: str) -> None:
    """As Vast's own CLI computes it."""
    assert only(account, ports=None, image_runtype=runtype)["ssh_port"] == 10601


def test_a_box_in_args_mode_has_only_its_own_ssh(account: FakeVast) -> None:
    """Vast starts no sshd there, whatever `ssh_host` says; an sshd of the image's own has a direct port."""
    assert only(account, image_runtype="args")["ssh_port"] == 20022
    account.instances = [instance(7, image_runtype="args", ports={}), instance(8)]
    run = Run(account)
    assert list(run.hosts) == ["vast-8"]
    assert run.said == ["Vast.ai: left out: vast-7 '' (running without SSH)"]


@pytest.mark.parametrize(
    "status",
    ["created", "loading", "stopped", "frozen", "exited", "rebooting", "unknown", "offline", None],
)
def test_only_running_boxes_are_hosts(account: FakeVast, status: str | None) -> None:
    """The others are named, with their state, so that nobody wonders where a box went."""
    account.instances = [instance(1), {"id": 2, "label": "desk", "actual_status": status}]
    run = Run(account)
    assert list(run.hosts) == ["vast-1"]
    assert run.said == [f"Vast.ai: left out: vast-2 'desk' ({status or 'provisioning'})"]


def test_groups_are_label_gpu_image_and_status(account: FakeVast) -> None:
    """What `--limit` and `group_data/` can name."""
    account.instances = [
        instance(1, label="my desk"),
        instance(2, label="my desk", gpu_name="H100 SXM"),
        instance(3, image_uuid="me/visomaster:portal-latest"),
    ]
    run = Run(account)
    assert run.members("my desk") == ["vast-1", "vast-2"]
    assert run.members("gpu_rtx_4090") == ["vast-1", "vast-3"]
    assert run.members("gpu_h100_sxm") == ["vast-2"]
    assert run.members("image_me_visomaster_portal_latest") == ["vast-3"]
    assert run.members("status_running") == ["vast-1", "vast-2", "vast-3"]


@pytest.mark.parametrize("label", ["all", "vast", "_hidden", "__file__", "gpu_rtx_4090", "status_running"])
def test_a_label_cannot_pose_as_another_group(account: FakeVast, label: str) -> None:
    """pyinfra would take `all` for the whole inventory, and would not see a name with an underscore."""
    account.instances = [instance(1, label=label), instance(2)]
    run = Run(account)
    assert run.members(f"label_{label}") == ["vast-1"]
    assert run.members("status_running") == ["vast-1", "vast-2"]
    assert not {"all", "vast", "_hidden", "__file__"} & set(run.groups)


@pytest.mark.parametrize(
    ("changes", "variant"),
    [
        ({"label": "alt"}, "alt"),
        ({"label": "studio, s-def"}, "s-def"),
        ({"label": "studio variant=nonsense"}, "nonsense"),
        ({"template_name": "VisoMaster s-alt"}, "s-alt"),
        ({"label": "default", "template_name": "VisoMaster alt"}, "default"),
        ({"image_uuid": "me/visomaster:latest"}, "default"),
        ({"image_uuid": "me/visomaster:portal-latest"}, "alt"),
        ({"image_uuid": "registry.example:5000/me/visomaster:small-0a1b2c3"}, "s-def"),
        ({"image_uuid": "me/visomaster:small-portal-latest"}, "s-alt"),
        ({"image_uuid": "me/visomaster:other"}, None),
        ({"image_uuid": "nvidia/cuda:latest"}, None),
        ({"label": "alternative"}, None),
    ],
)
def test_the_variant_comes_from_label_template_or_image(
    account: FakeVast, changes: dict[str, Any], variant: str | None
) -> None:
    """In this order; a name nobody knows is passed on for the deploy to refuse."""
    assert only(account, **changes)["variant"] == (variant or NO_VARIANT)


def test_an_empty_account_is_an_empty_inventory(account: FakeVast) -> None:
    """The only way to one, and it says so."""
    run = Run(account)
    assert run.groups == {}
    assert run.said == ["Vast.ai: the account has no instances"]


def test_an_account_with_no_running_box_is_no_empty_inventory(account: FakeVast) -> None:
    """A deploy that silently did nothing would look like one that worked."""
    account.instances = [instance(1, label="desk", actual_status="stopped")]
    assert refusal(account) == "Vast.ai: no instance can be reached: vast-1 'desk' (stopped)"


def test_too_many_requests_are_waited_for(account: FakeVast) -> None:
    """Vast sends text without `Retry-After`; pauses double from a second, each one announced."""
    account.instances = [instance(1)]
    account.canned = [Canned(status=429, body="API requests too frequent")] * 3
    run = Run(account)
    assert list(run.hosts) == ["vast-1"]
    assert [round(pause, 1) for pause in run.slept] == pytest.approx([1, 2, 4], rel=0.25)
    assert run.said[0] == "Vast.ai: 429 'API requests too frequent'; trying again in 1 s"


def test_endless_refusals_end(account: FakeVast) -> None:
    """After six tries and about half a minute."""
    account.canned = [Canned(status=429, body="API requests too frequent")] * 99
    assert refusal(account) == f"Vast.ai: given up after 6 tries: 429 'API requests too frequent'{BY_HAND}"
    assert len(account.requests) == 6


@pytest.mark.parametrize("status", [500, 502, 503])
def test_a_failing_server_is_tried_again_then_given_up(account: FakeVast, status: int) -> None:
    """A page of HTML from a gateway is no list either."""
    account.instances = [instance(1)]
    account.canned = [Canned(status=status, body="<html>")]
    assert list(Run(account).hosts) == ["vast-1"]
    account.canned = [Canned(status=status, body="<html>")] * 99
    assert refusal(account) == f"Vast.ai: given up after 6 tries: {status} '<html>'{BY_HAND}"


def test_an_answer_cut_off_on_the_way_is_asked_for_again(account: FakeVast) -> None:
    """The connection ended before the promised length."""
    account.instances = [instance(1)]
    account.canned = [Canned(body='{"instances": [', length=9999)]
    assert list(Run(account).hosts) == ["vast-1"]


def test_nobody_listening(account: FakeVast) -> None:
    """The network's own words, without a traceback."""
    message = refusal(account, VAST_URL="http://127.0.0.1:9")
    assert message.startswith("Vast.ai: given up after 6 tries: ")
    assert message.endswith(f"Connection refused{BY_HAND}")


@pytest.mark.parametrize(
    ("canned", "message"),
    [
        (Canned(status=401, body='{"error": "auth_error"}'), "the API key is refused (401)"),
        (Canned(status=403, body="{}"), "the API key is refused (403)"),
        (Canned(status=404, body='{"error": "auth_error"}'), "the API key is refused (404)"),
        (Canned(status=404, body="nothing"), "expected 200 from /api/v1/instances/, got 404 'nothing'"),
        (Canned(status=410), "/api/v1/instances/ is no longer served (410), this inventory needs an update"),
        (Canned(status=301), "expected 200 from /api/v1/instances/, got 301 ''"),
        (
            Canned(body='{"instances": [{"id": 1'),
            """expected a JSON object from PATH, got '{"instances": [{"id": 1'""",
        ),
        (Canned(body="<html>\nhi"), "expected a JSON object from PATH, got '<html> hi'"),
        (Canned(body="[]"), "expected a JSON object from PATH, got '[]'"),
        (Canned(body="{}"), "expected a list 'instances', got '{}'"),
        (Canned(body='{"instances": null}'), """expected a list 'instances', got '{"instances": null}'"""),
        (Canned(body='{"success": false, "instances": []}'), "the request failed, it says"),
        (Canned(body='{"instances": ["x"]}'), "an instance without a numeric 'id'"),
        (Canned(body='{"instances": [{}]}'), "an instance without a numeric 'id'"),
        (Canned(body=json.dumps({"instances": [{"id": 0}] * 25})), "a full page without 'next_token'"),
    ],
)
def test_what_is_no_list_is_refused(account: FakeVast, canned: Canned, message: str) -> None:
    """At once and in one line; never taken for an empty account."""
    account.canned = [canned]
    assert refusal(account).startswith(f"Vast.ai: {message.replace('PATH', '/api/v1/instances/')}")
    assert len(account.requests) == 1


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"VAST_URL": "https://[bad"}, "VAST_URL: expected a URL, got 'https://[bad'"),
        ({"VAST_URL": "http://vast.example"}, "VAST_URL must begin with https://, got 'http://vast.example'"),
    ],
)
def test_an_address_that_is_none_is_refused(account: FakeVast, variables: dict[str, str], message: str) -> None:
    assert refusal(account, **variables) == f"Vast.ai: {message}"


def test_certificates_that_are_not_there_are_named(account: FakeVast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/ca.pem")
    message = refusal(account, VAST_URL="https://127.0.0.1:9")
    assert message.startswith("Vast.ai: cannot connect to ") and "/nowhere/ca.pem" in message


def test_the_last_port_is_a_port(account: FakeVast) -> None:
    assert only(account, ports={"22/tcp": [{"HostPort": "65535"}]})["ssh_port"] == 65535


def test_a_list_that_does_not_end_is_refused(account: FakeVast) -> None:
    """A token that comes back would be followed for ever."""
    account.canned = [Canned(body='{"instances": [], "next_token": "again"}')] * 3
    assert refusal(account) == "Vast.ai: the list of instances goes round in circles"


@pytest.mark.parametrize("key", ["actual_status", "label", "image_uuid", "gpu_name", "image_runtype", "public_ipaddr"])
def test_a_missing_field_is_named(account: FakeVast, key: str) -> None:
    """Vast changed its answer: guessing would reach the wrong machine."""
    account.instances = [instance(7)]
    del account.instances[0][key]
    assert refusal(account) == f"Vast.ai: instance 7: the answer has no {key!r}"


@pytest.mark.parametrize("key", ["ssh_host", "ssh_port"])
def test_a_missing_proxy_is_named_where_it_is_needed(account: FakeVast, key: str) -> None:
    """A box with a direct port does without."""
    account.instances = [instance(7, ports=None)]
    del account.instances[0][key]
    assert refusal(account) == f"Vast.ai: instance 7: the answer has no {key!r}"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"label": 5}, "unexpected 'label': 5"),
        ({"ports": {"22/tcp": [{"HostPort": "high"}]}}, "'ports': expected a port number, got 'high'"),
        ({"ports": {"22/tcp": [{}]}}, "'ports': unexpected [{}]"),
        ({"ports": None, "ssh_port": 70000}, "'ssh_port': expected a port number, got 70000"),
    ],
)
def test_a_field_of_another_kind_is_named(account: FakeVast, changes: dict[str, Any], message: str) -> None:
    """With the instance it belongs to."""
    account.instances = [instance(7, **changes)]
    assert refusal(account) == f"Vast.ai: instance 7: {message}"


def test_the_key_is_found_where_the_official_tool_has_it(account: FakeVast, tmp_path: Path) -> None:
    """The environment, then the XDG file, then the old one in the home directory."""
    home, config = {"HOME": str(tmp_path), "VAST_API_KEY": ""}, tmp_path / ".config/vastai"
    with pytest.raises(VastError, match="no API key, set VAST_API_KEY or write it to "):
        read_key(home)
    (tmp_path / ".vast_api_key").write_text("oldest\n")
    assert read_key(home) == "oldest"
    config.mkdir(parents=True)
    (config / "vast_api_key").write_text("newer\n")
    assert read_key(home) == "newer"
    (tmp_path / "vastai").mkdir()
    (tmp_path / "vastai/vast_api_key").write_text("elsewhere")
    assert read_key({**home, "XDG_CONFIG_HOME": str(tmp_path)}) == "elsewhere"
    assert read_key({**home, "VAST_API_KEY": "given"}) == "given"


def test_a_broken_key_is_not_shown(account: FakeVast) -> None:
    """`requests` would print the header, and the key with it."""
    message = refusal(account, VAST_API_KEY="se\ncret")
    assert message == "Vast.ai: the API key in VAST_API_KEY has spaces or control characters"


def test_the_key_does_not_travel_in_clear_text(account: FakeVast) -> None:
    """Another address is for tests, on this machine."""
    assert refusal(account, VAST_URL="http://vast.example") == (
        "Vast.ai: VAST_URL must begin with https://, got 'http://vast.example'"
    )


def pyinfra(
    account: FakeVast, *arguments: str, folder: Path = ROOT, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Plain `pyinfra inventories/vast.py …`, started in `folder`."""
    return subprocess.run(
        [PYINFRA, os.path.relpath(ROOT / "inventories/vast.py", folder), *arguments],
        cwd=folder,
        env={**os.environ, "VAST_API_KEY": KEY, "VAST_URL": account.url, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_pyinfra_loads_it(account: FakeVast) -> None:
    """Hosts, groups and data as pyinfra sees them, and what was left out on stderr."""
    account.instances = [instance(1, label="desk alt"), instance(2, label="old", actual_status="exited")]
    result = pyinfra(account, "debug-inventory", "--json")
    assert result.returncode == 0, result.stderr
    hosts = {host["name"]: host for host in json.loads(result.stdout)}
    assert list(hosts) == ["vast-1"]
    assert {"desk alt", "gpu_rtx_4090", "status_running", "vast"} <= set(hosts["vast-1"]["groups"])
    data = hosts["vast-1"]["data"]
    assert (data["ssh_hostname"], data["ssh_port"], data["variant"]) == ("192.0.2.45", 20022, "alt")
    assert "Vast.ai: left out: vast-2 'old' (exited)" in result.stderr


def test_it_does_not_take_itself_for_the_package(account: FakeVast) -> None:
    """pyinfra imports from the folder it was started in, where this file has the package's name."""
    account.instances = [instance(1)]
    result = pyinfra(account, "debug-inventory", "--json", folder=ROOT / "inventories")
    assert result.returncode == 0, result.stderr
    assert [host["name"] for host in json.loads(result.stdout)] == ["vast-1"]


def test_pyinfra_fails_with_one_line(account: FakeVast) -> None:
    """No traceback, no key, exit status 1."""
    result = pyinfra(account, "debug-inventory", VAST_API_KEY="wrong-key")
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1].endswith("Vast.ai: the API key is refused (401)")
    assert "Traceback" not in result.stderr
    assert "wrong-key" not in result.stderr
