"""What Vast.ai, or whoever answers at its address, says is shown; no terminal acts on it."""

from __future__ import annotations

import pytest

from tests.fake_vast import KEY, FakeVast, instance
from tests.hostile import answering, harmless, one_line
from tests.unit.foreign_text import every_kind
from vast import inventory
from vast.errors import VastError


@every_kind
def test_what_vast_says_of_a_box(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    told: list[str] = []
    with FakeVast().serving() as account:
        account.instances = [
            instance(1, label=text, gpu_name=text, image_uuid=text, template_name=f"variant={text}"),
            instance(2, actual_status=text, cur_state=text, label=text),
        ]
        environment = {"VAST_API_KEY": KEY, "HOME": "/nonexistent", "VAST_URL": account.url}
        groups = inventory.groups(environment, told.append, told.append)  # type: ignore[arg-type]
    for shown in (*groups, *(str(value) for group in groups.values() for value in group[0][1].values())):
        harmless(shown)
    for line in told:
        one_line(line)
    assert told


@every_kind
def test_an_address_from_vast(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with FakeVast().serving() as account:
        account.instances = [instance(1, public_ipaddr=f"{text};")]
        environment = {"VAST_API_KEY": KEY, "HOME": "/nonexistent", "VAST_URL": account.url}
        with pytest.raises(VastError, match="public_ipaddr") as caught:
            inventory.groups(environment, lambda line: None, lambda seconds: None)
    one_line(str(caught.value))


@every_kind
def test_an_answer_that_is_no_http(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    told: list[str] = []
    with answering(text.encode().replace(b"\n", b"") + b"\r\n\r\n") as port:
        environment = {"VAST_API_KEY": KEY, "HOME": "/nonexistent", "VAST_URL": f"http://127.0.0.1:{port}"}
        with pytest.raises(VastError) as caught:
            inventory.groups(environment, told.append, lambda seconds: None)
    one_line(str(caught.value))
