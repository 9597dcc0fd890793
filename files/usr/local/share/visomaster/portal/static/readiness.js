// How far this machine is, in the pill, the tab's title and icon, and the big button.
import { duration, say } from "./words.js";

const TOLD = {
  ready: { pill: "ready", kind: "good", tab: "" },
  fetching: { pill: "fetching models", kind: "wait", tab: "Fetching models" },
  failed: { pill: "models missing", kind: "bad", tab: "Models missing" },
  ended: { pill: "the program ended", kind: "bad", tab: "Program ended" },
  broken: { pill: "not ready", kind: "bad", tab: "Not ready" },
  starting: { pill: "starting", kind: "wait", tab: "Starting…" },
  lost: { pill: "no answer", kind: "bad", tab: "No answer" },
};
const ICONS = { good: "icon.svg", wait: "icon_wait.svg", bad: "icon_bad.svg" };
const SCREEN = new Set(["screen", "vnc", "connection"]); // without these there is no desktop to open
const title = document.title;
const open = document.querySelector(".desktop .open");
const way = open?.querySelector("span");
let ways = way?.textContent; // what the button says where there is nothing to wait for

export function stateOf(report) {
  if (report.ready) return "ready";
  if (report.fetch?.status === "failed") return "failed";
  if (report.fetch?.status === "running") return "fetching";
  if (report.ended) return "ended";
  return report.ends.length ? "broken" : "starting";
}

// `fetch` is how far the models are.
export function showState(state, fetch) {
  const { pill, kind, tab } = TOLD[state];
  const ready = document.getElementById("ready");
  say(ready, pill); // a screen reader speaks every change
  ready.className = `pill ${kind}`;
  const share = state === "fetching" && fetch.bytes_total > 0 ? `${Math.floor((100 * fetch.bytes_done) / fetch.bytes_total)} % · ` : "";
  document.title = `${share}${tab}${tab && " · "}${title}`;
  const icon = document.querySelector('link[rel="icon"]');
  const wanted = icon.getAttribute("href").replace(/[^/]*$/, ICONS[kind]);
  if (icon.getAttribute("href") !== wanted) icon.setAttribute("href", wanted);
}

export function chooseWay(text) {
  ways = text;
}

// What one would see on the desktop now.
export function showButton(report) {
  if (!open) return;
  const away = report.checks.some((check) => SCREEN.has(check.name) && !check.ok);
  open.classList.toggle("soon", away);
  say(open.querySelector("strong"), away ? "The desktop is starting" : "Open the desktop");
  say(way, away ? "It cannot be opened yet; this page says when." : seen(report));
}

function seen(report) {
  const left = report.fetch?.eta > 0 ? `, in about ${duration(report.fetch.eta)}` : "";
  return {
    fetching: `The program appears there when the models have come${left}.`,
    failed: "Without the program: some of its models are missing.",
    ended: "Without the program: it ended, see above.",
    starting: "The program appears there in a moment.",
  }[stateOf(report)] ?? ways;
}
