// One file on its way up, by tus 1.0: begun or found again, then sent in pieces from where the machine has it. Whatever
// happens on the way, the machine is asked for its offset before anything more is sent.
import { address, ask, list, login, room, unfinished } from "./files_api.js";
import { canCheck, metadata, prepare, send } from "./files_send.js";

const MIB = 2 ** 20;
export const PIECE = 8 * MIB; // bytes of the first pieces, and of a file that is sent in one request
const MOST = (canCheck ? 32 : 64) * MIB; // a checked piece is held in memory, and the next one beside it
const PAUSES = [0, 1, 2, 4, 8, 16, 30]; // s before each try after one that brought nothing further
const BUSY = 1; // s until a connection that broke has been noticed at the other end, too
const FULL = 3; // s between two looks whether there is room again

const waking = new EventTarget(); // when the line is back, nobody waits for his pause to end
addEventListener("online", () => waking.dispatchEvent(new Event("wake")));

function sleep(ms, signal) {
  return new Promise((resolve, reject) => {
    let timer;
    const end = () => {
      clearTimeout(timer);
      waking.removeEventListener("wake", end);
      signal.removeEventListener("abort", end);
      if (signal.aborted) reject(signal.reason);
      else resolve();
    };
    timer = setTimeout(end, ms);
    waking.addEventListener("wake", end);
    signal.addEventListener("abort", end);
    if (signal.aborted) end();
  });
}

// What `promise` becomes, unless `signal` is aborted before.
function unless(signal, promise) {
  return new Promise((resolve, reject) => {
    const stop = () => reject(signal.reason);
    signal.addEventListener("abort", stop);
    promise.finally(() => signal.removeEventListener("abort", stop)).then(resolve, reject);
    if (signal.aborted) stop();
  });
}

export const pathOf = ({ folder, name, relative_path: path }) => [folder, path || name].filter(Boolean).join("/");

// Whether `file`, to be put at `path`, is the one that an unfinished upload was begun with.
export function isSame(upload, file, path) {
  return upload.size === file.size && upload.last_modified === file.lastModified && pathOf(upload) === path;
}

export class Upload {
  #stop = new AbortController();
  #length = PIECE;
  #ahead; // the piece after the one that is sent, made ready meanwhile
  #failures = 0;
  #sure = false; // whether `offset` is what the machine has
  #begun = false; // whether the machine may have heard of it
  #creating; // the answer to the first request, which nobody breaks off: it says what the upload is called

  // `relative` is the path of a folder's file within what was chosen, "" otherwise.
  constructor(file, { folder, relative = "", known }) {
    Object.assign(this, { file, folder, relative, id: known?.id, offset: known?.offset ?? 0 });
    this.sent = this.offset; // what has left this browser, too
    this.state = "waiting"; // sending, lost, full, login, paused, done, failed, cancelled
    this.why = "";
    this.until = 0; // when the next try is, as Date.now() counts
    this.finished = undefined; // {path, sha256}
  }

  get size() {
    return this.file.size;
  }

  get path() {
    return [this.folder, this.relative || this.file.name].filter(Boolean).join("/");
  }

  get ended() {
    return ["done", "failed", "cancelled"].includes(this.state);
  }

  // Resolves when it is done, has failed, or was stopped: `state` says which.
  async run() {
    this.#stop = new AbortController();
    const { signal } = this.#stop;
    this.#sure = false;
    this.#tell("sending");
    try {
      if (this.#begun && !this.id && !this.#creating) await unless(signal, this.#findAgain());
      while (this.state !== "done") await this.#judge(await this.#next(signal), signal);
    } catch (error) {
      if (!signal.aborted) this.#tell("failed", error.message);
    }
  }

  stop(state) {
    this.#tell(state);
    this.#ahead = undefined;
    this.#stop.abort();
    this.sent = this.offset;
  }

  // The machine forgets what it has of it. What has come as a whole meanwhile stays: it is done.
  async cancel() {
    this.stop("cancelled");
    await this.#creating;
    if (!this.id && this.#begun) await this.#findAgain();
    if (this.id) await send("DELETE", address(`uploads/${this.id}`));
  }

  #tell(state, why = "") {
    Object.assign(this, { state, why });
  }

  #next(signal) {
    if (!this.id) return this.#begin(signal);
    return this.#sure ? this.#append(signal) : send("HEAD", address(`uploads/${this.id}`), { signal });
  }

  // A file of one piece goes with the first request.
  async #begin(signal) {
    if (this.#creating) return unless(signal, this.#creating);
    this.#begun = true;
    const headers = {
      "Upload-Length": String(this.size),
      "Upload-Metadata": metadata({
        filename: this.file.name,
        folder: this.folder,
        relativePath: this.relative,
        lastModified: String(this.file.lastModified),
      }),
    };
    if (this.size > PIECE) {
      this.#ahead = this.#prepare(0);
      return unless(signal, this.#create(headers));
    }
    const piece = await this.#prepare(0).ready;
    Object.assign(headers, piece.headers, { "Content-Type": "application/offset+octet-stream" });
    return this.#sending("POST", address("uploads/"), headers, piece.body, signal);
  }

  #create(headers) {
    this.#creating = send("POST", address("uploads/"), { headers }).then((answer) => {
      this.#creating = undefined;
      this.#name(answer);
      return answer;
    });
    return this.#creating;
  }

  #name(answer) {
    const place = answer.header("Location");
    if (place) this.id = place.split("/").pop();
    return Boolean(place);
  }

  async #append(signal) {
    const { offset } = this;
    const piece = this.#ahead?.offset === offset ? this.#ahead : this.#prepare(offset);
    const { body, headers } = await piece.ready;
    this.#ahead = offset + piece.length < this.size ? this.#prepare(offset + piece.length) : undefined;
    const all = { ...headers, "Upload-Offset": String(offset), "Content-Type": "application/offset+octet-stream" };
    const answer = await this.#sending("PATCH", address(`uploads/${this.id}`), all, body, signal);
    if (answer.status === 204) this.#length = Math.min(MOST, 2 * this.#length); // each piece ends with a wait
    return answer;
  }

  #sending(method, place, headers, body, signal) {
    const { offset } = this;
    const progress = (loaded) => (this.sent = Math.min(this.size, offset + loaded));
    return send(method, place, { headers, body, signal, progress });
  }

  #prepare(offset) {
    const length = Math.min(this.#length, this.size - offset);
    const ready = prepare(this.file.slice(offset, offset + length));
    ready.catch(() => {}); // told when it is its turn
    return { offset, length, ready };
  }

  async #judge(answer, signal) {
    const { status } = answer;
    if (status >= 200 && status < 300) return this.#moved(answer);
    this.#sure = false;
    this.sent = this.offset;
    if (status === 401) return this.#waitForLogin(signal);
    if (status === 404 || status === 410) return this.#forgotten(signal);
    if (status === 409 || status === 460) return this.#retry(signal, status === 460 ? "A piece was damaged on the way" : "");
    if (status === 423) return this.#wait("sending", "", BUSY, signal);
    if (status === 413 && this.#length > MIB) return void (this.#length /= 2);
    if (status === 507) return this.#waitForRoom(answer.said.needed, signal);
    if (status && status < 500 && status !== 408 && status !== 429) {
      throw new Error(answer.said.error ?? `The box refuses it (${status}).`);
    }
    return this.#lost(answer, signal);
  }

  // So much is on disk.
  async #moved(answer) {
    const named = this.#name(answer);
    const offset = Number(answer.header("Upload-Offset") ?? 0);
    if (offset > this.offset) this.#failures = 0;
    else if (this.#failures > 1) this.#length = Math.max(MIB, this.#length / 2); // somebody in between wants all of it
    Object.assign(this, { offset, sent: offset });
    this.#tell("sending");
    const path = answer.header("X-File");
    if (path) {
      this.finished = { path: decodeURIComponent(path), sha256: answer.header("X-Sha256") ?? "" };
      this.#tell("done");
    }
    this.#sure = path !== null || offset < this.size; // with all of it there, what it is called is asked for
    if (!this.#sure && !named) await this.#retry(this.#stop.signal, "");
  }

  // The line broke, or what is between here and the service is not there. What has arrived stays there.
  async #lost(answer, signal) {
    await this.#check();
    if (!this.id && (await this.#findAgain())) return;
    if (await this.#isFull()) await this.#waitForRoom(undefined, signal);
    else await this.#retry(signal, answer.said.error ?? "");
  }

  // What can no longer be read looks like a line that broke.
  async #check() {
    try {
      await this.file.slice(this.offset, this.offset + 1).arrayBuffer();
    } catch {
      throw new Error("The file was changed or moved on your computer: choose it again.");
    }
  }

  async #isFull() {
    if (this.#failures < 2) return false;
    const summary = await ask("summary").catch(() => undefined);
    return summary !== undefined && room(summary.space) < Math.min(PIECE, this.size - this.offset);
  }

  // The first request may have got there, and its answer not back.
  async #findAgain() {
    const found = await this.#found().catch(() => undefined);
    if (found) this.id = found.id;
    else if (this.size <= PIECE) await this.#findDone();
    return Boolean(this.id) || this.state === "done";
  }

  async #found() {
    return (await unfinished()).find((upload) => isSame(upload, this.file, this.path));
  }

  async #findDone() {
    const folder = this.path.split("/").slice(0, -1).join("/");
    const { entries } = await list(folder).catch(() => ({ entries: [] }));
    const name = this.path.split("/").pop();
    const near = (one) => Math.abs(one.modified - this.file.lastModified) < 2000;
    if (!entries.some((one) => one.name === name && one.size === this.size && near(one))) return;
    this.offset = this.sent = this.size;
    this.finished = { path: this.path, sha256: "" };
    this.#tell("done");
  }

  // It was deleted there, or is older than what the machine remembers.
  async #forgotten(signal) {
    Object.assign(this, { id: undefined, offset: 0, sent: 0 });
    await this.#retry(signal, "");
  }

  async #retry(signal, why) {
    const pause = PAUSES[Math.min(this.#failures++, PAUSES.length - 1)];
    await this.#wait("lost", why, pause * (0.8 + 0.4 * Math.random()), signal);
  }

  async #wait(state, why, seconds, signal) {
    this.until = Date.now() + seconds * 1000;
    if (seconds > 0 && state !== this.state) this.#tell(state, why);
    await sleep(seconds * 1000, signal);
  }

  async #waitForLogin(signal) {
    this.#tell("login");
    await unless(signal, login());
  }

  async #waitForRoom(needed, signal) {
    const left = needed ?? this.size - this.offset;
    this.#tell("full");
    this.needed = left;
    for (;;) {
      await sleep(FULL * 1000, signal);
      const summary = await ask("summary").catch(() => undefined);
      if (summary) this.needed = left - room(summary.space);
      if (summary && room(summary.space) >= left) return;
    }
  }
}
