"""What the portal's pages show, and what is never written anywhere."""

from __future__ import annotations

import base64
import json
import re
import shutil
from pathlib import Path

from visomaster_host.choices import Screen

from tests.portal import rig

HTML = {"Accept": "text/html"}


def test_every_link_is_relative(portal: rig.Portal) -> None:
    """Outside, the portal has another address and port than it knows of."""
    for path in (
        "/",
        "/status/",
        "/logs/",
        "/logs/supervisor/",
        "/logs/x11vnc.log",
        "/logs/supervisor/xvfb.log",
    ):
        page = portal.inside(path, HTML).body.decode()
        links = re.findall(r'(?:href|src|data-report)="([^"]*)"', page)
        assert links
        assert [link for link in links if re.match(r"/|[a-z]+:", link)] == []


def test_every_asset_of_a_page_is_there(portal: rig.Portal) -> None:
    """Nothing is asked of any other host, and nothing is missing on ours."""
    for path in ("/", "/status/", "/logs/", "/logs/supervisor/xvfb.log"):
        page = portal.inside(path, HTML).body.decode()
        for asset in re.findall(r'"[./]*(/assets/[^"]*)"', page):
            assert portal.inside(asset).status == 200


def test_the_desktop_opens_connected_and_follows_the_window(portal: rig.Portal) -> None:
    """At once, and for a slow line with fewer colours; what x11vnc alone needs is no part of it."""
    place = portal.inside("/vnc/").headers["location"]
    assert place == "vnc.html?autoconnect=1&path=vnc/websockify&resize=remote&reconnect=1&reconnect_delay=1000"
    assert portal.inside("/vnc/?slow=yes").headers["location"] == f"{place}&quality=2&compression=6"
    assert portal.inside("/vnc").headers["location"] == "vnc/"
    page = portal.inside("/vnc/vnc.html").body.decode()
    ours = re.findall(r'"\.\.(/assets/[^"]+)"', page)
    styles = ["/assets/way.css", "/assets/novnc.css"]
    assert ours == ["/assets/icon.svg", *styles, "/assets/novnc.js", "/assets/novnc_size.js"]
    for asset in (*ours, "/assets/novnc_x11vnc.js"):
        assert portal.inside(asset).status == 200


def test_the_guides_desktop_is_fitted_to_the_window(folder: Path) -> None:
    """x11vnc refuses to be resized, and needs help with what is copied."""
    with rig.running(folder, rig.wanted(token=rig.TOKEN), screen=Screen.GUIDE) as portal:
        assert "&resize=scale&" in portal.inside("/vnc/").headers["location"]
        page = portal.inside("/vnc/vnc.html").body
        assert b"novnc_x11vnc.js" in page and b"novnc_size.js" not in page


def test_the_stream_has_a_place_of_its_own(portal: rig.Portal) -> None:
    """Behind the login as all else."""
    assert portal.inside("/desktop").headers["location"] == "desktop/"
    assert portal.get("/desktop/").status == 401


def test_the_progress_of_a_fetch(portal: rig.Portal) -> None:
    """The report carries the fetcher's own state; the page begins with it and asks for more."""
    file = {
        "path": "model_assets/<b>.onnx",
        "group": "required",
        "status": "fetching",
        "bytes_done": 5,
        "size": 10,
    }
    portal.write_fetch(schema=1, status="running", bytes_done=5, bytes_total=10, rate=1, eta=5, files=[file])
    report = json.loads(portal.inside("/status/status.json").body)
    assert (report["fetch"]["bytes_done"], report["fetch"]["files"]) == (5, [file])
    page = portal.inside("/", HTML).body.decode()
    assert "<b>.onnx" not in page
    data = re.search(r'<script type="application/json" id="report">(.*?)</script>', page, re.S)
    assert data is not None
    assert json.loads(data[1])["fetch"]["files"] == [file]
    (portal.folder / "fetch.json").write_text('{"status": "run', encoding="utf-8")
    assert json.loads(portal.inside("/status/status.json").body)["fetch"] is None
    (portal.folder / "fetch.json").unlink()


def test_logs_are_listed_and_read(portal: rig.Portal) -> None:
    """Text for programs, a page that follows for a browser; links and hidden files are not even listed."""
    page = portal.inside("/logs/").body.decode()
    assert "visomaster_app.log" in page
    assert "supervisor/xvfb.log" in page
    assert "link.log" not in page
    assert ".hidden" not in page
    text = portal.inside("/logs/visomaster_app.log")
    assert (text.body, text.headers["content-type"]) == (b"started\n", "text/plain; charset=utf-8")
    assert b'id="log"' in portal.inside("/logs/visomaster_app.log", HTML).body
    assert portal.inside("/logs/visomaster_app.log?raw", HTML).body == b"started\n"
    assert portal.inside("/logs/supervisor/xvfb.log").body == b"screen\n"


def test_a_log_is_followed(portal: rig.Portal) -> None:
    """Each request brings what came since the last; a rotated file begins anew."""
    log = portal.folder / "log/followed.log"
    log.write_text("one\n")
    first = portal.browse("/logs/followed.log?offset=-100")
    place = f"/logs/followed.log?offset={first.headers['x-log-next']}&file={first.headers['x-log-file']}"
    assert (first.body, first.headers["x-log-restarted"]) == (b"one\n", "no")
    with log.open("a") as file:
        file.write("two\n")
    assert portal.browse(place).body == b"two\n"
    log.rename(portal.folder / "log/followed.log.1")
    log.write_text("three\n")
    again = portal.browse(place)
    assert (again.body, again.headers["x-log-restarted"]) == (b"three\n", "yes")


def test_refused_requests_are_counted(folder: Path) -> None:
    """The status page shows how many requests were answered 401 within the hour."""
    with rig.running(folder, rig.wanted(token=rig.TOKEN)) as portal:
        for number in range(3):
            assert portal.get(f"/?token=guess-number-{number}-of-many").status == 401
        portal.inside("/")
        assert json.loads(portal.inside("/status/status.json").body)["refused"] == {
            "requests": 3,
            "at_least": False,
            "seconds": 3600,
        }


def test_without_the_pages_the_desktop_still_opens(folder: Path) -> None:
    """The index says that it comes back; /ready says no; /vnc/ and /health do not need it."""
    with rig.running(folder, rig.wanted(token=rig.TOKEN)) as portal:
        places = rig.places(folder, rig.free_port(), 1)
        prepared = rig.apply.prepare(portal.wanted, places)
        (rig.sockets(folder) / "pages.sock").unlink()
        with rig.serving(prepared, folder, places.port, places.tls_port):
            portal.port = places.port
            assert portal.get("/health").status == 200
            assert portal.get("/ready").status == 503
            index = portal.inside("/")
            assert (index.status, b"vnc/" in index.body) == (503, True)
            for path in ("/", "/status/", "/logs/visomaster_app.log"):
                page = portal.browse(path, HTML)
                assert (page.status, b'http-equiv="refresh"' in page.body) == (503, True), path
            assert portal.browse("/status/status.json").body == b"503 Service Unavailable"
            assert portal.inside("/vnc/vnc.html").status == 200


def test_neither_token_nor_cookie_is_written_anywhere(folder: Path) -> None:
    """A session with the token in every place a client may put it, requests that fail among them."""
    label = "C.99"
    with rig.running(folder, rig.wanted(token=rig.TOKEN, container_label=label)) as portal:
        basic = "Basic " + base64.b64encode(f"vastai:{rig.TOKEN}".encode()).decode()
        everywhere = {
            "Cookie": portal.cookie,
            "Authorization": basic,
            "Referer": f"http://127.0.0.1/?token={rig.TOKEN}",
            "X-Token": rig.TOKEN,
        }
        query = f"token={rig.TOKEN}"
        spelled = "token=" + "".join(f"%{ord(letter):02x}" for letter in rig.TOKEN)
        for target in (
            "/",
            "/vnc/",
            "/logs/",
            "/logs/caddy.log",
            "/status/",
            "/nothing",
            "/vnc/websockify",
            "//x",
            "/%zz",
        ):
            for tail in (
                f"?{query}",
                f"?a=b&{query}",
                f"?%74oken={rig.TOKEN}",
                f"?{spelled}",
                f"?{query};x=%zz",
                f"#?{query}",
            ):
                portal.raw(f"GET {target}{tail} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
                portal.get(target.replace("%zz", "") + tail, everywhere)
        portal.get("/?" + query, HTML)
        websocket = rig.websocket_headers(**everywhere)
        portal.get("/vnc/websockify?" + query, websocket)
        portal.websockify.close()
        portal.get("/vnc/websockify?" + query, websocket)  # the upstream is gone: an error is logged too
        shown = [portal.inside(path, HTML).body for path in ("/", "/status/", "/logs/", "/status/status.json")]
        for target in ("/vnc/websockify?" + query, f"/vnc{portal.base}/vnc/websockify", "/nothing", "/vnc/nothing"):
            portal.browse(target, websocket)
        sessions = [file.name.split(".") for file in portal.places.sessions.glob("*/*")]
    assert sessions
    secrets = (rig.TOKEN, *(part for session in sessions for part in session), basic.split()[1], spelled[6:])
    written = [path for path in folder.rglob("*") if path.is_file()]
    assert portal.log in written
    assert portal.log.stat().st_size > 10_000
    for text in (*shown, *(path.read_bytes() for path in written)):
        assert [secret for secret in secrets if secret.encode() in text] == []
    shutil.rmtree(folder / "run")


def test_the_access_log_says_who_asked_for_what(portal: rig.Portal) -> None:
    """JSON, one object a line, with the path and the status, and without polls; the front's log has the addresses."""
    portal.inside("/status/")
    portal.inside("/status/status.json")
    lines = [json.loads(line) for line in portal.log.read_text().splitlines()]
    handled = [line for line in lines if line.get("msg") == "handled request"]
    last = [line for line in handled if line["request"]["uri"].startswith("/status/")][-1]
    assert (last["status"], last["request"]["uri"]) == (200, "/status/")
    assert "headers" not in last["request"]
    assert re.search(r"^127\.0\.0\.1:\d+ \[.*\] \d+ bytes in \d+ ms", portal.front_log.read_text(), re.MULTILINE)
