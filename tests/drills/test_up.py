"""`make up` where it cannot: said in one line, before the minutes that a bake takes."""

from __future__ import annotations

from sandbox import base
from sandbox.desktop import UP_LABEL
from tests.e2e.machine import BIN, container, run


def test_a_second_desktop_is_refused_by_the_name_of_the_first(engine_going: None) -> None:
    options = ("--entrypoint=sleep", "--name=visomaster-sandbox-other", f"--label={UP_LABEL}=other")
    with container(base.base_image("bookworm"), *options, command=("infinity",)):
        refused = run([BIN / "python", "-m", "sandbox", "up", "--variant", "alt"])
    assert refused.returncode == 1
    (line,) = refused.stderr.splitlines()
    assert line.startswith("sandbox: error: VARIANT: ") and "visomaster-sandbox-other" in line
    assert line.endswith(" runs, expected no other desktop: `make down` ends it")
    assert "baking" not in refused.stdout
