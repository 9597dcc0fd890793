"""A folder of wheels, as Selkies is installed, with the real uv against an index of this machine's loopback."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from operations.remote import wheels, wheels_state
from tests.e2e.fake_index import index, wheel


def test_a_folder_is_complete_or_as_it_was(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is not the archive that was locked takes the place of nothing."""
    monkeypatch.setattr(wheels, "bring_uv", lambda *_: Path(sys.executable).with_name("uv"))
    request = {"dest": str(tmp_path / "stream"), "name": "set.txt", "without": [], "borrowed": {}, "uv": ""}
    with index() as served:
        digest = served.add("thing", wheel("thing", "1.0", "ours"))
        request |= {"index": served.url, "text": f"thing==1.0 --hash={digest}\n"}
        assert wheels.run({**request, "made_from": "first"}) == 0
        assert (tmp_path / "stream/thing.py").read_text() == "SAYS = 'ours'\n"
        assert {path.name for path in (tmp_path / "stream").iterdir()} == {
            *("thing.py", "thing-1.0.dist-info", "__pycache__", "set.txt", ".complete"),
        }
        served.add("thing", wheel("thing", "1.0", "another"))
        capsys.readouterr()
        assert wheels.run({**request, "made_from": "second"}) == 1
    assert capsys.readouterr().err == "packages: thing==1.0: its sha256 is not the one in the requirement set\n"
    assert wheels_state.state(tmp_path / "stream") == {"made_from": "first"}
    assert [path.name for path in tmp_path.iterdir()] == ["stream"]
