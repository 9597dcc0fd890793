// Uploads that were begun and that nobody here goes on with: after a reload the file has to be chosen again.
import { address, unfinished } from "./files_api.js";
import { choose } from "./files_ask.js";
import { pathOf } from "./files_upload.js";
import { send } from "./files_send.js";
import { button, count, element, name, size, when } from "./words.js";

const WEEK = 7 * 24 * 3600 * 1000; // ms
const box = document.getElementById("unfinished");

// Those of one chosen folder are one line: {label, uploads}.
function grouped(uploads) {
  const groups = new Map();
  for (const upload of uploads) {
    const path = upload.relative_path ?? "";
    const top = path.includes("/") ? path.split("/")[0] : "";
    const key = top ? `folder ${upload.folder}/${top}` : `file ${upload.id}`;
    if (!groups.has(key)) groups.set(key, { label: top || upload.name, isFolder: Boolean(top), uploads: [] });
    groups.get(key).uploads.push(upload);
  }
  return [...groups.values()];
}

async function forget({ label, uploads }, refresh) {
  const sure = await choose(`Delete what has arrived of “${label}”?`, [["yes", "Delete", "danger"]]);
  if (!sure) return;
  for (const { id } of uploads) await send("DELETE", address(`uploads/${id}`));
  await refresh();
}

function row(group, pick, refresh) {
  const { label, isFolder, uploads } = group;
  const node = element("li", undefined, "transfer unfinished");
  const title = element("p", undefined, "title");
  title.append(name(label));
  const all = uploads.reduce((sum, one) => sum + one.size, 0);
  const there = uploads.reduce((sum, one) => sum + one.offset, 0);
  const touched = Math.max(...uploads.map((one) => one.touched));
  const old = Date.now() - touched > WEEK;
  const what = isFolder ? `Unfinished, ${count(uploads.length, "file")}: choose the folder again to go on.` : "Unfinished: choose the file again to go on.";
  const told = element("p", `${old ? `Unfinished since ${when(touched)}: delete it, or choose it again.` : what} `, "told");
  told.append(element("span", `${size(there)} of ${size(all)} are here.`));
  const buttons = element("p", undefined, "buttons");
  const again = button("Choose…", () => pick(isFolder, uploads[0].folder));
  const away = button("Delete…", () => forget(group, refresh));
  again.setAttribute("aria-label", `Choose ${label} again`);
  away.setAttribute("aria-label", `Delete what has arrived of ${label}`);
  buttons.append(again, away);
  node.append(title, buttons, told);
  return node;
}

// `pick` asks for a file or folder for a folder here. Gives what to call when something may have changed.
export function showUnfinished(queue, pick) {
  const refresh = async () => {
    const uploads = await unfinished().catch(() => undefined);
    if (!uploads) return;
    const left = uploads.filter((upload) => !queue.has(pathOf(upload)));
    box.replaceChildren(...grouped(left).map((group) => row(group, pick, refresh)));
  };
  return refresh;
}
