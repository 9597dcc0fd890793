"""A host that has been made once stays what it is, as far as nobody says otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from operations.facts.described import DescribedHost
from spec.as_before import as_before, told
from spec.distribution import Release
from spec.settings import read_settings
from spec.slices import host_facts
from spec.variant import VARIANTS
from tests.plan.fake import Fake, on, plan, run

MADE = {"application": "sandbox", "variant": "alt", "port": 8080, "tls_port": 8443, "screen": "guide"}
"""A host that differs from a plain one in everything that it says of itself."""


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({}, MADE),
        ({"variant": "s-def"}, {field: value for field, value in MADE.items() if field != "variant"}),
        ({"variant": "default"}, {"application": "sandbox", "screen": "guide"}),
        ({"variant": "none such"}, {field: value for field, value in MADE.items() if field != "variant"}),
        ({**MADE, "port": 9000}, {}),
    ],
)
def test_what_is_not_said_stays(given: Mapping[str, object], kept: Mapping[str, object]) -> None:
    """The ports are those of the kind of access; another kind has its own."""
    assert as_before(host_facts(read_settings(MADE)), given) == {k: v for k, v in kept.items() if k not in given}


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_plain_host_needs_no_word(variant: str) -> None:
    """Of the default one nothing is kept that would not come anyway; of the others the variant alone."""
    host = host_facts(read_settings({"variant": variant}))
    kept = {} if variant == "default" else {"variant": VARIANTS[variant].host.name}
    assert as_before(host, {}) == kept
    assert as_before(host, {"variant": variant}) == {}


def test_one_that_was_nothing_becomes_the_default() -> None:
    assert as_before(None, {}) == {}
    assert as_before(DescribedHost().process(['{"application": "of another time"}']), {}) == {}
    assert as_before(DescribedHost().process(["no JSON"]), {}) == {}


def test_what_a_deploy_writes_is_read() -> None:
    made = host_facts(read_settings(MADE))
    assert DescribedHost().process(made.as_json().splitlines()) == made
    assert told(as_before(made, {"application": "sandbox"})) == (
        "stays as it is: variant=alt, screen=guide, port=8080, tls_port=8443; --data changes it"
    )


def _box(name: str, **data: object) -> Fake:
    """One that was made as `MADE`."""
    return Fake(name=name, release=Release.BOOKWORM, data=data, described=host_facts(read_settings(MADE)))


def test_a_deploy_that_names_nothing_changes_nothing_of_it(tmp_path: Path) -> None:
    """The plan is that of a deploy that names all of it, and says so; what is named counts."""
    new = on(Release.BOOKWORM, "new", variant="default", screen="guide")
    plans = plan(tmp_path, [_box("silent"), _box("told", **MADE), _box("other", variant="default"), new])
    text = {name: [(one.name, one.commands) for one in operations] for name, operations in plans.items()}
    assert text["silent"] == text["told"]
    assert text["other"] == text["new"] != text["told"]


def test_it_is_said_before_anything_is_done(tmp_path: Path) -> None:
    """And with it a field counts that the default variant has not: `tls_port`."""
    done = run(tmp_path, [_box("silent", tls_port=9443)], "deploy.py", "--dry")
    assert done.returncode == 0, done.stderr
    said = "stays as it is: application=sandbox, variant=alt, screen=guide, port=8080; --data changes it"
    assert said in done.stderr
    new = run(tmp_path, [Fake(name="new", release=Release.BOOKWORM, data={"tls_port": 9443})], "deploy.py", "--dry")
    assert new.returncode != 0
    assert "tls_port: variant default has no portal" in new.stderr
