"""Who uploads: tuspy, and tus-js-client in a browser, by others; our own page, in a browser that may be killed."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playwright.sync_api import Error
from tusclient.client import TusClient
from tusclient.storage.filestorage import FileStorage

from sandbox import tools
from tests.portal import browser, rig

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page
    from tusclient.uploader import Uploader

API = "files/api"
PIECE = 1024 * 1024

CHOOSER = """() => {
  const chooser = document.createElement("input");
  chooser.type = "file";
  chooser.id = "chosen";
  document.body.prepend(chooser);
}"""
UPLOAD = """([endpoint, chunkSize, retries]) => {
  window.job = {state: "going", sent: 0, tries: 0};
  const file = document.getElementById("chosen").files[0];
  const upload = new tus.Upload(file, {
    endpoint, chunkSize,
    retryDelays: Array(retries).fill(200),
    metadata: {filename: file.name, lastModified: String(file.lastModified)},
    onProgress: (sent) => { job.sent = sent; },
    onBeforeRequest: () => { job.tries += 1; },
    onError: (error) => { job.state = `failed: ${error}`; },
    onSuccess: () => { job.state = "done"; },
  });
  upload.findPreviousUploads().then((found) => {
    if (found.length) upload.resumeFromPreviousUpload(found[0]);
    upload.start();
  });
}"""


def tuspy(
    portal: rig.Portal,
    path: Path,
    *,
    name: str = "",
    store: Path | None = None,
    origin: str = "",
    metadata: Mapping[str, str] | None = None,
    **options: Any,
) -> Uploader:
    """tuspy's uploader of the file at `path`, logged in by the token; with `store` it keeps there where it was. Tries
    every half a second, for a minute.
    """
    client = TusClient(f"{origin or f'http://127.0.0.1:{portal.port}'}/{API}/uploads/")
    client.set_headers({"Authorization": f"Bearer {portal.wanted.token}"})
    kept = {"store_url": True, "url_storage": FileStorage(str(store))} if store else {}
    told = {"filename": name or path.name, **(metadata or {})}
    options = {"chunk_size": PIECE, "retries": 120, "retry_delay": 0.5, **kept, **options}
    return client.uploader(str(path), metadata=told, **options)


@dataclass(kw_only=True)
class TusJs:
    """tus-js-client in a page of the portal."""

    page: Page

    def choose(self, path: Path) -> None:
        """Choose a file, as a person does."""
        if not self.page.evaluate("() => Boolean(window.tus)"):
            self.page.evaluate(f"() => {{{tools.TUS_JS.read_text(encoding='utf-8')}\n}}")
            self.page.evaluate(CHOOSER)
        self.page.locator("#chosen").set_input_files(path)

    def start(self, base: str, *, piece: int = 4 * PIECE, retries: int = 300) -> None:
        """Begin to send what was chosen to the portal's session at the path `base`, or go on with it."""
        self.page.evaluate(UPLOAD, [f"{base}/{API}/uploads/", piece, retries])

    @property
    def state(self) -> str:
        """going, done or why it failed."""
        return str(self.page.evaluate("() => job.state"))

    def finish(self, seconds: float) -> None:
        """Wait until it is done. Raises `AssertionError` when it is not, or failed."""
        rig.wait_until(lambda: self._waited() != "going", "the upload", seconds)
        assert self.state == "done", self.state

    def _waited(self) -> str:
        self.page.wait_for_timeout(30)
        return self.state


def wait_until(page: Page, condition: Callable[[], bool], what: str, seconds: float) -> None:
    """See `rig.wait_until`; what the browser tells is heard meanwhile."""

    def heard() -> bool:
        with suppress(Error):
            page.wait_for_timeout(20)
        return condition()

    rig.wait_until(heard, what, seconds)


@dataclass(kw_only=True)
class OurPage:
    """The page of files as its owner uses it."""

    page: Page

    def open(self, origin: str, token: str = rig.TOKEN) -> None:
        """By the link with the token."""
        self.page.goto(f"{origin}/files/?token={token}")
        self.page.locator("body[data-ready]").wait_for()

    def choose(self, path: Path) -> None:
        """Choose a file: the page begins to send it, or goes on."""
        self.page.locator("#choose-files").set_input_files(path)

    def finish(self, seconds: float) -> None:
        """Wait until the page says that it has arrived. Raises playwright's `TimeoutError` when it does not."""
        self.page.locator("#transfers > li.done").wait_for(timeout=seconds * 1000)


@dataclass(kw_only=True)
class Killable:
    """A browser of its own."""

    browser: Browser
    page: Page

    def end(self) -> None:
        """kill -9: the processes that it started go with it."""
        os.kill(browser.process_of(self.browser), signal.SIGKILL)
        wait_until(self.page, lambda: not self.browser.is_connected(), "the browser's end", 20)


@contextmanager
def killable(chromium: Browser) -> Iterator[Killable]:
    """A browser as `chromium`, that nobody else uses."""
    made = browser.launch(chromium.browser_type)
    try:
        yield Killable(browser=made, page=made.new_page())
    finally:
        made.close()
