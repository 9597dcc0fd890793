"""For the tests of what is shown of foreign text: one test for each kind of text, and what it has shown."""

from __future__ import annotations

import pytest

from tests.hostile import HOSTILE

every_kind = pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)


def said(capfd: pytest.CaptureFixture[str]) -> str:
    """What has been shown since this was asked last."""
    out, err = capfd.readouterr()
    assert out + err
    return out + err
