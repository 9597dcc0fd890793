// The desktop's stream: who has the desktop, and a page that comes back. Runs before Selkies' own scripts, and begins
// them.
//
// Selkies hands the desktop to the last page that came, and asks nobody. So this page asks first when somebody else is
// there: /viewers tells of the connections that there are, each by a number.
import "./session.js";
import * as way from "./way.js";

const OPENED = "visomaster-stream"; // the connection that this tab had last
const TAKE = "visomaster-stream-take"; // this load need not ask
const LIMIT = 20_000; // ms; a line that went dead says nothing
const PAUSE = 1000; // ms between two looks
const PASSING = 400; // ms after which a connection that only looked whether Selkies answers has ended
const DRAWN = 15_000; // ms after which a picture should be there
const SMALLEST = [800, 600]; // of a desktop that can be worked in; on a phone it is shown smaller
const DATA = "data:text/javascript;charset=utf-8,";
const LOST = "The box does not answer. This page goes on when it does.";
const GONE = "The desktop is not there at the moment. This page goes on when it is.";
const ELSEWHERE = "The desktop is open elsewhere. Use it here?";
const TAKEN = "The desktop is used elsewhere now.";
const ENDED = "The desktop has ended this connection.";
const UNDRAWN = "No picture has come. There is another view of the desktop, which every browser shows.";
const UNSAFE = "Browsers play this view of the desktop over https only. There is another one, which every browser shows.";
const UNABLE = "This browser cannot play this view of the desktop. There is another one, which every browser shows.";

const { tell } = globalThis.visomaster;
const script = document.querySelector("script[data-then]");
const known = script.nonce;
let seen = []; // who was there when this page began its connection
let ready = Promise.resolve(); // resolves when this page may connect
let ended = false; // whether another page has the desktop now
let release = () => {}; // ends the lock on this page's connection

history.replaceState(null, "", location.pathname); // what an older address asks for is not offered

document.getElementById("app")?.setAttribute("role", "main");
way.leadsTo(() => document.getElementById("overlayInput")); // Selkies' own, over the picture

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const lockOf = (viewer) => `visomaster-stream ${location.pathname} ${viewer}`;
const told = () => document.getElementById("told");
const otherView = () => location.assign("../vnc/");

// The connections that there are; a sentence where that cannot be known; undefined where the login is asked for.
async function look() {
  const wanted = { cache: "no-store", signal: AbortSignal.timeout(LIMIT) };
  const answer = await fetch("viewers", wanted).catch(() => undefined);
  if (answer?.status === 401) return undefined;
  const report = answer?.ok ? await answer.json().catch(() => undefined) : undefined;
  if (!report) return LOST;
  return report.listening ? report.viewers : GONE;
}

// What is left of this tab's own connection, after a reload, is nobody else: no living page holds its lock. A tab that
// was duplicated has its number too.
async function isMine(viewer) {
  if (sessionStorage.getItem(OPENED) !== viewer) return false;
  return navigator.locks.request(lockOf(viewer), { ifAvailable: true }, (lock) => lock !== null);
}

async function othersOf(viewers) {
  const mine = await Promise.all(viewers.map(isMine));
  return viewers.filter((_, place) => !mine[place]);
}

// Who else is there to stay, as a list; else what `look` finds.
async function others() {
  const first = await look();
  if (!Array.isArray(first)) return first;
  const there = await othersOf(first);
  seen = first;
  if (there.length === 0) return there;
  await sleep(PASSING);
  const still = await look();
  return Array.isArray(still) ? there.filter((viewer) => still.includes(viewer)) : still;
}

// Resolves when this page may have the desktop: nobody else has it, or its visitor said so.
async function mayConnect() {
  let taken = sessionStorage.getItem(TAKE) !== null;
  let before = "";
  sessionStorage.removeItem(TAKE);
  for (;;) {
    const found = await others();
    if (found === undefined) {
      location.reload(); // to the login
      return new Promise(() => {});
    }
    const now = typeof found === "string" ? found : ELSEWHERE;
    if (Array.isArray(found) && (taken || found.length === 0)) break;
    if (now !== before) tell(now, now === ELSEWHERE ? () => (taken = true) : undefined, "Use it here");
    before = now;
    await sleep(taken ? 0 : PAUSE);
  }
  if (before) told()?.remove();
  return undefined;
}

// Which of the connections is this page's: one that was not there before.
async function remember() {
  for (let left = 10; left > 0; left--) {
    const now = await look();
    const own = Array.isArray(now) ? now.find((viewer) => !seen.includes(viewer)) : undefined;
    if (own) {
      sessionStorage.setItem(OPENED, own);
      navigator.locks.request(lockOf(own), () => new Promise((resolve) => (release = resolve)));
      return;
    }
    await sleep(PAUSE);
  }
}

// Selkies takes this word off the picture when the first one was drawn.
function drawn() {
  return document.getElementById("status-display")?.classList.contains("hidden");
}

async function expectPicture() {
  await sleep(DRAWN);
  if (drawn() || ended || told() || document.hidden) return;
  tell(UNDRAWN, otherView, "Open it");
  const box = told();
  while (!drawn() && box.isConnected) await sleep(PAUSE);
  box.remove();
}

function heard(event) {
  if (event.type === "open") {
    remember();
    expectPicture();
  } else if (event.type === "close" && !ended) {
    release();
    ready = mayConnect();
  } else if (event.type === "message" && String(event.data).startsWith("KILL ")) {
    ended = true;
    sessionStorage.removeItem(OPENED);
    const again = () => {
      sessionStorage.setItem(TAKE, "");
      location.reload();
    };
    if (event.data.startsWith("KILL a new ")) tell(TAKEN, again, "Take it back");
    else tell(ENDED, again);
  }
}

// The size to ask for in place of `width` and `height`, with the same shape.
function workable(width, height) {
  const factor = Math.max(1, SMALLEST[0] / width, SMALLEST[1] / height);
  return [width, height].map((length) => Math.round((length * factor) / 2) * 2);
}

// What the page says to Selkies of its window's size.
function said(text) {
  const size = text.match(/^r,(\d+)x(\d+)(.*)$/);
  if (size) return `r,${workable(Number(size[1]), Number(size[2])).join("x")}${size[3]}`;
  if (!text.startsWith("SETTINGS,")) return text;
  const settings = JSON.parse(text.slice("SETTINGS,".length));
  const { initialClientWidth: width, initialClientHeight: height } = settings;
  if (width && height) [settings.initialClientWidth, settings.initialClientHeight] = workable(width, height);
  return `SETTINGS,${JSON.stringify(settings)}`;
}

// Selkies' websocket is in a worker, which is told to open it. A try that was given up while it was held back leaves
// Selkies' page waiting: that is loaded anew.
//
// Behind a proxy that passes on another host than the browser's, the websocket's Origin looks foreign: that this page
// was read from here shows by what only its readers know.
function attend(worker) {
  const post = worker.postMessage.bind(worker);
  let held = false;
  worker.postMessage = async (message, ...rest) => {
    if (held && message?.type === "close") held = false;
    if (message?.type === "send" && typeof message.data === "string") message.data = said(message.data);
    if (message?.type !== "open" || !message.url) return post(message, ...rest);
    const url = new URL(message.url);
    url.searchParams.set("page", known);
    held = true;
    await ready;
    if (held) post({ ...message, url: url.href }, ...rest);
    else location.reload();
    held = false;
    return undefined;
  };
  worker.addEventListener("message", ({ data }) => heard(data ?? {}));
  return worker;
}

globalThis.Worker = new Proxy(Worker, { construct: (target, given) => attend(new target(...given)) });

// The page's policy lets no script be a text in an address; as a file of this page's it may run.
function playSound() {
  const add = AudioWorklet.prototype.addModule;
  AudioWorklet.prototype.addModule = async function (address, ...rest) {
    const text = String(address);
    if (!text.startsWith(DATA)) return add.call(this, address, ...rest);
    const script = decodeURIComponent(text.slice(DATA.length));
    const file = URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
    return add.call(this, file, ...rest).finally(() => URL.revokeObjectURL(file));
  };
}

// Where Selkies' page keeps what was chosen in it; a screen with finer pixels would first get a desktop of twice the size.
function chooseOnce(name, value) {
  const key = `${(location.origin + location.pathname).replace(/[^a-zA-Z0-9._-]/g, "_")}_${name}`;
  if (localStorage.getItem(key) === null) localStorage.setItem(key, value);
}

function begin() {
  chooseOnce("useCssScaling", "true");
  playSound();
  globalThis.__SELKIES_DEFER_INITIALIZATION = true;
  for (const name of script.dataset.then.split(" ")) {
    const made = document.createElement("script");
    Object.assign(made, { type: "module", nonce: known, src: name });
    document.head.append(made);
  }
}

if (!isSecureContext) tell(UNSAFE, otherView, "Open it");
else if (!globalThis.VideoDecoder) tell(UNABLE, otherView, "Open it");
else mayConnect().then(begin);
