// The live parts of the index and the status page. Everything comes from one JSON report; the page carries the first.
import { showChecks } from "./checks.js";
import { showEnded } from "./ended_card.js";
import { showLease } from "./lease_card.js";
import { showMachine } from "./machine_card.js";
import { chooseWay, showButton, showState, stateOf } from "./readiness.js";
import { duration, element, size } from "./words.js";

const PERIOD = { first: 1500, fetching: 1000, starting: 2000, ready: 10000, lost: 3000, hidden: 10000 };
const LIMIT = 20_000; // ms; a line that went dead says nothing
const main = document.querySelector("main");

function showEnds(ends, ready) {
  const box = document.getElementById("ends");
  box.className = ready ? "notices past" : "notices";
  const shown = Array.from(box.children, (line) => line.textContent);
  if (shown.join("\n") === ends.join("\n")) return; // a screen reader speaks every change
  box.replaceChildren(...ends.map((end) => element("p", end, "notice")));
}

function bar(fetch) {
  const known = fetch.bytes_total > 0;
  const share = known ? Math.min(1, fetch.bytes_done / fetch.bytes_total) : 0;
  const progress = element("div", undefined, known ? "progress" : "progress unknown");
  progress.setAttribute("role", "progressbar");
  progress.setAttribute("aria-label", "models fetched");
  progress.append(element("div"));
  if (known) {
    progress.setAttribute("aria-valuenow", String(Math.round(share * 100)));
    progress.firstChild.style.width = `${share * 100}%`;
  }
  return progress;
}

function figures(fetch, files) {
  const line = element("p", undefined, "figures");
  const done = files.filter((file) => file.status === "done").length;
  const total = fetch.bytes_total > 0 ? ` of ${size(fetch.bytes_total)}` : "";
  line.append(element("span", `${done} of ${files.length} files`), element("span", `${size(fetch.bytes_done)}${total}`));
  if (fetch.rate > 0) line.append(element("span", `${size(fetch.rate)}/s`));
  if (fetch.eta > 0) line.append(element("span", `${duration(fetch.eta)} left`));
  return line;
}

function fileTable(files) {
  const table = element("table");
  const head = table.createTHead().insertRow();
  for (const [text, className] of [["File", ""], ["State", ""], ["Size", "number"]]) {
    head.append(Object.assign(element("th", text, className), { scope: "col" }));
  }
  const body = table.createTBody();
  for (const file of files) {
    const row = body.insertRow();
    const partly = file.status === "fetching" && file.size > 0;
    const state = partly ? `${Math.floor(100 * file.bytes_done / file.size)} %` : file.status;
    row.append(element("td", file.path), element("td", state, file.error ? "failed" : ""));
    row.append(element("td", file.size > 0 ? size(file.size) : "", "number"));
  }
  return table;
}

function showFetch(fetch) {
  const box = document.getElementById("fetch");
  const detailed = "files" in box.dataset;
  box.hidden = !fetch || (fetch.status === "done" && !detailed);
  if (box.hidden) return;
  box.className = fetch.status === "failed" ? "card stopped" : "card";
  const files = Array.isArray(fetch.files) ? fetch.files : [];
  const title = { running: "Fetching models", done: "Models", failed: "Some models could not be fetched" }[fetch.status];
  const parts = [element("h2", title ?? "Models")];
  if (fetch.status !== "done") parts.push(bar(fetch));
  parts.push(figures(fetch, files));
  for (const file of files.filter((each) => each.error)) {
    parts.push(element("p", `${file.path}: ${file.error}`, "failed"));
  }
  if (detailed) parts.push(fileTable(files));
  reuseBar(box, parts);
}

// The bar's movement is a transition of the old element: a new one would jump from nothing.
function reuseBar(box, parts) {
  const old = box.querySelector(".progress");
  const index = parts.findIndex((part) => part.classList.contains("progress"));
  if (old && index >= 0 && old.className === parts[index].className) {
    old.firstChild.style.width = parts[index].firstChild.style.width;
    old.setAttribute("aria-valuenow", parts[index].getAttribute("aria-valuenow") ?? "");
    while (old.previousSibling) old.previousSibling.remove();
    while (old.nextSibling) old.nextSibling.remove();
    old.before(...parts.slice(0, index));
    old.after(...parts.slice(index + 1));
  } else {
    box.replaceChildren(...parts);
  }
}

function show(report) {
  showState(stateOf(report), report.fetch);
  showButton(report);
  showEnded(report.ended);
  showChecks(report.checks, report.ended);
  showMachine(report.machine, report.paid);
  showEnds(report.ends, report.ready);
  showFetch(report.fetch);
  showLease(report.lease);
  const refused = document.getElementById("refused");
  if (refused) refused.textContent = `${report.refused.at_least ? "at least " : ""}${report.refused.requests}`;
}

function period(report) {
  if (document.hidden) return PERIOD.hidden;
  if (report.fetch && report.fetch.status === "running") return PERIOD.fetching;
  return report.ready ? PERIOD.ready : PERIOD.starting;
}

let updating = false;

async function update() {
  // Resumed by visibilitychange; until it is ready, the title of a tab that is not looked at says how far it is.
  if (updating || (document.hidden && last.ready)) return; // one under way goes on by itself
  updating = true;
  let wait = PERIOD.lost;
  try {
    const answer = await fetch(main.dataset.report, { cache: "no-store", signal: AbortSignal.timeout?.(LIMIT) });
    if (answer.status === 401) {
      location.reload(); // the token was changed: the server shows its login page
      return;
    }
    if (!answer.ok) throw new Error(answer.statusText);
    const report = await answer.json();
    last = report;
    show(report);
    wait = period(report);
  } catch {
    showState("lost");
  }
  updating = false;
  timer = setTimeout(update, wait);
}

// Behind a proxy that passes on another host than the browser's, what our pages send looks foreign: what would be refused
// later is told now.
async function showForeign() {
  const answer = await fetch(main.dataset.origin, { method: "POST", cache: "no-store" }).catch(() => undefined);
  if (answer?.status !== 403) return;
  const notice = element("p", await answer.text(), "notice");
  notice.setAttribute("role", "alert");
  main.prepend(notice);
}

// The best way that this browser has of showing the desktop; and why it is not the better one, with what to do about it.
function chooseDesktop(desktop) {
  if (!("stream" in desktop.dataset)) return;
  const link = desktop.querySelector(".open");
  const why = document.getElementById("why");
  if (isSecureContext && "VideoDecoder" in window) {
    link.setAttribute("href", "./desktop/");
    chooseWay("in this browser, as large as the window, with sound");
    return;
  }
  why.hidden = false;
  if (isSecureContext) {
    why.append("Without sound and less sharp: this browser decodes no video for pages. "
      + "Chrome, Edge, Firefox 130 and Safari 16.4 do, and later ones.");
    return;
  }
  why.append("Without sound and less sharp: browsers decode video on encrypted pages only. ", ...encrypted(desktop.dataset));
}

// How this page is had encrypted: at the port that speaks TLS, where it is published, else through a tunnel.
function encrypted({ port, tlsPort }) {
  const link = element("a");
  if (tlsPort) {
    link.href = `https://${location.hostname}:${tlsPort}${location.pathname}`;
    link.textContent = "Go to the encrypted one";
    document.querySelector('.ways a[href="./desktop/"]').href = new URL("desktop/", link.href);
    return [link, "; the browser may warn you once that it does not know the certificate."];
  }
  link.href = link.textContent = `http://127.0.0.1:${port}/`;
  const tunnel = `ssh -p PORT -L ${port}:localhost:${port} root@${location.hostname}`;
  return ["A tunnel is as good: ", element("code", tunnel), ", then ", link];
}

for (const link of document.querySelectorAll("a[data-port]")) {
  link.href = `${location.protocol}//${location.hostname}:${link.dataset.port}${link.dataset.path}`;
}

const desktop = document.querySelector(".desktop");
if (desktop) chooseDesktop(desktop);

let last = JSON.parse(document.getElementById("report").textContent);
show(last);
let timer = setTimeout(update, Math.min(PERIOD.first, period(last))); // by then this machine has looked at itself
document.addEventListener("visibilitychange", () => {
  clearTimeout(timer);
  update();
});
showForeign();
