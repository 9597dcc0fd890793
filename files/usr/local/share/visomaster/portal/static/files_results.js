// What the program has made, the newest first, each with a button that takes it home.
import { ask, fileAddress, list, zipAddress } from "./files_api.js";
import { element, link, name, say, size, when } from "./words.js";

const FIRST = 8; // shown at once; the rest on request
const PERIOD = 5000; // ms
const HELD = 3000; // ms after the pointer's last move over the list
const rows = document.getElementById("results");
const all = document.getElementById("results-all");
const told = document.getElementById("results-told");
const more = document.getElementById("results-more");

let sizes = new Map();
let shown = "";
let most = FIRST;
let pointed = -HELD; // when that was

function row(entry, path, growing) {
  const node = element("li", undefined, "result");
  const title = element("p", undefined, "title");
  title.append(name(entry.name));
  const figures = [entry.kind === "folder" ? "folder" : size(entry.size), when(entry.modified)];
  if (growing) figures.push("still being written");
  node.append(title, element("p", figures.join(" · "), "told"));
  const away = link("Download", entry.kind === "folder" ? zipAddress([path], entry.name) : fileAddress(path), "button");
  away.setAttribute("download", "");
  away.setAttribute("aria-label", `Download ${entry.name}`);
  node.append(away);
  return node;
}

// Nothing moves under the finger, nor away from the keyboard.
function isHeld() {
  return rows.contains(document.activeElement) || performance.now() - pointed < HELD;
}

function draw(entries, finished) {
  const sorted = [...entries].sort((one, two) => two.modified - one.modified);
  const oldest = Math.min(...finished.map((one) => one.modified));
  const growing = (entry) => entry.kind === "file" && (
    (sizes.has(entry.name) && sizes.get(entry.name) !== entry.size)
    || (finished.length > 0 && entry.modified >= oldest && !finished.some(({ path }) => path === `out/${entry.name}`))
  );
  const now = JSON.stringify([most, sorted.map((one) => [one.name, one.size, one.modified, growing(one)])]);
  if (now !== shown) {
    rows.replaceChildren(...sorted.slice(0, most).map((one) => row(one, `out/${one.name}`, growing(one))));
    all.hidden = sorted.length === 0;
    more.hidden = sorted.length <= most;
    say(more, `Show all ${sorted.length.toLocaleString("en")}`);
    shown = now;
  }
  say(told, sorted.length ? "" : "Nothing yet. What the program makes shows here by itself.");
  sizes = new Map(sorted.map((one) => [one.name, one.size]));
}

// Gives what to call when something may have changed. A row that has the keyboard stays.
export function showResults() {
  let timer;
  const refresh = async () => {
    clearTimeout(timer);
    if (!document.hidden) {
      try {
        const [{ entries }, { results }] = await Promise.all([list("out"), ask("summary")]);
        if (!isHeld()) draw(entries, results);
      } catch (error) {
        if (error.status === 404) draw([], []);
        else if (error.status !== 401) say(told, error.message);
      }
    }
    timer = setTimeout(refresh, PERIOD);
  };
  rows.addEventListener("pointermove", () => (pointed = performance.now()));
  all.href = zipAddress(["out"], "results");
  more.addEventListener("click", () => {
    most = Infinity;
    refresh();
  });
  document.addEventListener("visibilitychange", refresh);
  refresh();
  return refresh;
}
