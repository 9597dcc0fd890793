"""The portal's two ports in one browser: what the index offers on each, and who is logged in where."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from visomaster_host.service import Result

from tests.portal import browser, rig
from tests.portal.browser import ELSEWHERE

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

STREAM = Result(name="sharp picture", ok=True, detail="answers")
NO_DECODER = "delete window.VideoDecoder"


@pytest.fixture(scope="module")
def streaming(tmp_path_factory: pytest.TempPathFactory) -> Iterator[rig.Portal]:
    """A portal that has the stream besides noVNC."""
    with rig.running(tmp_path_factory.mktemp("streaming"), rig.wanted(token=rig.TOKEN)) as portal:
        portal.checks.append(STREAM)
        yield portal


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    """A new visitor, who takes every certificate."""
    with browser.visitor(chromium, ignore_https_errors=True, viewport={"width": 1280, "height": 800}) as made:
        yield made


def plain(portal: rig.Portal, host: str = ELSEWHERE) -> str:
    return f"http://{host}:{portal.port}"


def secure(portal: rig.Portal, host: str = ELSEWHERE) -> str:
    return f"https://{host}:{portal.tls_port}"


def log_in(context: BrowserContext, address: str) -> Page:
    """The index, after a login at `address` in a tab of its own."""
    page = context.new_page()
    page.goto(f"{address}/?token={rig.TOKEN}")
    page.locator("#ready").wait_for()
    return page


def leads_to(page: Page) -> str | None:
    """Where the index says that the desktop is opened."""
    return page.get_by_role("link", name="Open the desktop").get_attribute("href")


@pytest.mark.parametrize("size", [browser.DESKTOP, browser.PHONE], ids=["desktop", "phone"])
def test_in_the_clear_noVNC_is_opened_and_the_encrypted_page_offered(  # noqa: N802
    chromium: Browser, streaming: rig.Portal, size: dict[str, int]
) -> None:
    """The offer is a link into the same session: nobody is asked for the token again."""
    with browser.page(chromium, size=size) as page:
        page.goto(f"{plain(streaming)}/?token={rig.TOKEN}")
        assert leads_to(page) == "./vnc/"
        assert "encrypted pages only" in page.locator("#why").inner_text()
        assert browser.fits(page)
        desktop = page.get_by_role("link", name="Sharp, with sound").get_attribute("href")
        assert desktop == f"{secure(streaming)}{streaming.base}/desktop/"
        page.get_by_role("link", name="Go to the encrypted one").click()
        page.wait_for_url(f"{secure(streaming)}{streaming.base}/")
        assert leads_to(page) == "./desktop/"
        assert not page.locator("#why").is_visible()
        for name in ("Sharp, with sound", "noVNC, for every browser", "for a slow line"):
            assert page.get_by_role("link", name=name).is_visible()
        assert browser.fits(page)


def test_on_this_machine_the_stream_is_opened_without_tls(context: BrowserContext, streaming: rig.Portal) -> None:
    assert leads_to(log_in(context, plain(streaming, "127.0.0.1"))) == "./desktop/"


def test_a_browser_that_decodes_no_video_is_told(context: BrowserContext, streaming: rig.Portal) -> None:
    context.add_init_script(NO_DECODER)
    page = log_in(context, secure(streaming))
    assert leads_to(page) == "./vnc/"
    assert "decodes no video" in page.locator("#why").inner_text()


def test_where_the_second_port_is_not_published_a_tunnel_is_named(
    context: BrowserContext, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Vast tells of each port that it publishes."""
    folder = tmp_path_factory.mktemp("unpublished")
    port = rig.free_port()
    wanted = rig.wanted(token=rig.TOKEN, outside_ports={str(port): "40111"})
    with rig.running(folder, wanted, port) as portal:
        portal.checks.append(STREAM)
        page = log_in(context, plain(portal))
        assert leads_to(page) == "./vnc/"
        tunnel = f"ssh -p PORT -L {port}:localhost:{port} root@{ELSEWHERE}, then http://127.0.0.1:{port}/"
        assert page.locator("#why").inner_text().endswith(tunnel)


def test_it_is_offered_under_the_number_it_has_outside(
    context: BrowserContext, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    port, tls_port = rig.free_port(), rig.free_port()
    monkeypatch.setattr(rig, "free_port", lambda: tls_port)
    wanted = rig.wanted(token=rig.TOKEN, container_label="C.1", outside_ports={str(tls_port): "40443"})
    with rig.running(tmp_path_factory.mktemp("published"), wanted, port) as portal:
        portal.checks.append(STREAM)
        link = log_in(context, plain(portal)).get_by_role("link", name="Go to the encrypted one")
        assert link.get_attribute("href") == f"https://{ELSEWHERE}:40443{portal.base}/"


def test_a_host_without_the_stream_offers_noVNC_alone(context: BrowserContext, streaming: rig.Portal) -> None:  # noqa: N802
    streaming.checks.remove(STREAM)
    try:
        page = log_in(context, secure(streaming))
        assert leads_to(page) == "./vnc/"
        assert not page.locator("#why").is_visible()
        assert page.locator('a[href^="./desktop"]').count() == 0
    finally:
        streaming.checks.append(STREAM)


@pytest.mark.parametrize("first", ["plain", "secure"])
def test_a_login_at_one_port_and_then_at_the_other(context: BrowserContext, streaming: rig.Portal, first: str) -> None:
    """A browser lets no page in the clear replace a Secure cookie of the same name: both logins work, and stay."""
    addresses = [plain(streaming), secure(streaming)]
    if first == "secure":
        addresses.reverse()
    pages = [log_in(context, address) for address in addresses]
    for page, address in zip(pages, addresses, strict=True):
        page.reload()
        assert re.fullmatch(rf"{address}/~[A-Za-z0-9_-]{{22}}/", page.url)
        page.locator("#ready").wait_for()


def test_a_log_out_over_tls_ends_both(context: BrowserContext, streaming: rig.Portal) -> None:
    pages = [log_in(context, address) for address in (plain(streaming), secure(streaming))]
    pages[1].get_by_role("button", name="Log out").click()
    pages[1].get_by_label("Token").wait_for()
    pages[0].reload()
    pages[0].get_by_label("Token").wait_for()
