"""The guide's first commands at Vast.ai, typed with an account on loopback: nothing is rented."""

from __future__ import annotations

import os

from spec.here import ROOT
from tests.documents import block
from tests.e2e.machine import run
from tests.fake_vast import KEY, FakeVast, instance, offer


def test_what_there_is_and_what_one_has() -> None:
    """The key is pasted; then a table of offers, and one of boxes."""
    account = FakeVast()
    account.offers = [offer(7, dph_base=0.3)]
    account.instances = [instance(12345678, label="visomaster alt until=2099-11-27T05:00Z by=anna mark=3f9a0c12")]
    key, offers, _ = block("docs/guide.md", "read -rs VAST_API_KEY").splitlines()
    boxes = block("docs/guide.md", "make boxes").splitlines()[0]
    with account.serving():
        environment = {**os.environ, "VAST_URL": account.url, "NO_PROXY": "127.0.0.1"}
        environment.pop("VAST_API_KEY", None)
        typed = ["bash", "-c", f"{key}; {offers} && {boxes}"]
        done = run(typed, input=f"{KEY}\n", cwd=ROOT, env=environment, timeout=120)
    shown = done.stdout + done.stderr
    assert done.returncode == 0, shown
    assert "$ for 4 h" in shown and "vast-12345678" in shown
    assert KEY not in shown
