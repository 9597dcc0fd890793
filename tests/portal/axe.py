"""What axe-core finds on a page: what keeps people out who do not see it, or have no mouse."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox import tools

if TYPE_CHECKING:
    from playwright.sync_api import Page

_RUN = "async () => (await axe.run(document, { resultTypes: ['violations'], iframes: false })).violations"


def found(page: Page) -> list[str]:
    """Each thing that is wrong, with the places where it is, as axe-core names them; every rule of its counts."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(
            f"() => {{{tools.AXE.read_text(encoding='utf-8')}\n}}"
        )  # the page's policy forbids a script of ours
    return [_told(violation) for violation in page.evaluate(_RUN)]


def _told(violation: dict[str, Any]) -> str:
    places = (f"{node['target'][0]}: {node['html'][:120]}" for node in violation["nodes"][:4])
    return f"{violation['id']} ({violation['help']}): {'; '.join(places)}"
