"""Another tenant's port of the same address: a web server that wants into the portal, and what its pages try there."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

AWAY = "/away?"
"""The neighbour's address that leads on to the one behind it."""


@dataclass(frozen=True, kw_only=True)
class Heard:
    """One request that reached the neighbour."""

    target: str
    headers: Mapping[str, str]


@dataclass(kw_only=True)
class Neighbour:
    """What it heard, and what it answers: `page` everywhere, with these cookies."""

    port: int
    heard: list[Heard] = field(default_factory=list)
    cookies: list[str] = field(default_factory=list)
    page: str = "<!doctype html><title>neighbour</title>"
    server: ThreadingHTTPServer = field(repr=False)

    @property
    def bait(self) -> list[Mapping[str, str]]:
        """Every different pair of cookies and page that a visitor's browser told it of."""
        told = [
            {name: value for name, value in one.headers.items() if name in ("Cookie", "Referer")} for one in self.heard
        ]
        return [one for place, one in enumerate(told) if one and one not in told[:place]]

    def close(self) -> None:
        """Take no more requests."""
        self.server.shutdown()
        self.server.server_close()


def neighbour() -> Neighbour:
    """A neighbour that listens on any port of 127.0.0.1."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            made.heard.append(Heard(target=self.path, headers=dict(self.headers.items())))
            away = self.path.startswith(AWAY)
            self.send_response(302 if away else 200)
            if away:
                self.send_header("Location", unquote(self.path.removeprefix(AWAY)))
            self.send_header("Content-Type", "text/html; charset=utf-8")
            for cookie in made.cookies:
                self.send_header("Set-Cookie", cookie)
            self.end_headers()
            self.wfile.write(made.page.encode())

        do_POST = do_GET  # noqa: N815 - http.server's name

        def log_message(self, format: str, *arguments: object) -> None:
            """Nothing: `heard` is the log."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made = Neighbour(port=server.server_port, server=server)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    return made


READ = """async (portal) => {
    const outcomes = {};
    const attempt = async (name, work) => {
        const slow = new Promise((resolve) => setTimeout(() => resolve("nothing"), 1500));
        try {
            outcomes[name] = String(await Promise.race([work(), slow])).slice(0, 200);
        } catch (error) {
            outcomes[name] = "refused";
        }
    };
    const element = (kind, attributes) => new Promise((resolve) => {
        const made = Object.assign(document.createElement(kind), attributes);
        made.onload = () => resolve("loaded");
        made.onerror = () => resolve("refused");
        document.body.append(made);
    });
    const pages = ["/", "/status/status.json", "/logs/", "/logs/caddy.log?raw", "/vnc/vnc.html", "/assets/portal.js"];
    const all = pages.map(async (path) => {
        const get = (more) => fetch(portal + path, { credentials: "include", ...more });
        await attempt(`fetch ${path}`, async () => (await get({})).text());
        const opaque = async () => (await (await get({ mode: "no-cors" })).text()) || "refused";
        await attempt(`fetch no-cors ${path}`, opaque);
        await attempt(`fetch with a header ${path}`, async () => (await get({ headers: { "X-A": "b" } })).text());
        await attempt(`XMLHttpRequest ${path}`, () => new Promise((resolve) => {
            const request = new XMLHttpRequest();
            request.withCredentials = true;
            request.onload = () => resolve(request.responseText);
            request.onerror = () => resolve("refused");
            request.open("GET", portal + path);
            request.send();
        }));
        await attempt(`EventSource ${path}`, () => new Promise((resolve) => {
            const source = new EventSource(portal + path, { withCredentials: true });
            source.onmessage = (event) => resolve(event.data);
            source.onerror = () => (source.close(), resolve("refused"));
        }));
        await attempt(`script ${path}`, () => element("script", { src: portal + path }));
        await attempt(`module ${path}`, () => element("script", { src: portal + path, type: "module" }));
    });
    await Promise.all(all);
    await attempt("image", () => element("img", { src: portal + "/assets/icon.svg" }));
    await attempt("style", () => element("link", { rel: "stylesheet", href: portal + "/assets/portal.css" }));
    for (const path of ["/vnc/websockify", "/websockify"]) {
        await attempt(`websocket ${path}`, () => new Promise((resolve) => {
            const socket = new WebSocket(portal.replace("http", "ws") + path);
            socket.onopen = () => resolve("open");
            socket.onerror = () => resolve("refused");
        }));
    }
    return outcomes;
}"""
"""Everything a page may try to read of another origin: by name, "refused", or what came of it."""

FRAMES = """(portal) => {
    const paths = ["/", "/vnc/vnc.html", "/status/", "/logs/", "/nothing", "/ready"];
    const made = [Object.assign(document.createElement("iframe"), { src: "/framed" })];
    for (const path of paths) {
        for (const [kind, name] of [["iframe", "src"], ["embed", "src"], ["object", "data"]]) {
            made.push(Object.assign(document.createElement(kind), { [name]: portal + path }));
        }
    }
    return Promise.all(made.map((one) => new Promise((resolve) => {
        one.onload = one.onerror = resolve;
        setTimeout(resolve, 1500);
        document.body.append(one);
    })));
}"""
"""The portal's pages in frames of every kind, and one of the neighbour's own, which is shown."""

POSTS = """async (portal) => {
    const frame = Object.assign(document.createElement("iframe"), { name: "sink" });
    document.body.append(frame);
    const bounded = (place, request) => Promise.race([
        fetch(place, request).catch(() => undefined), new Promise((resolve) => setTimeout(resolve, 500)),
    ]);
    const paths = ["/", "/logout", "/~/logout", "/status/", "/vnc/logout", "/logs/", "/plain/logout"];
    for (const path of paths) {
        for (const mode of ["cors", "no-cors"]) {
            for (const method of mode === "cors" ? ["POST", "DELETE", "PUT"] : ["POST"]) {
                const request = { method, mode, credentials: "include", body: "a=b" };
                await bounded(portal + path, request);
            }
            await bounded(portal + path, { mode, credentials: "include" });
        }
        navigator.sendBeacon(portal + path, "a=b");
        for (const enctype of ["text/plain", "application/x-www-form-urlencoded"]) {
            const form = Object.assign(document.createElement("form"), { method: "post", enctype, target: "sink" });
            form.action = portal + path;
            const sent = new Promise((resolve) => { frame.onload = resolve; setTimeout(resolve, 500); });
            document.body.append(form);
            form.submit();
            await sent;
        }
    }
}"""
"""Every way in which a page can post to another origin."""

AS_A_PROXY = """async (session) => {
    const outcomes = {};
    const post = async (name, headers, mode) => {
        const wanted = { method: "POST", credentials: "include", headers, mode };
        const answer = await fetch(`${session}/logout`, wanted).catch(() => undefined);
        outcomes[name] = answer && answer.type !== "opaque" ? answer.status : "refused";
    };
    await post("X-Forwarded-Host", { "X-Forwarded-Host": location.host });
    await post("X-Forwarded-Port", { "X-Forwarded-Port": location.port });
    await post("Forwarded", { Forwarded: `host="${location.host}"` });
    await post("Sec-Fetch-Site", { "Sec-Fetch-Site": "same-origin", "X-Forwarded-Host": location.host }, "no-cors");
    for (const query of ["", "?page=", `?page=${"0".repeat(32)}`]) {
        outcomes[`websocket ${query}`] = await new Promise((resolve) => {
            const socket = new WebSocket(`${session.replace("http", "ws")}/vnc/websockify${query}`);
            socket.onopen = () => resolve("open");
            socket.onerror = () => resolve("refused");
        });
    }
    return outcomes;
}"""
"""What a page tries that knows where the session is, to be taken for what is behind a proxy."""
