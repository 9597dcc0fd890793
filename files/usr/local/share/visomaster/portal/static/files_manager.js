// All files, as a plain list of one folder: chosen by ticks, and what can be done with them above.
import { ask, fileAddress, list, room, zipAddress } from "./files_api.js";
import { askName, choose, names } from "./files_ask.js";
import { chooseFolder } from "./files_folder.js";
import { bringBack } from "./files_state.js";
import { button, count, element, link, name, say, size, when } from "./words.js";

const SLICE = 200; // rows drawn at once; further ones as they come near
const KNOWN = { in: "what you bring", out: "results", state: "what the program keeps" };
const $ = (id) => document.getElementById(`manager-${id}`);
const body = $("rows");

let here = "";
let entries = [];
let shown = ""; // the entries, to know whether anything has changed
let matching = [];
let drawn = 0;
let picked = new Set();
let wanted = ""; // the folder that was asked for last
let asked = 0; // the latest listing counts

const pathOf = (entry) => (here ? `${here}/${entry.name}` : entry.name);
const chosen = () => entries.filter((one) => picked.has(one.name));
const tell = (text) => say($("told"), text);

function crumbs() {
  const parts = here ? here.split("/") : [];
  const items = [["Files", ""], ...parts.map((part, place) => [part, parts.slice(0, place + 1).join("/")])];
  $("crumbs").replaceChildren(...items.map(([text, path], place) => {
    const item = element("li");
    if (place === items.length - 1) {
      item.append(name(text));
      item.setAttribute("aria-current", "page");
      item.tabIndex = -1;
    } else item.append(button(text, () => open(path), "plain"));
    return item;
  }));
}

function tick(entry) {
  const box = Object.assign(element("input"), { type: "checkbox", checked: picked.has(entry.name) });
  box.setAttribute("aria-label", `Choose ${entry.name}`);
  box.addEventListener("change", () => {
    if (box.checked) picked.add(entry.name);
    else picked.delete(entry.name);
    showChosen();
  });
  return box;
}

function title(entry) {
  const cell = element("td", undefined, "name");
  if (entry.kind === "folder") {
    const inside = button("", () => open(pathOf(entry)), "plain folder");
    inside.append(name(entry.name));
    cell.append(inside);
    if (!here && KNOWN[entry.name]) cell.append(" ", element("small", KNOWN[entry.name]));
  } else {
    const away = link("", fileAddress(pathOf(entry)));
    away.setAttribute("download", "");
    away.append(name(entry.name));
    cell.append(away);
  }
  return cell;
}

function row(entry) {
  const node = element("tr");
  node.dataset.name = entry.name;
  const box = element("td");
  box.append(tick(entry));
  node.append(box, title(entry), element("td", entry.kind === "folder" ? "" : size(entry.size), "number"));
  node.append(element("td", when(entry.modified), "number time"));
  return node;
}

function drawMore(_, some = SLICE) {
  const next = matching.slice(drawn, drawn + some);
  drawn += next.length;
  body.append(...next.map(row));
  $("more").hidden = drawn >= matching.length;
  say($("more"), `Show more (${(matching.length - drawn).toLocaleString("en")} left)`);
}

// Who was in a row with the keyboard is there again; else where the folder's name is.
function focusOn(called) {
  const rows = called === undefined ? [] : [...body.children];
  const again = rows.find((one) => one.dataset.name === called)?.querySelector("input");
  (again ?? $("crumbs").querySelector("[aria-current]")).focus();
}

// `stays`: it is the same folder as before.
function draw(stays) {
  const part = $("filter").value.trim().toLowerCase();
  matching = part ? entries.filter((one) => one.name.toLowerCase().includes(part)) : entries;
  const held = body.contains(document.activeElement) ? document.activeElement.closest("tr").dataset.name : undefined;
  const before = stays ? drawn : 0;
  drawn = 0;
  body.replaceChildren();
  drawMore(undefined, Math.max(before, SLICE));
  if (held !== undefined) focusOn(stays ? held : undefined);
  $("empty").hidden = matching.length > 0;
  say($("empty"), part ? "No name has this in it." : "This folder is empty.");
  showChosen();
}

function showChosen() {
  const some = chosen();
  $("all").checked = some.length > 0 && some.length === matching.length;
  $("all").indeterminate = some.length > 0 && some.length < matching.length;
  for (const id of ["move", "delete"]) $(id).disabled = some.length === 0;
  $("rename").disabled = some.length !== 1;
  $("restore").hidden = some.length !== 1 || !some[0].name.toLowerCase().endsWith(".zip");
  const away = $("download");
  away.setAttribute("aria-disabled", some.length === 0);
  if (some.length === 1 && some[0].kind === "file") away.href = fileAddress(pathOf(some[0]));
  else if (some.length) away.href = zipAddress(some.map(pathOf), here.split("/").pop() || "files");
  else away.removeAttribute("href");
  say(away, some.length > 1 || some[0]?.kind === "folder" ? "Download as a zip" : "Download");
  const bytes = some.reduce((sum, one) => sum + (one.size ?? 0), 0);
  say($("chosen"), some.length ? `${count(some.length, "chosen", "chosen")}${bytes ? `, ${size(bytes)}` : ""}` : "");
}

function compare(one, two) {
  if (one.kind !== two.kind) return one.kind === "folder" ? -1 : 1;
  return one.name < two.name ? -1 : Number(one.name > two.name);
}

export async function open(path) {
  asked += 1;
  const mine = asked;
  wanted = path;
  try {
    const found = await list(path);
    if (mine !== asked) return;
    const stays = path === here;
    const same = stays && JSON.stringify(found.entries) === shown;
    if (!stays) {
      $("filter").value = "";
      picked = new Set();
    }
    here = path;
    shown = JSON.stringify(found.entries);
    entries = found.entries.sort(compare);
    picked = new Set(chosen().map((one) => one.name));
    $("drop").dataset.folder = path;
    $("filter-row").hidden = entries.length < 20;
    const { free, total } = found.space;
    say($("space"), `${size(room(found.space))} of ${size(total)} free for files${free > 0 ? "" : ": the disk is full"}`);
    if (!same) {
      crumbs();
      draw(stays);
    }
    const some = found.more ? `Only ${entries.length.toLocaleString("en")} of this folder are shown.` : "";
    tell(some || (found.left_out ? `${count(found.left_out, "link or odd file", "links or odd files")} not shown.` : ""));
  } catch (error) {
    if (mine !== asked) return;
    wanted = here;
    if (error.status === 404 && path) await open(path.split("/").slice(0, -1).join("/"));
    tell(error.message);
  }
}

async function change(path, give) {
  try {
    await ask(path, { method: "POST", give });
    await open(wanted);
  } catch (error) {
    await open(wanted);
    tell(error.message);
  }
}

async function rename() {
  const [entry] = chosen();
  const called = await askName(`Rename “${entry.name}”`, "Rename", entry.name);
  if (called !== null && called !== entry.name) await change("rename", { path: pathOf(entry), name: called });
}

async function makeFolder() {
  const called = await askName("New folder", "Make it");
  if (called !== null) await change("folder", { path: pathOf({ name: called }) });
}

async function remove() {
  const some = chosen();
  const question = some.length === 1 ? `Delete “${some[0].name}”?` : `Delete these ${some.length}?`;
  const inside = some.some((one) => one.kind === "folder") ? ["Folders go with all that is in them."] : [];
  const told = [...inside, "This cannot be undone."];
  if (some.length > 1) told.unshift(names("Which", some.map((one) => one.name)));
  if (await choose(question, [["yes", "Delete", "danger"]], { told })) await change("delete", { paths: some.map(pathOf) });
}

async function move() {
  const paths = chosen().map(pathOf);
  const folder = await chooseFolder(paths.length === 1 ? `Move “${chosen()[0].name}” to` : `Move these ${paths.length} to`, here, paths);
  if (folder !== null) await change("move", { paths, folder });
}

function restore() {
  return bringBack(pathOf(chosen()[0]));
}

// `upload` asks for files for a folder.
export function showManager(upload) {
  const box = document.getElementById("manager");
  box.addEventListener("toggle", () => box.open && open(wanted));
  $("filter").addEventListener("input", () => draw(false));
  $("all").addEventListener("change", ({ target }) => {
    picked = new Set(target.checked ? matching.map((one) => one.name) : []);
    for (const tickbox of body.querySelectorAll("input")) tickbox.checked = target.checked;
    showChosen();
  });
  for (const [id, act] of Object.entries({ rename, move, restore, delete: remove, folder: makeFolder, more: drawMore })) {
    $(id).addEventListener("click", act);
  }
  $("upload").addEventListener("click", () => upload(false, here));
  new IntersectionObserver(([seen]) => seen.isIntersecting && drawMore(), { rootMargin: "600px" }).observe($("more"));
  return () => (box.open ? open(wanted) : undefined);
}
