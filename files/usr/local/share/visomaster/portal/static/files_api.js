// The service that answers for the files: what is asked of it, and what to do when the login is over. Addresses are
// relative to the page, whose own address follows the session.
import { element, link } from "./words.js";

const LIMIT = 30_000; // ms; a line that went dead says nothing
const KEY = "visomaster-session"; // see session.js
const SESSION = /^\/~[A-Za-z0-9_-]{22}$/;
const LOST = "The box does not answer.";
const HELP = { 401: "You are logged out.", 502: LOST, 503: LOST, 504: LOST };

const API = document.querySelector("[data-api]").dataset.api;
const notices = document.getElementById("notices");
let again; // resolves at the next login

// What was asked for is not granted: `status` is HTTP's, or 0 where nobody has answered; its text is for the person.
export class Refusal extends Error {
  constructor(status, said = {}) {
    super(said.error ?? HELP[status] ?? (status ? `The box answers as it should not (${status}).` : LOST));
    this.status = status;
    this.said = said;
  }
}

// Resolves at once while logged in, else when somebody has logged in, in whatever tab of this browser.
export function login() {
  return again?.promise ?? Promise.resolve();
}

export function loggedOut() {
  if (again || !notices) return; // the index shows the login by itself
  again = {};
  again.promise = new Promise((resolve) => (again.resolve = resolve));
  const notice = element("p", "You are logged out. What is being sent waits, and goes on here once you have logged in. ", "notice");
  const way = link("Log in, in a new tab", "/files/");
  way.target = "_blank";
  notice.append(way);
  again.notice = notice;
  notices.append(notice);
}

// Whoever logs in gets a session, below the same address or another one.
async function goOn() {
  const session = localStorage.getItem(KEY) ?? "";
  if (!again || !SESSION.test(session)) return;
  const place = location.pathname.replace(/^\/~[^/]*/, session);
  const answer = await fetch(`${place}${API}summary`, { cache: "no-store" }).catch(() => undefined);
  if (!answer?.ok || !again) return;
  history.replaceState(null, "", place);
  again.notice.remove();
  again.resolve();
  again = undefined;
}

// See session.js: the page of the files stays as it is.
addEventListener("visomaster-outside", (event) => {
  if (!notices) return;
  event.preventDefault();
  loggedOut();
});
addEventListener("storage", goOn);
document.addEventListener("visibilitychange", goOn);

// `path` in an address below the service's: the names stay names, whatever is in them.
export function spelled(path) {
  return path.split("/").map(encodeURIComponent).join("/");
}

// Of what is asked below the service's own address.
export function address(path) {
  return `${API}${path}`;
}

export function fileAddress(path) {
  return `${API}file/${spelled(path)}`;
}

export function zipAddress(paths, called) {
  const query = new URLSearchParams(paths.map((path) => ["path", path]));
  if (called) query.set("name", called);
  return `${API}zip?${query}`;
}

// What the service answers, as JSON. Raises `Refusal`.
export async function ask(path, { method = "GET", give, limit = LIMIT } = {}) {
  const wanted = { method, cache: "no-store", signal: AbortSignal.timeout?.(limit) };
  if (give) Object.assign(wanted, { body: JSON.stringify(give), headers: { "Content-Type": "application/json" } });
  const answer = await fetch(address(path), wanted).catch(() => undefined);
  if (!answer) throw new Refusal(0);
  if (answer.status === 401) loggedOut();
  const said = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Refusal(answer.status, said);
  return said;
}

export function list(path) {
  return ask(`list?${new URLSearchParams({ path })}`);
}

export async function unfinished() {
  return (await ask("uploads/")).uploads;
}

// How many bytes may be sent, beside what the service keeps free for the program.
export function room(space) {
  return Math.max(0, space.free - space.reserve);
}
