// What is on its way up, in the order in which it was chosen: two large files at once, or a handful of small ones.
import { PIECE } from "./files_upload.js";

const LARGE = 2;
const SMALL = 4; // a browser has six connections for one address, and the page needs one, too
const WINDOW = 10_000; // ms that the rate is the mean of
const ORDER = ["sending", "login", "full", "lost", "waiting", "paused"];

// What was chosen together, shown as one: a file, or a folder.
export class Group {
  #samples = [];

  constructor(label, uploads) {
    Object.assign(this, { label, uploads, size: uploads.reduce((sum, one) => sum + one.size, 0) });
  }

  get single() {
    return this.uploads.length === 1;
  }

  get ended() {
    return this.uploads.every((one) => one.ended);
  }

  // What the person should hear of first.
  get state() {
    const states = new Set(this.uploads.map((one) => one.state));
    const going = ORDER.find((state) => states.has(state));
    return going ?? ["failed", "done", "cancelled"].find((state) => states.has(state));
  }

  get sent() {
    return this.uploads.reduce((sum, one) => sum + (one.state === "cancelled" ? 0 : one.sent), 0);
  }

  in(state) {
    return this.uploads.filter((one) => one.state === state);
  }

  // Bytes a second, over the last ten seconds; to be asked regularly.
  rate() {
    const now = performance.now();
    this.#samples.push([now, this.sent]);
    while (this.#samples.length > 2 && now - this.#samples[0][0] > WINDOW) this.#samples.shift();
    const [[then, sent]] = this.#samples;
    return now > then ? Math.max(0, (1000 * (this.sent - sent)) / (now - then)) : 0;
  }
}

export class Queue extends EventTarget {
  groups = [];
  #waiting = { large: [], small: [] };
  #running = { large: 0, small: 0 };

  get busy() {
    return this.groups.some((group) => group.uploads.some((one) => !one.ended && one.state !== "paused"));
  }

  // Bytes that are promised a place.
  get owed() {
    return this.groups.reduce((sum, { uploads }) => (
      sum + uploads.reduce((left, one) => left + (one.ended ? 0 : one.size - one.offset), 0)
    ), 0);
  }

  // Whether `path` is among what is being sent.
  has(path) {
    return this.groups.some(({ uploads }) => uploads.some((one) => !one.ended && one.path === path));
  }

  add(group) {
    this.groups.push(group);
    this.dispatchEvent(new CustomEvent("added", { detail: group }));
    this.resume(group);
  }

  // Also of what has failed: it is tried again.
  resume(group) {
    for (const upload of group.uploads) {
      if (!["waiting", "paused", "failed"].includes(upload.state)) continue;
      upload.state = "waiting";
      this.#waiting[upload.size > PIECE ? "large" : "small"].push(upload);
    }
    this.#fill("large");
    this.#fill("small");
  }

  pause(group) {
    for (const upload of group.uploads) if (!upload.ended) upload.stop("paused");
  }

  async cancel(group) {
    const left = group.uploads.filter((one) => one.state !== "done" && one.state !== "cancelled");
    for (const upload of left) upload.stop("cancelled");
    for (const upload of left) await upload.cancel().catch(() => {}); // it stays listed as unfinished
  }

  remove(group) {
    this.groups = this.groups.filter((one) => one !== group);
  }

  #fill(kind) {
    const most = kind === "large" ? LARGE : SMALL - this.#running.large;
    while (this.#running[kind] < most && this.#waiting[kind].length) {
      const upload = this.#waiting[kind].shift();
      if (upload.state === "waiting") this.#start(upload, kind);
    }
  }

  async #start(upload, kind) {
    this.#running[kind] += 1;
    await upload.run();
    this.#running[kind] -= 1;
    if (upload.ended) this.dispatchEvent(new CustomEvent("ended", { detail: upload }));
    this.#fill("large");
    this.#fill("small");
  }
}
