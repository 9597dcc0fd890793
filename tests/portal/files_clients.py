"""Clients of the upload protocol that others wrote: tuspy, and tus-js-client in a browser."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tusclient.client import TusClient
from tusclient.storage.filestorage import FileStorage

from sandbox import tools
from tests.portal import rig

if TYPE_CHECKING:
    from playwright.sync_api import Page
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
        assert self.state == "done"

    def _waited(self) -> str:
        self.page.wait_for_timeout(30)
        return self.state
