// What was dropped or chosen, folders within folders included, as a list of {file, relative}.

const LEFT_OUT = new Set(["thumbs.db", "desktop.ini"]); // what systems leave in folders; names with a point are not taken

function entriesOf(folder) {
  const reader = folder.createReader();
  const read = () => new Promise((resolve, reject) => reader.readEntries(resolve, reject));
  return (async () => {
    const all = [];
    for (let some = await read(); some.length; some = await read()) all.push(...some); // a hundred at a time
    return all;
  })();
}

async function walk(entry, path, found) {
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    found.push({ file, relative: path ? `${path}${entry.name}` : "" });
    return;
  }
  for (const inner of await entriesOf(entry)) await walk(inner, `${path}${entry.name}/`, found);
}

// To be called while the drop is being handled: what was dropped is gone afterwards.
export function dropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.());
  const files = [...transfer.files];
  return (async () => {
    if (!entries.some(Boolean)) return files.map((file) => ({ file, relative: "" }));
    const found = [];
    for (const entry of entries) if (entry) await walk(entry, "", found);
    return found;
  })();
}

export function chosen(input) {
  return [...input.files].map((file) => ({ file, relative: file.webkitRelativePath ?? "" }));
}

// Those that are taken, and how many are not: names that begin with a point are the machine's own.
export function taken(picks) {
  const good = picks.filter(({ file, relative }) =>
    !(relative || file.name).split("/").some((name) => name.startsWith(".") || LEFT_OUT.has(name.toLowerCase())));
  return { good, left: picks.length - good.length };
}
