// The page of a person's files: videos in, results out, and below all files for who wants them.
import { accept } from "./files_accept.js";
import { showManager } from "./files_manager.js";
import { chosen, dropped } from "./files_picks.js";
import { Queue } from "./files_queue.js";
import { showResults } from "./files_results.js";
import { showQueue } from "./files_rows.js";
import { showState } from "./files_state.js";
import { showUnfinished } from "./files_unfinished.js";
import { ask, room } from "./files_api.js";
import { element, say, size } from "./words.js";

const SETTLED = 400; // ms after the last change before the lists are asked for again
const main = document.querySelector("main");
const queue = new Queue();
let refreshAll = () => {};

function tell(text) {
  say(document.getElementById("told"), text);
}

async function take(picks, folder) {
  await accept(await picks, folder, queue, tell);
  refreshAll();
}

// One chooser for all: what it was opened for is the folder it is for now.
function pick(isFolder, folder = "in") {
  const input = document.getElementById(isFolder ? "choose-folder" : "choose-files");
  input.dataset.folder = folder;
  input.click();
}

function watchChoosers() {
  for (const input of document.querySelectorAll('input[type="file"]')) {
    input.addEventListener("change", () => {
      take(chosen(input), input.dataset.folder);
      input.value = ""; // the same file may be chosen again
    });
  }
  document.getElementById("files-button").addEventListener("click", () => pick(false));
  const folder = document.getElementById("folder-button");
  folder.hidden = !("webkitdirectory" in document.createElement("input")); // some phones choose no folders
  folder.addEventListener("click", () => pick(true));
}

// What is dropped anywhere is for `in`, unless it is dropped on another folder's list: a browser would show it otherwise.
function watchDrops() {
  const carries = (event) => [...event.dataTransfer.types].includes("Files");
  let depth = 0;
  const light = (change) => {
    depth = Math.max(0, change === 0 ? 0 : depth + change);
    document.body.classList.toggle("dropping", depth > 0);
  };
  addEventListener("dragenter", (event) => carries(event) && light(1));
  addEventListener("dragleave", (event) => carries(event) && light(-1));
  addEventListener("dragover", (event) => {
    if (carries(event)) event.preventDefault();
  });
  addEventListener("drop", (event) => {
    light(0);
    if (!carries(event) || document.querySelector("dialog")) return;
    event.preventDefault();
    take(dropped(event.dataTransfer), event.target.closest?.("[data-folder]")?.dataset.folder ?? "in");
  });
}

// The tab is not closed by mistake, nor does the machine in front of it sleep, while something is sent.
function watchLeaving() {
  let lock;
  const hold = async () => {
    if (!queue.busy) lock = void lock?.release();
    else if (!lock && !document.hidden) lock = await navigator.wakeLock?.request("screen").catch(() => undefined);
    lock?.addEventListener("release", () => (lock = undefined), { once: true });
  };
  addEventListener("beforeunload", (event) => {
    if (queue.busy) event.returnValue = "Files are still being sent."; // some browsers ask for no less
  });
  document.addEventListener("visibilitychange", hold);
  for (const change of ["added", "ended"]) queue.addEventListener(change, hold);
}

async function showSpace() {
  const summary = await ask("summary").catch(() => undefined);
  if (summary) say(document.getElementById("space"), `${size(room(summary.space))} are free.`);
}

// See portal.js: what would be refused later is told now.
async function showForeign() {
  const answer = await fetch(main.dataset.origin, { method: "POST", cache: "no-store" }).catch(() => undefined);
  if (answer?.status === 403) document.getElementById("notices").append(element("p", await answer.text(), "notice"));
}

function begin() {
  showQueue(queue);
  showState();
  const refreshes = [showResults(), showManager(pick), showUnfinished(queue, pick), showSpace];
  let timer;
  refreshAll = () => {
    clearTimeout(timer);
    timer = setTimeout(() => refreshes.map((refresh) => refresh()), SETTLED);
  };
  queue.addEventListener("ended", refreshAll);
  document.addEventListener("visibilitychange", () => document.hidden || refreshAll());
  watchChoosers();
  watchDrops();
  watchLeaving();
  refreshAll();
  showForeign();
  document.body.dataset.ready = "";
}

begin();
