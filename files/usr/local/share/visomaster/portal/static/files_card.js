// The index's word of the files: what is on its way up, the newest results, the room left, and the workspace of last time.
import { Refusal, ask, fileAddress, room } from "./files_api.js";
import { choose } from "./files_ask.js";
import { Bar, button, count, element, link, name, say, size, when } from "./words.js";

const PERIOD = 5000; // ms
const MOVING = 60_000; // ms; what was touched since is on its way, the rest was left
const $ = (id) => document.getElementById(`files-${id}`);
const bar = new Bar("files sent");

function showUploads(uploads) {
  const newest = Math.max(0, ...uploads.map((one) => one.touched));
  const moving = uploads.filter((one) => newest - one.touched < MOVING && Date.now() - one.touched < 10 * MOVING);
  const left = uploads.length - moving.length;
  const said = [];
  bar.node.hidden = moving.length === 0;
  if (moving.length) {
    const all = moving.reduce((sum, one) => sum + one.size, 0);
    const there = moving.reduce((sum, one) => sum + one.offset, 0);
    bar.show(all ? there / all : 1);
    said.push(`${count(moving.length, "file")} on the way: ${Math.floor((100 * there) / (all || 1))} % of ${size(all)}`);
  }
  if (left) said.push(`${count(left, "file")} unfinished`);
  say($("uploads"), said.join(" · "));
}

function showLatest(results) {
  const now = JSON.stringify(results);
  if ($("latest").dataset.shown === now || $("latest").contains(document.activeElement)) return;
  $("latest").dataset.shown = now;
  $("latest").replaceChildren(...results.map(({ path, size: bytes, modified }) => {
    const item = element("li");
    const called = path.split("/").slice(1).join("/");
    const away = link("", fileAddress(path));
    away.setAttribute("download", "");
    away.setAttribute("aria-label", `Download ${called}`);
    away.append(name(called));
    item.append(away, " ", element("small", `${size(bytes)} · ${when(modified)}`));
    return item;
  }));
}

async function openPrevious() {
  const sure = await choose("Open it again?", [["yes", "Start the program anew", "main"]], {
    told: ["The program is started anew and offers that workspace. What is not saved in it now is lost."],
  });
  if (!sure) return;
  try {
    await ask("previous", { method: "POST", give: {} });
    say($("told"), "The program is being started anew.");
  } catch (error) {
    say($("told"), error.message);
  }
}

function showPrevious(previous) {
  $("previous").hidden = !previous;
  if (previous) say($("previous-text"), `The workspace you had open, last kept ${when(previous.modified)}: `);
}

async function update() {
  if (!document.hidden) {
    try {
      const summary = await ask("summary");
      showUploads(summary.uploads);
      showLatest(summary.results);
      showPrevious(summary.previous);
      say($("space"), `room for ${size(room(summary.space))}`);
      say($("gone"), "");
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      if (error.status !== 401) say($("gone"), "No word of the files at the moment.");
    }
  }
  setTimeout(update, PERIOD);
}

$("uploads").before(bar.node);
bar.node.hidden = true;
$("previous").append(button("Open it again…", openPrevious));
update();
