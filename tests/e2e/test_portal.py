"""The portal of real images as its visitors meet it: a person with a browser, Vast's probe, and strangers.

PORTAL_TEST_PICTURES=FOLDER keeps pictures of what the browser showed.
"""

from __future__ import annotations

import base64
import re
import socket
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import pytest
from visomaster_host import paths, users

from sandbox import desktop
from sandbox.engine import docker_command
from tests.e2e.browser_portal import PICTURES, Portal, portal, press_keys, slow_assets, until, visitor
from tests.e2e.dockerfile import Build, built
from tests.e2e.machine import docker, host_suite, run
from tests.e2e.stream_portal import LISTEN, copied_here, copy_here, heard, play_a_tone
from tests.portal import browser, pictures, rig
from tests.portal.stream import expect_playing

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

TOKEN = """50% "sure" & it's {env.HOME} <b>+ü"""
"""Characters that end strings, escapes and placeholders somewhere."""
QUOTED = quote(TOKEN, safe="")
BEGINNINGS = ('50% "sure"', r"50% \"sure\"", "50% &quot;sure&quot;", "50% &#34;sure&#34;")
"""How it begins in text, JSON and pages."""
LABEL = "C.4711"
MOST_BYTES = 190_000_000
"""Bytes that the portal may add to the image of the desktop: 130 MB of them for Selkies and sound."""
RATE = 200_000
"""Bytes a second for each connection of a slowed fetch: 46 MB then take some 20 s."""
LOST = 1_000_000
"""Bytes that a kill may cost here: what all connections together receive in half a second."""
LOGS = (
    "visomaster_app",
    "visomaster_app_err",
    "x11vnc",
    "selkies",
    "websockify",
    "caddy",
    "portal",
    "visomaster_front",
)


@pytest.fixture(scope="module")
def alt(engine_going: None) -> Iterator[Build]:
    """A browser's desktop with its models."""
    yield from built("bookworm", target="alt")


@pytest.fixture(scope="module")
def s_def(engine_going: None) -> Iterator[Build]:
    """The same without models; every layer but the last ones is shared."""
    yield from built("bookworm", target="s-def")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """One browser for all pages; each page has a past of its own."""
    with visitor() as running:
        yield running


@pytest.fixture(scope="module")
def ready(alt: Build) -> Iterator[Portal]:
    """A ready desktop of an instance of Vast's, whose owner chose a token."""
    with portal(alt.tag, f"--env=OPEN_BUTTON_TOKEN={TOKEN}", label=LABEL) as box:
        box.wait_ready()
        yield box


@pytest.fixture(scope="module")
def page(chromium: Browser, ready: Portal) -> Iterator[Page]:
    """The desktop in a browser, by the link that the owner was given."""
    with browser.page(chromium, complain=False) as opened:
        ready.enter(opened)
        browser.save(opened, PICTURES, "alt-index")
        ready.open_vnc(opened)
        yield opened


def test_the_portal_is_a_small_layer(alt: Build) -> None:
    """noVNC and websockify as packages would bring 163 MB."""
    history = docker("history", "--no-trunc", "--human=false", "--format", "{{.Size}}\t{{.CreatedBy}}", alt.tag)
    sizes = [int(line.partition("\t")[0]) for line in history.splitlines() if "/dev/shm/access-portal" in line]
    print(f"\nthe portal adds {sum(sizes):,} bytes")
    assert len(sizes) == 1 and sum(sizes) < MOST_BYTES


def test_the_desktop_is_in_the_browser(ready: Portal, page: Page) -> None:
    """The pixels of the canvas are the screen's, with the program's window, and all of them fit the window."""
    until(lambda: ready.shown(page), "the host's picture in the browser")
    browser.save(page, PICTURES, "alt-desktop")
    box = page.locator(pictures.CANVAS).bounding_box()
    assert box is not None
    assert (box["width"], box["height"]) == (1280, 800)


def test_keys_and_clicks_reach_the_program(ready: Portal, page: Page) -> None:
    """What is typed and clicked in the browser is in the program's own log."""
    box = page.locator(pictures.CANVAS).bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 860, box["y"] + 340)
    until(lambda: "CLICK" in program_log(ready), "the click")
    clicks = [line.split()[1:] for line in program_log(ready).splitlines() if line.startswith("CLICK")]
    assert [abs(int(x) - 860) < 2 and abs(int(y) - 340) < 2 for x, y in clicks] == [True], clicks
    press_keys(page, "Grüße & 42 €")
    until(lambda: "TEXT 'Grüße & 42 €'" in program_log(ready), "the text")
    until(lambda: ready.shown(page), "the host's picture in the browser")
    browser.save(page, PICTURES, "alt-typed")


def program_log(box: Portal) -> str:
    return box.output("cat", f"{paths.PORTAL_LOGS}/visomaster_app.log")


# -- the stream


def test_one_has_the_stream(ready: Portal, chromium: Browser) -> None:
    """Real Selkies: a second visitor asks first, and Selkies killed under him is there again, with the page."""
    with browser.page(chromium, complain=False) as first, browser.page(chromium, complain=False) as second:
        for opened in (first, second):
            ready.enter(opened)
        ready.open_desktop(first)
        second.get_by_role("link", name="Open the desktop").click()
        second.get_by_role("button", name="Use it here").click()
        expect_playing(second)
        first.get_by_text("used elsewhere now").wait_for()
        ready.output("pkill", "--signal=KILL", "--full", "visomaster_host.selkies")
        second.get_by_text("is not there at the moment").wait_for()
        expect_playing(second)


@pytest.fixture(scope="module")
def stream(chromium: Browser, ready: Portal) -> Iterator[Page]:
    """The desktop as the index opens it where the browser can play it; the page complains of nothing, and asks no other
    host.
    """
    asked: set[str] = set()
    with browser.page(chromium) as opened:
        opened.context.grant_permissions(["clipboard-read", "clipboard-write"])
        opened.add_init_script(LISTEN)
        opened.on("request", lambda request: asked.add(request.url.removeprefix("blob:").partition("/~")[0]))
        ready.enter(opened)
        ready.open_desktop(opened)
        yield opened
    assert {url for url in asked if not url.startswith("data:")} - {f"{ready.url}/?token={QUOTED}"} <= {
        ready.url,
        *(url for url in asked if re.fullmatch(re.escape(ready.url) + "/[0-9a-f-]{36}", url)),  # what it made by itself
    }


def test_the_stream_follows_the_window(ready: Portal, stream: Page) -> None:
    """Larger and smaller, and a phone's window, which is too small to work in."""
    for width, height, wanted in ((1600, 900, (1600, 900)), (1024, 700, (1024, 700)), (390, 844, (800, 1732))):
        stream.set_viewport_size({"width": width, "height": height})
        until(lambda: ready.screen().size == wanted, f"a screen of {wanted}", seconds=10)  # noqa: B023 - called here
        browser.save(stream, PICTURES, f"alt-stream-{width}")
    stream.set_viewport_size(browser.DESKTOP)
    until(lambda: ready.screen().size == (1280, 800), "the screen as before", seconds=10)
    until(lambda: ready.streamed(stream), "the host's picture in the browser")


def test_the_streams_keys_and_clipboard(ready: Portal, stream: Page) -> None:
    """Letters of many scripts as keys, as an input method has them, and as what is copied here or there."""
    text = "Grüße 東京 😀 €"
    stream.mouse.click(860, 740)
    stream.keyboard.press("Control+a")  # what was typed before
    press_keys(stream, "äß€Ö Съешь")
    until(lambda: "TEXT 'äß€Ö Съешь'" in program_log(ready), "keys")
    stream.keyboard.press("Control+a")
    stream.keyboard.insert_text("東京")
    until(lambda: program_log(ready).rstrip().endswith("TEXT '東京'"), "what an input method has")
    stream.keyboard.press("Control+a")
    copy_here(stream, text)
    until(lambda: pasted(ready, stream, text), "what was copied here, pasted there")
    copy_here(stream, "something else")
    stream.keyboard.press("Control+a")
    stream.keyboard.press("Control+c")
    until(lambda: copied_here(stream) == text, "what was copied there, here")


def pasted(box: Portal, opened: Page, text: str) -> bool:
    """Paste over all that is in the field; what is copied here is there some moments later."""
    for key in ("Control+a", "Control+v"):
        opened.keyboard.press(key)
    opened.wait_for_timeout(200)
    return program_log(box).rstrip().endswith(f"TEXT '{text}'")


def test_the_stream_is_heard(ready: Portal, stream: Page) -> None:
    """A tone of the program's user, after a click in the page: as loud, and of that frequency."""
    stream.mouse.click(900, 300)
    tone = play_a_tone(ready.name)
    try:
        until(lambda: abs(heard(stream)[0] - 0.259) < 0.02 and abs(heard(stream)[1] - 440) < 8, "the tone", seconds=20)
    finally:
        tone.wait(30)


def test_every_log_opens(ready: Portal, chromium: Browser) -> None:
    """All that are listed; they show what the files hold."""
    with browser.page(chromium) as opened:
        ready.enter(opened)
        base = opened.url
        opened.goto(f"{base}logs/")
        browser.save(opened, PICTURES, "alt-logs")
        links = opened.locator("td a").evaluate_all("links => links.map((link) => link.getAttribute('href'))")
        listed = [link.partition("/logs/")[2] for link in links]
        assert {f"{name}.log" for name in LOGS} <= set(listed)
        for name in listed:
            opened.goto(f"{base}logs/")
            opened.locator(f'td a[href$="/logs/{name}"]').click()
            assert opened.url == f"{base}logs/{name}"
            folder = "/var/log" if "/" in name else str(paths.PORTAL_LOGS)
            last = ready.output("tail", "--lines=1", f"{folder}/{name}").strip()
            if last:
                opened.get_by_text(last[:60]).last.wait_for()
            browser.save(opened, PICTURES, f"alt-log-{name.replace('/', '-')}")


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


PAGES = {"index": "/", "websocket": "/vnc/websockify", "log": "/logs/x11vnc.log"}


@pytest.mark.parametrize("name", PAGES)
def test_who_gets_in(ready: Portal, name: str) -> None:
    """Each way to log in, right and wrong; tests/portal has the whole table."""
    (base, session), wrong = ready.begin(), "x" * 43
    attempts: Mapping[str, tuple[str, Mapping[str, str], bool]] = {
        "nothing": ("", {}, False),
        "query right": (f"?token={QUOTED}", {}, True),
        "query wrong": (f"?token={wrong}", {}, False),
        "cookie at a plain path": ("", session, False),
        "bearer right": ("", {"Authorization": f"Bearer {TOKEN}".encode().decode("latin-1")}, True),
        "bearer wrong": ("", {"Authorization": f"Bearer {wrong}"}, False),
        "basic right": ("", basic("vastai", TOKEN), True),
        "basic wrong user": ("", basic("root", TOKEN), False),
        "basic wrong password": ("", basic("vastai", wrong), False),
    }
    inside = 101 if name == "websocket" else 200
    upgrade = rig.websocket_headers() if name == "websocket" else {}
    found = {}
    for way, (query, sent, _) in attempts.items():
        found[way] = ready.get(PAGES[name] + query, {**upgrade, **sent}).status
    assert found == {way: inside if good else 401 for way, (_, _, good) in attempts.items()}
    other = {"Cookie": session["Cookie"].replace(LABEL, "C.1")}
    cookies = (session, {"Cookie": f"{LABEL}_auth_token={wrong}"}, other, {})
    below = [ready.get(base + PAGES[name], {**upgrade, **cookie}).status for cookie in cookies]
    assert below == [inside, 401, 401, 401]


def test_the_probe_and_the_browser(ready: Portal) -> None:
    """Vast's console asks without a browser's headers first, and is answered directly; a browser gets a cookie."""
    target = f"/?token={QUOTED}"
    probe = ready.get(target, {"Accept": "application/json, text/plain, */*"})
    assert (probe.status, "set-cookie" in probe.headers) == (200, False)
    visit = ready.get(target, {"Accept": "text/html"})
    base = visit.headers["location"]
    assert (visit.status, base) == (302, f"/~{ready.login.path}/")
    assert re.match(f"{LABEL}_auth_token=[A-Za-z0-9_-]{{43}}; Path={base};", visit.headers["set-cookie"])


def test_the_host_tests_pass(ready: Portal) -> None:
    """Among them: 11111 and 11443 are the only public ports, and no service but supervisord is root's."""
    host_suite(f"docker://{ready.name}")
    address = docker("inspect", "--format", "{{.NetworkSettings.IPAddress}}", ready.name).strip()
    answering = [port for port in (5900, 5901, 6080, 11111, 11443) if connects(address, port)]
    assert answering == [11111, 11443]


def connects(address: str, port: int) -> bool:
    """Whether something listens there, asked from outside the container."""
    with socket.socket() as probe:
        probe.settimeout(5)
        return probe.connect_ex((address, port)) == 0


def test_no_secret_is_left_anywhere(ready: Portal, page: Page) -> None:
    """After all of the above: no log, page, process or file that the desktop's user can read holds one."""
    login = ready.login
    base, inside = ready.begin()
    cookie = inside["Cookie"].partition("=")[2]
    needles = (TOKEN, QUOTED, *BEGINNINGS, cookie, login.path, login.basic.partition(" ")[2])
    listed = re.findall(r'href="\.\./logs/([^"]+)"', ready.get(f"{base}/logs/", inside).body.decode())
    assert len(listed) >= len(LOGS)
    answers = [ready.get(base + path, inside) for path in ("/", "/status/", "/status/status.json", "/logs/")]
    answers += [ready.get(f"{base}/logs/{name}?raw", inside) for name in listed]
    assert {answer.status for answer in answers} == {200}
    said = b"".join(answer.body for answer in answers) + docker("logs", ready.name).encode()
    said += ready.output("ps", "axww", "-o", "user,args").encode()
    assert [needle for needle in needles if needle.encode() in said] == []
    # The patterns come from standard input, and Docker's gift of the container's variables is put away: it would find
    # itself.
    search = (
        "grep --recursive --devices=skip --files-with-matches --text --no-messages --fixed-strings --file=-"
        " /app /dev/shm /etc /home /root /run /srv /tmp /usr/local /var /workspace"
        " /proc/[0-9]*/cmdline /proc/[0-9]*/environ"
    )
    for user in (users.DESKTOP, "nobody"):
        command = [
            docker_command(),
            "exec",
            "--interactive",
            f"--user={user}",
            ready.name,
            "env",
            "--ignore-environment",
            "sh",
            "-c",
            search,
        ]
        # The last pattern is one that must be found, or nothing was searched.
        found = run(command, input="\n".join([*needles, "root:x:0:0:"]) + "\n")
        assert set(found.stdout.split()) <= {"/etc/passwd", "/etc/passwd-"}, found.stdout
        assert "/etc/passwd" in found.stdout.split(), found.stderr


def test_a_bad_configuration_and_no_token(alt: Build) -> None:
    """What cannot be used is said on the page, the default portal is up, and `1` is no token but asks for one."""
    options = ("--env=OPEN_BUTTON_TOKEN=1", "--env=PORTAL_CONFIG=localhost:8080:18080:/../etc:Jupyter")
    with portal(alt.tag, *options) as box:
        until(lambda: box.status("/health") == 200, "the portal", seconds=30)
        assert [box.status(f"/?token={token}") for token in ("1", "", "1" * 16)] == [401, 401, 401]
        assert re.fullmatch(r"[A-Za-z0-9]{32}", box.token)
        report = box.report()
        assert len(report["notices"]) == 1 and report["notices"][0].startswith("PORTAL_CONFIG")
        assert "./vnc/" in [service.get("href") for service in report["services"]]
        box.wait_ready()


# -- models that arrive after the portal


@pytest.fixture(scope="module")
def fetching(s_def: Build) -> Iterator[Portal]:
    """A host that has just been started and fetches its models slowly."""
    with (
        slow_assets(RATE) as address,
        portal(s_def.tag, f"--env=VISOMASTER_MIRRORS={desktop.mirrors(address)}") as box,
    ):
        yield box


def progress(page: Page) -> int:
    return int(page.get_by_role("progressbar").get_attribute("aria-valuenow") or 0)


def test_the_fetch_is_seen_and_survives_a_kill(fetching: Portal, chromium: Browser) -> None:
    """Portal first, progress while it fetches, `docker kill` and on from there, the program after the last file."""
    took = until(lambda: fetching.status("/health") == 200, "the portal", seconds=30)
    with browser.page(chromium, complain=False) as opened:
        fetching.enter(opened)
        until(lambda: fetching.status("/ready") == 503, "not ready yet")
        seen = watch(opened, steps=3)
        browser.save(opened, PICTURES, "s-def-fetching")
        assert fetching.status("/ready") == 503
        before = on_disk(fetching)
        docker("kill", fetching.name)
        docker("start", fetching.name)
        until(lambda: fetching.status("/health") == 200, "the portal after the kill", seconds=30)
        # Docker has published another port, which is another origin; the session is good on it.
        opened.goto(fetching.url + urlsplit(opened.url).path)
        until(lambda: (fetch_of(fetching) or {}).get("status") == "running", "the fetch after the kill")
        after = fetch_of(fetching)["bytes_done"]
        assert after > before - LOST
        assert "MODELS" not in program_log(fetching), "it started before its models were there"
        opened.wait_for_selector("#ready.good", timeout=90_000)
        browser.save(opened, PICTURES, "s-def-ready")
        until(lambda: fetching.status("/ready") == 200, "ready")
        fetching.open_desktop(opened)
        until(lambda: fetching.streamed(opened), "the host's picture in the browser")
    fetching.logged(lambda said: "100% 6 of 6 files" in said)
    print(f"\nportal after {took:.1f} s; seen {seen} %; killed with {before:,} bytes, went on from {after:,}")
    assert re.findall(r"^MODELS .*$", program_log(fetching), re.MULTILINE)[:1] == ["MODELS 6 of 7"]


def watch(page: Page, steps: int, seconds: float = 90) -> list[int]:
    """The percentages the page shows by itself, until there are `steps` of them."""
    seen: list[int] = []
    deadline = time.monotonic() + seconds
    while len(seen) < steps and time.monotonic() < deadline:
        if (now := progress(page)) not in seen:
            seen.append(now)
        page.wait_for_timeout(100)
    assert len(seen) == steps and seen == sorted(seen) and seen[-1] < 100, seen
    return seen


def on_disk(box: Portal) -> int:
    """Bytes of models that the store holds, finished or not."""
    return 1024 * int(box.output("du", "--summarize", "--block-size=1024", str(paths.MODELS)).split()[0])


def fetch_of(box: Portal) -> Any:
    return box.report()["fetch"] if box.status("/health") == 200 else None


def test_the_host_tests_pass_with_models_of_the_start(fetching: Portal) -> None:
    host_suite(f"docker://{fetching.name}")


def test_what_the_fetch_made_is_roots_and_its_links_the_users(fetching: Portal) -> None:
    """The program reads models that it cannot change; a file of its user's own takes the place of a link. Who fetches
    when all is there is told so, whoever they are."""
    assert fetching.output("find", str(paths.PROGRAM), "!", "-user", users.DESKTOP) == ""
    assert fetching.output("find", str(paths.MODELS), str(paths.DEPENDENCIES), "!", "-user", "root") == ""
    as_user = [docker_command(), "exec", f"--user={users.DESKTOP}", fetching.name]
    again = run([*as_user, "visomaster-fetch"])
    assert again.returncode == 0, again.stdout + again.stderr
