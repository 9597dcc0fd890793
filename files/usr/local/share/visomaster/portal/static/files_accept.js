// From what was chosen to what is sent: what is left out, what goes on, what is there already, and whether it fits.
import { Refusal, ask, list, room, unfinished } from "./files_api.js";
import { choose, names } from "./files_ask.js";
import { taken } from "./files_picks.js";
import { Group } from "./files_queue.js";
import { Upload, isSame, pathOf } from "./files_upload.js";
import { count, size } from "./words.js";

const ALONE = 12; // so many files that belong to no folder have a row each; more share one

const pathFor = (folder, { file, relative }) => [folder, relative || file.name].filter(Boolean).join("/");
const parentOf = (path) => path.split("/").slice(0, -1).join("/");

// Which of the paths in `sizes` are there below `folder`, with that size.
async function alreadyThere(sizes, folder) {
  const folders = new Set();
  for (const path of sizes.keys()) for (let at = parentOf(path); at; at = parentOf(at)) folders.add(at);
  const there = new Set();
  const look = async (at) => {
    for (const { name, kind, size: bytes } of (await list(at)).entries) {
      const path = [at, name].filter(Boolean).join("/");
      if (kind === "folder" && folders.has(path)) await look(path);
      else if (kind === "file" && sizes.get(path) === bytes) there.add(path);
    }
  };
  if (sizes.size) await look(folder);
  return there;
}

// The uploads to begin, after asking about what is there already; null where the person wants none.
async function select(picks, folder, queue) {
  const known = new Map((await unfinished()).map((upload) => [pathOf(upload), upload]));
  const fresh = picks.filter((pick) => !queue.has(pathFor(folder, pick)));
  const goesOn = (pick) => {
    const upload = known.get(pathFor(folder, pick));
    return upload && isSame(upload, pick.file, pathFor(folder, pick)) ? upload : undefined;
  };
  const begun = fresh.filter((pick) => !goesOn(pick));
  const there = await alreadyThere(new Map(begun.map((pick) => [pathFor(folder, pick), pick.file.size])), folder);
  let skip = new Set();
  if (there.size) {
    const answer = await choose(
      there.size === 1 ? "This is here already" : `${there.size.toLocaleString("en")} of these are here already`,
      [["both", "Keep both"], ["skip", there.size === 1 ? "Skip it" : "Skip them", "main"]],
      { told: ["Same name, same size.", names("Which", [...there])] },
    );
    if (!answer) return null;
    if (answer === "skip") skip = there;
  }
  return fresh
    .filter((pick) => !skip.has(pathFor(folder, pick)))
    .map((pick) => new Upload(pick.file, { folder, relative: pick.relative, known: goesOn(pick) }));
}

function groups(uploads) {
  const tops = new Map();
  for (const upload of uploads) {
    const top = upload.relative.split("/")[0];
    if (!tops.has(top)) tops.set(top, []);
    tops.get(top).push(upload);
  }
  const made = [];
  for (const [top, some] of tops) {
    if (top || some.length > ALONE) made.push(new Group(top || count(some.length, "file"), some));
    else made.push(...some.map((one) => new Group(one.file.name, [one])));
  }
  return made;
}

// One sentence where they do not fit, "" where they do.
async function tooLarge(uploads, queue) {
  const { space } = await ask("summary");
  const needed = uploads.reduce((sum, one) => sum + one.size - one.offset, 0);
  const left = Math.max(0, room(space) - queue.owed);
  if (needed <= left) return "";
  const kept = space.reserve ? ` ${size(space.reserve)} are kept for the program.` : "";
  const owed = queue.owed ? ` ${size(queue.owed)} more are on their way.` : "";
  return `This does not fit: ${size(needed)} are needed, there is room for ${size(left)}.${kept}${owed} Delete something, or choose less.`;
}

// Begins to send `picks` to `folder`; `tell` is called with what the person should know, "" for nothing.
export async function accept(picks, folder, queue, tell) {
  try {
    const { good, left } = taken(picks);
    const hidden = left ? `${count(left, "hidden file")} left out.` : "";
    tell(good.length ? hidden : hidden || "There is no file in it.");
    if (!good.length) return;
    const uploads = await select(good, folder, queue);
    if (!uploads?.length) return;
    const refused = await tooLarge(uploads, queue);
    if (refused) tell(refused);
    else for (const group of groups(uploads)) queue.add(group);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    tell(`Nothing was begun: ${error.message}`);
  }
}
