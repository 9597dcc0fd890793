// A desktop that comes back, and fewer colours for a slow line. Runs before noVNC's own script and shares its modules.
import RFB from "../vnc/core/rfb.js";
import "./session.js";
import { connected } from "./novnc_page.js";

// What an older address says of where the desktop is, a bookmark or the guide, is not true of this session; no other host
// is ever asked (the page's policy sees to that, too).
const address = new URL(location.href);
const place = location.pathname.replace(/^\//, "").replace(/[^/]*$/, "websockify");
address.searchParams.set("path", place);
for (const name of ["host", "port", "encrypt"]) address.searchParams.delete(name);
address.hash = "";
history.replaceState(null, "", address);

const dispatch = RFB.prototype.dispatchEvent;

// Behind a proxy that passes on another host than the browser's, the websocket's Origin looks foreign: that this page
// was read from here shows by what only its readers know. It stands in no address bar.
const known = document.querySelector("script[nonce]").nonce;
globalThis.WebSocket = new Proxy(WebSocket, {
  construct(target, [url, ...protocols]) {
    const whole = new URL(url, location.href);
    whole.searchParams.set("page", known);
    return new target(whole, ...protocols);
  },
});

const TRIES = "visomaster-desktop-tries";
const MOST = 3;
const PAUSE = 5000; // ms
const LIMIT = 20_000; // ms; a line that went dead says nothing
const LOST = "The box does not answer. This page goes on when it does.";
const UNHEARD = "The desktop runs, but its websocket does not reach it. A proxy in between has to pass websockets on "
  + "(nginx: proxy_http_version 1.1, proxy_set_header Upgrade $http_upgrade, proxy_set_header Connection \"upgrade\").";
let waiting = false;

// Whether the desktop is there: true, a sentence about what is missing, or undefined where the login is asked for.
async function desktopIsThere() {
  const wanted = { cache: "no-store", signal: AbortSignal.timeout?.(LIMIT) };
  const answer = await fetch("../status/status.json", wanted).catch(() => undefined);
  if (answer?.status === 401) return undefined;
  const report = answer?.ok ? await answer.json().catch(() => undefined) : undefined;
  if (!report) return LOST;
  const checks = report.checks.filter((check) => ["vnc", "connection"].includes(check.name));
  return checks.every((check) => check.ok) || "The desktop is not there at the moment. This page goes on when it is.";
}

async function whyNot() {
  const answer = await fetch("../origin", { method: "POST", cache: "no-store" }).catch(() => undefined);
  return answer?.status === 403 ? `${UNHEARD} ${await answer.text()}` : UNHEARD;
}

// Whether the desktop greets. The websocket alone tells nothing: it is taken before anybody looks for the desktop.
function greets() {
  return new Promise((resolve) => {
    const socket = new WebSocket(new URL("websockify", location.href.replace(/^http/, "ws")));
    const end = (found) => {
      socket.close();
      resolve(found);
    };
    socket.onmessage = () => end(true);
    socket.onerror = socket.onclose = () => end(false);
    setTimeout(end, PAUSE, false);
  });
}

function load(tries) {
  sessionStorage.setItem(TRIES, tries);
  location.reload();
}

// noVNC tries again only when a connection that was there has ended. After a try that failed, the page waits until the
// desktop can be reached and is loaded anew: so it is when the token was changed, and shows the login then. When that
// has not helped for some times it says why, and keeps still: it asks now and then for an hour, or the visitor does.
async function beginAnew() {
  if (waiting) return;
  waiting = true;
  let there;
  do {
    await new Promise((resolve) => setTimeout(resolve, 1000));
    there = await desktopIsThere();
    if (typeof there === "string") globalThis.visomaster.tell(there);
  } while (typeof there === "string");
  const tries = Number(sessionStorage.getItem(TRIES)) + 1;
  if (there === undefined || tries < MOST) {
    load(there === undefined ? 0 : tries);
    return;
  }
  globalThis.visomaster.tell(await whyNot(), () => load(0));
  for (let left = 3600_000 / PAUSE; left > 0; left--) {
    await new Promise((resolve) => setTimeout(resolve, PAUSE));
    if (await greets() || await desktopIsThere() === undefined) load(0);
  }
}

// Fewer colours for a slow line, or all of them again: a link to this page with another address, offered for a moment when
// the desktop appears, and among noVNC's buttons.
const SLOW = { quality: "2", compression: "6" }; // over 8 Mbit/s 19 pictures a second, 7 with noVNC's own
const OFFERED = 10_000; // ms

function offerColours() {
  const other = new URL(address);
  const slow = Object.entries(SLOW).every(([name, value]) => address.searchParams.get(name) === value);
  for (const [name, value] of Object.entries(SLOW)) {
    if (slow) other.searchParams.delete(name);
    else other.searchParams.set(name, value);
  }
  const [question, verb, name] = slow
    ? ["Fewer colours, for a slow line.", "Show all", "All colours"]
    : ["A slow line?", "Show fewer colours", "Slow line"];
  const link = (text) => Object.assign(document.createElement("a"), { href: other, textContent: text });
  const offer = Object.assign(document.createElement("p"), { id: "visomaster_colours", textContent: `${question} ` });
  offer.setAttribute("role", "status");
  offer.append(link(verb));
  document.body.append(offer);
  document.querySelector("#noVNC_control_bar .noVNC_scroll")?.append(link(name));
  setTimeout(() => offer.remove(), OFFERED);
}

let offered = false;

RFB.prototype.dispatchEvent = function (event) {
  if (event.type === "connect") {
    sessionStorage.removeItem(TRIES);
    if (!offered) offerColours();
    offered = true;
    setTimeout(connected);
  }
  if (event.type === "disconnect" && !event.detail.clean) beginAnew();
  return dispatch.call(this, event);
};
