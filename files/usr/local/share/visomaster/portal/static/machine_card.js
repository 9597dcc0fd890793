// This machine in some figures, and its address to take along.
import { button, duration, element, say, size, when } from "./words.js";

const box = document.getElementById("machine");
const address = document.getElementById("address");
const DAY = 86_400; // seconds
const GIB = 2 ** 30; // the memory of a GPU is sold in these, as GB
const DOLLARS = new Intl.NumberFormat("en", { style: "currency", currency: "USD" });

function long(seconds) {
  if (seconds < 2 * DAY) return duration(seconds);
  return `${Math.floor(seconds / DAY)} days ${Math.floor((seconds % DAY) / 3600)} h`;
}

function gpuTold(gpu) {
  const total = gpu.total === null ? "" : `${(gpu.total / GIB).toFixed(0)} GB`;
  if (gpu.used === null || !total) return `${gpu.name}${total && `, ${total}`}`;
  return `${gpu.name}, ${(gpu.used / GIB).toFixed(1)} of ${total} used`;
}

function facts(machine, paid) {
  const found = [];
  if (machine.gpu_silent) found.push(["GPU", "its driver does not answer"]);
  for (const gpu of machine.gpus ?? []) found.push(["GPU", gpuTold(gpu)]);
  if (machine.gpus?.length === 0) found.push(["GPU", "none"]);
  if (machine.disk) found.push(["Disk", `${size(machine.disk.free)} free of ${size(machine.disk.total)}`]);
  if (machine.up !== null) found.push(["Running for", long(machine.up)]);
  if (paid) found.push(["Paying since", `${when(Date.now() - 1000 * paid.for)}, about ${cost(paid)} so far`, rate(paid)]);
  return found;
}

function cost(paid) {
  return DOLLARS.format((paid.hourly * paid.for) / 3600);
}

function rate(paid) {
  return `At $${paid.hourly.toFixed(3)} an hour. Hours when the machine was stopped cost less.`;
}

export function showMachine(machine, paid) {
  box.replaceChildren(...facts(machine, paid).map(([name, text, title]) => {
    const pair = element("div");
    const value = element("dd", text);
    if (title) value.title = title;
    pair.append(element("dt", name), value);
    return pair;
  }));
}

// Without the session, whose name is part of the path: whoever opens it is asked for the token.
function bare() {
  return new URL(location.pathname.replace(/\/~[A-Za-z0-9_-]{22}\/.*$/, "/"), location.origin).href;
}

const HERE = new Set(["localhost", "127.0.0.1", "[::1]"]);

async function copy() {
  const text = bare();
  const told = document.getElementById("address-told");
  const where = HERE.has(location.hostname) ? "It opens on this computer only." : "Wherever it is opened, the token is asked for.";
  say(told, (await copied(text)) ? `Copied: ${text} ${where}` : `The browser lets nothing be copied. The address: ${text} ${where}`);
}

// Browsers have a clipboard on encrypted pages and on this computer's own alone; elsewhere they copy what is selected.
async function copied(text) {
  if (navigator.clipboard) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      // not allowed here: the older way may be
    }
  }
  const field = element("textarea", text, "aside");
  field.readOnly = true;
  const before = document.activeElement;
  document.body.append(field);
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  before?.focus();
  return done;
}

address?.prepend(button("Copy the address", copy));
