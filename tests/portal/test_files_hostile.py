"""A person's files, as somebody wrote them who means ill, asked for through the portal with a login.

Nothing outside the tree is read or written, nothing is shown as a page, and each refusal is one line.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from tests.portal import browser, rig

if TYPE_CHECKING:
    from playwright.sync_api import Browser

API = "/files/api"
OUTSIDE = "the-secret-beside-the-logs"
LEAKS = (OUTSIDE.encode(), b"root:x:0")
SCRIPTS = {
    "page.html": b"<script>document.title='ran'</script>",
    "page.xhtml": b'<html xmlns="http://www.w3.org/1999/xhtml"><script>document.title="ran"</script></html>',
    "picture.svg": b'<svg xmlns="http://www.w3.org/2000/svg"><script>document.title="ran"</script></svg>',
    "feed.xml": b'<?xml version="1.0"?><x xmlns="http://www.w3.org/1999/xhtml"><script>1</script></x>',
    "paper.pdf": b"%PDF-1.4\n1 0 obj <</OpenAction <</S /JavaScript /JS (app.alert(1))>>>> endobj",
    "module.js": b"document.title='ran'",
    "no suffix": b"<html><script>document.title='ran'</script>",
    "CON": b"<html>",
    "aux.mp4": b"x",
    "dots and space. ": b"x",
    "e\u0301.html": b"<html>",
    "\u00e9.html": b"<html>x",
    "\u202egpj.exe": b"MZ",
    "\u200b": b"nothing to see",
    "-rf": b"x",
    "a;b`c$(d)&|.sh": b"x",
    "q\"u\\o'te.html": b"<html>",
    "100%25.mp4": b"x",
    "a?b#c.mp4": b"x",
    "x" * 251 + ".mp4": b"x",
    "<img src=x onerror=alert(1)>.png": b"x",
    "file:host": b"x",
}
"""Names and contents that are taken as they are."""


@pytest.fixture(scope="module")
def tree(portal: rig.Portal) -> Iterator[Path]:
    """The person's files; a link of each kind leads out of them."""
    root = portal.folder / "workspace"
    for name in ("in", "out", "state"):
        (root / name).mkdir(exist_ok=True)
    place = root / "in/hostile"
    place.mkdir()
    for name, content in SCRIPTS.items():
        (place / name).write_bytes(content)
    (place / "passwd").symlink_to("/etc/passwd")
    (place / "up").symlink_to("..")
    (place / "outside").symlink_to(portal.folder)
    (place / "loop").symlink_to("loop")
    (place / "nowhere").symlink_to("nothing")
    (place / ".hidden").write_text(OUTSIDE)
    os.mkfifo(place / "fifo")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(rig.sockets(portal.folder) / "a"))
        (rig.sockets(portal.folder) / "a").rename(place / "socket")
    (place / "new\nline").write_bytes(b"x")
    Path(os.fsdecode(os.fsencode(place) + b"/\xff\xfe")).write_bytes(b"x")
    yield place


def ask(
    portal: rig.Portal, target: str, body: bytes = b"", headers: Mapping[str, str] | None = None, method: str = "GET"
) -> rig.Answer:
    """One request of a program that is logged in, sent as it is written."""
    said = {"Authorization": f"Bearer {portal.wanted.token}", "Content-Length": str(len(body)), **(headers or {})}
    lines = "".join(
        f"{name}: {value}\r\n" for name, value in {"Host": "127.0.0.1", "Connection": "close", **said}.items()
    )
    answer = portal.raw(f"{method} {target} HTTP/1.1\r\n{lines}\r\n".encode("utf-8", "surrogateescape") + body)
    head, _, content = answer.partition(b"\r\n\r\n")
    status, *fields = head.decode("latin-1").split("\r\n")
    names = [field.partition(":")[0].lower() for field in fields]
    assert len(names) == len({*names}), f"{names}: each header once"
    found = {name: field.partition(":")[2].strip() for name, field in zip(names, fields, strict=True)}
    return rig.Answer(status=int(status.split()[1]) if status else 0, headers=found, body=content)


def refused(answer: rig.Answer) -> None:
    """It is one line for a person, of nothing outside."""
    assert not [leak for leak in LEAKS if leak in answer.body]
    assert 400 <= answer.status < 500, answer
    if answer.headers["content-type"] == "application/json" and answer.body:
        told = json.loads(answer.body)["error"]
        assert told.isprintable()
        assert 0 < len(told) < 700


@pytest.mark.parametrize("name", SCRIPTS)
def test_what_somebody_wrote_is_kept_never_shown(portal: rig.Portal, tree: Path, name: str) -> None:
    """Whatever its name or content claims to be, to whoever logged in, as it is."""
    answer = ask(portal, f"{API}/file/in/hostile/{quote(name, safe='')}", headers={"Accept": "text/html"})
    assert (answer.status, answer.body) == (200, SCRIPTS[name])
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment; filename=")
    assert answer.headers["content-disposition"].isascii()
    assert "%E2%80%AE" not in answer.headers["content-disposition"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"] == "sandbox; default-src 'none'"


@pytest.mark.parametrize(
    "path",
    [
        *(
            "../secret.txt",
            "in/../../secret.txt",
            "%2e%2e/secret.txt",
            "..%2fsecret.txt",
            "in/%2e%2e/%2e%2e/secret.txt",
        ),
        *("%252e%252e/secret.txt", "..%5csecret.txt", "..;/secret.txt", "....//secret.txt", ".%00./secret.txt"),
        *("%c0%ae%c0%ae/secret.txt", "%e0%80%ae%e0%80%ae/secret.txt", "/etc/passwd", "%2fetc%2fpasswd", "in//hostile"),
        *("in/hostile/passwd", "in/hostile/up", "in/hostile/up/up", "in/hostile/up/hostile/-rf", "in/hostile/loop"),
        *("in/hostile/outside/secret.txt", "in/hostile/nowhere", "in/hostile/fifo", "in/hostile/socket", "in/hostile"),
        *(
            "in/hostile/.hidden",
            ".uploads",
            "in/hostile/new%0aline",
            "in/hostile/%ff%fe",
            "in/hostile/-rf/",
            "in/%ED%A0%80",
        ),
        *(
            "in/hostile/-rf/x",
            "in/hostile/-rf%00.mp4",
            "in/hostile/-rf%0d%0aSet-Cookie:a=b",
            f"in/{'x' * 256}",
            "",
            "%2f",
        ),
        *("in/%1b%5d0;x%07", "/".join(["in"] * 50), "file:///etc/passwd", "C:%5cwindows", "in/hostile/e%CC%81.htm"),
    ],
)
def test_what_cannot_be_named_cannot_be_read(portal: rig.Portal, tree: Path, path: str) -> None:
    """Neither as a file, nor its folder, nor in a zip; nobody waits for a FIFO."""
    if path != "in/hostile/-rf/":  # Caddy and we take a slash at the end for none
        refused(ask(portal, f"{API}/file/{path}"))
        refused(ask(portal, f"{API}/file/{path}", method="HEAD"))
    if path not in ("in/hostile", ""):
        refused(ask(portal, f"{API}/list?path={path}"))
        refused(ask(portal, f"{API}/zip?path=in/hostile/-rf&path={path}"))


def test_a_folder_of_such_names_lists_those_that_can_be_reached(portal: rig.Portal, tree: Path) -> None:
    """Links, devices and what is no text are counted, hidden names are not."""
    answer = json.loads(ask(portal, f"{API}/list?path=in/hostile").body)
    assert {entry["name"] for entry in answer["entries"]} == set(SCRIPTS)
    assert answer["left_out"] == 9
    assert not answer["more"]


def test_a_hard_link_is_a_file(portal: rig.Portal, tree: Path) -> None:
    """No link leads anywhere here: it is the same file, which its owner can read by either name. The kernel lets nobody
    make one to a file of somebody else's (fs.protected_hardlinks).
    """
    (portal.folder / "mine.txt").write_text("mine")
    os.link(portal.folder / "mine.txt", tree.parent / "other name.txt")
    assert ask(portal, f"{API}/file/in/other%20name.txt").body == b"mine"


HOSTILE = (
    "..",
    ".",
    "",
    "/",
    "a/b",
    ".hidden",
    "x" * 256,
    "a\n",
    "\x7f",
    "\x9b",
    "\ud800",
    "\0",
    "/etc/passwd",
    "../x",
)


@pytest.mark.parametrize("name", HOSTILE)
def test_what_cannot_be_named_cannot_be_written(portal: rig.Portal, tree: Path, name: str) -> None:
    """As a new name, as the place where something is moved, made, or deleted."""
    (tree.parent / "stays.txt").write_text("stays")
    before = sorted(tree.parent.iterdir()), sorted(portal.folder.iterdir()), sorted(tree.parents[1].iterdir())
    asked: list[tuple[str, dict[str, object]]] = [("rename", {"path": "in/stays.txt", "name": name})]
    if name:  # the root, which the others may name
        asked.append(("move", {"paths": ["in/stays.txt"], "folder": f"{name}/y"}))
    if name not in ("a/b", ""):
        asked += [
            ("folder", {"path": f"in/{name}"}),
            ("rename", {"path": f"in/{name}", "name": "z"}),
            ("move", {"paths": [f"in/{name}"], "folder": "out"}),
            ("delete", {"paths": ["in/stays.txt", f"in/{name}"]}),
        ]
    for verb, document in asked:
        refused(ask(portal, f"{API}/{verb}", json.dumps(document).encode(), method="POST"))
    assert (sorted(tree.parent.iterdir()), sorted(portal.folder.iterdir()), sorted(tree.parents[1].iterdir())) == before


@pytest.mark.parametrize(
    "name", ["passwd", "up", "outside", "loop", "nowhere", "fifo", "socket", "up/plain", ".hidden"]
)
def test_what_is_no_file_stays(portal: rig.Portal, tree: Path, name: str) -> None:
    """Nothing is moved or deleted by a link, nor a link or device itself."""
    before = sorted(tree.iterdir())
    for verb, document in (
        ("rename", {"path": f"in/hostile/{name}", "name": "z"}),
        ("move", {"paths": [f"in/hostile/{name}"], "folder": "out"}),
        ("move", {"paths": ["in/hostile/-rf"], "folder": f"in/hostile/{name}"}),
        ("folder", {"path": f"in/hostile/{name}/x"}),
        ("delete", {"paths": [f"in/hostile/{name}"]}),
    ):
        refused(ask(portal, f"{API}/{verb}", json.dumps(document).encode(), method="POST"))
    assert sorted(tree.iterdir()) == before


BODIES = {
    "nothing": b"",
    "no JSON": b"path=in",
    "no object": b'["in"]',
    "no field": b"{}",
    "one field more": b'{"paths": ["in/none"], "recursive": true}',
    "no list": b'{"paths": "in"}',
    "an empty list": b'{"paths": []}',
    "no texts": b'{"paths": [1]}',
    "null": b'{"paths": null}',
    "not a number": b'{"paths": [NaN]}',
    "deep": b'{"paths": ' + b"[" * 100_000,
    "deep and closed": b'{"paths": ' + b"[" * 5_000 + b"]" * 5_000 + b"}",
    "many": json.dumps({"paths": ["in"] * 10_001}).encode(),
    "no UTF-8": b'{"paths": ["\xff"]}',
    "UTF-16": '{"paths": ["in"]}'.encode("utf-16"),
    "half a pair": b'{"paths": ["in/\\ud800"]}',
    "our folder": b'{"paths": ["in"]}',
    "our other folder": b'{"paths": ["out"]}',
    "what the program keeps": b'{"paths": ["state"]}',
    "the root": b'{"paths": [""]}',
    "one in the other": b'{"paths": ["in/hostile", "in/hostile/-rf"]}',
    "one that is missing": b'{"paths": ["in/hostile", "in/none"]}',
}


@pytest.mark.parametrize("body", BODIES)
def test_what_is_no_good_request_deletes_nothing(portal: rig.Portal, tree: Path, body: str) -> None:
    before = sorted(tree.iterdir())
    answer = ask(portal, f"{API}/delete", BODIES[body], method="POST")
    refused(answer)
    assert answer.headers["content-type"] == "application/json"
    assert sorted(tree.iterdir()) == before


HEADERS: dict[str, tuple[dict[str, str], int]] = {
    "two parts": ({"Range": "bytes=0-1,3-4"}, 200),
    "another unit": ({"Range": "lines=0-1"}, 200),
    "backwards": ({"Range": "bytes=5-1"}, 200),
    "no numbers": ({"Range": "bytes=a-b"}, 200),
    "no ends": ({"Range": "bytes=-"}, 200),
    "beyond": ({"Range": "bytes=100-"}, 416),
    "nothing of the end": ({"Range": "bytes=-0"}, 416),
    "huge": ({"Range": f"bytes=0-{'9' * 18}"}, 200),
    "too huge": ({"Range": f"bytes=0-{'9' * 5000}"}, 200),
    "another file's": ({"Range": "bytes=0-1", "If-Range": '"x"'}, 200),
    "giant": ({"X": "x" * 100_000}, 431),
    "not ASCII": ({"Range": "bytes=\u0661-"}, 200),
}


@pytest.mark.parametrize("name", HEADERS)
def test_odd_headers(portal: rig.Portal, tree: Path, name: str) -> None:
    """What is not understood is not obeyed: the whole file, or a refusal."""
    headers, status = HEADERS[name]
    answer = ask(portal, f"{API}/file/in/hostile/page.html", headers=headers)
    assert answer.status == status
    if status == 200:
        assert answer.body == SCRIPTS["page.html"]
    if status == 416:
        assert answer.headers["content-range"] == f"bytes */{len(SCRIPTS['page.html'])}"


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "MKCOL", "TRACE"])
@pytest.mark.parametrize("path", ["", "list", "file/in/hostile/-rf", "zip?path=in", "delete", "uploads/", "summary"])
def test_no_other_method_does_anything(portal: rig.Portal, tree: Path, method: str, path: str) -> None:
    """Nor does any without a login, or sent by a page of another origin."""
    before = sorted(tree.iterdir())
    assert portal.get(f"{API}/{path}", method=method).status in (401, 405, 501)
    if method not in ("GET", "TRACE"):
        assert portal.browse(f"{API}/{path}", {"Origin": "http://127.0.0.1:1"}, method).status == 403
    assert portal.inside(f"{API}/{path}", method=method).status in (200, 204, 400, 404, 405, 501, 412)
    assert sorted(tree.iterdir()) == before


def test_nothing_of_a_file_is_in_a_log(portal: rig.Portal, tree: Path) -> None:
    """Neither its name, nor what was asked of it: not of those that are there, nor of those that are not."""
    for target in ("file/in/hostile/secretive.mp4", "list?path=secretive", "zip?path=secretive", "secretive"):
        portal.browse(f"{API}/{target}")
        portal.get(f"{portal.base}{API.upper()}/{target}", {"Cookie": portal.cookie})
    assert "secretive" not in portal.log.read_text()


@pytest.mark.parametrize("name", ["page.html", "page.xhtml", "picture.svg", "feed.xml", "no suffix"])
def test_a_browser_keeps_a_hostile_page(portal: rig.Portal, tree: Path, chromium: Browser, name: str) -> None:
    """Its address opened as a page: it is downloaded, and nothing of it runs."""
    url = f"http://127.0.0.1:{portal.port}{portal.base}{API}/file/in/hostile/{quote(name)}"
    name_of_cookie, _, value = portal.cookie.partition("=")
    with browser.page(chromium, complain=False) as opened:
        opened.context.add_cookies([{"name": name_of_cookie, "value": value, "url": f"http://127.0.0.1:{portal.port}"}])
        with opened.expect_download() as download:
            opened.evaluate("url => { location = url }", url)
        assert Path(download.value.path()).read_bytes() == SCRIPTS[name]
        assert opened.title() == ""
