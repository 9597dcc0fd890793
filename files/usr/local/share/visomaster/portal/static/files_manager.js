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
let matching = [];
let drawn = 0;
let picked = new Set();
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
  if (entry.restorable) cell.append(" ", button("Bring back…", () => bringBack(pathOf(entry))));
  return cell;
}

function row(entry) {
  const node = element("tr");
  const box = element("td");
  box.append(tick(entry));
  node.append(box, title(entry), element("td", entry.kind === "folder" ? "" : size(entry.size), "number"));
  node.append(element("td", when(entry.modified), "number time"));
  return node;
}

function drawMore() {
  const next = matching.slice(drawn, drawn + SLICE);
  drawn += next.length;
  body.append(...next.map(row));
  $("more").hidden = drawn >= matching.length;
  say($("more"), `Show more (${(matching.length - drawn).toLocaleString("en")} left)`);
}

function draw() {
  const wanted = $("filter").value.trim().toLowerCase();
  matching = wanted ? entries.filter((one) => one.name.toLowerCase().includes(wanted)) : entries;
  drawn = 0;
  body.replaceChildren();
  drawMore();
  $("empty").hidden = matching.length > 0;
  say($("empty"), wanted ? "No name has this in it." : "This folder is empty.");
  showChosen();
}

function showChosen() {
  const some = chosen();
  $("all").checked = some.length > 0 && some.length === matching.length;
  $("all").indeterminate = some.length > 0 && some.length < matching.length;
  for (const id of ["move", "delete"]) $(id).disabled = some.length === 0;
  $("rename").disabled = some.length !== 1;
  const away = $("download");
  away.toggleAttribute("aria-disabled", some.length === 0);
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
  try {
    const found = await list(path);
    if (mine !== asked) return;
    if (path !== here) $("filter").value = "";
    if (path !== here) picked = new Set();
    here = path;
    entries = found.entries.sort(compare);
    picked = new Set(chosen().map((one) => one.name));
    $("drop").dataset.folder = path;
    $("filter-row").hidden = entries.length < 20;
    const { free, total } = found.space;
    say($("space"), `${size(room(found.space))} of ${size(total)} free for files${free > 0 ? "" : ": the disk is full"}`);
    crumbs();
    draw();
    const some = found.more ? `Only ${entries.length.toLocaleString("en")} of this folder are shown.` : "";
    tell(some || (found.left_out ? `${count(found.left_out, "link or odd file", "links or odd files")} not shown.` : ""));
  } catch (error) {
    if (mine !== asked) return;
    if (error.status === 404 && path) await open(path.split("/").slice(0, -1).join("/"));
    tell(error.message);
  }
}

async function change(path, give) {
  try {
    await ask(path, { method: "POST", give });
    await open(here);
  } catch (error) {
    await open(here);
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

// `upload` asks for files for a folder.
export function showManager(upload) {
  const box = document.getElementById("manager");
  box.addEventListener("toggle", () => box.open && open(here));
  $("filter").addEventListener("input", draw);
  $("all").addEventListener("change", ({ target }) => {
    picked = new Set(target.checked ? matching.map((one) => one.name) : []);
    for (const tickbox of body.querySelectorAll("input")) tickbox.checked = target.checked;
    showChosen();
  });
  for (const [id, act] of Object.entries({ rename, move, delete: remove, folder: makeFolder, more: drawMore })) {
    $(id).addEventListener("click", act);
  }
  $("upload").addEventListener("click", () => upload(false, here));
  new IntersectionObserver(([seen]) => seen.isIntersecting && drawMore(), { rootMargin: "600px" }).observe($("more"));
  return () => (box.open ? open(here) : undefined);
}
