// How what is on its way up is shown: a row a file, or one for a folder. A row keeps its place and its buttons.
import { bringBack, isState } from "./files_state.js";
import { Bar, button, count, duration, element, name, say, size } from "./words.js";

const MOST_FAILED = 20;
const SOON = 100; // ms
const PERIOD = 500; // ms
const going = document.getElementById("transfers");
const spoken = document.getElementById("spoken");

function wait(upload) {
  const seconds = Math.ceil((upload.until - Date.now()) / 1000);
  const why = upload.why || "Line lost";
  return seconds > 0 ? `${why.replace(/\.$/, "")}: trying again in ${seconds} s.` : `${why.replace(/\.$/, "")}: trying again.`;
}

function figures(group, rate) {
  const { sent } = group;
  const said = [`${size(sent)} of ${size(group.size)}`];
  if (!group.single) said.unshift(`${group.in("done").length.toLocaleString("en")} of ${count(group.uploads.length, "file")}`);
  if (rate > 0) said.push(`${size(rate)}/s`, `${duration((group.size - sent) / rate)} left`);
  return said.join(" · ");
}

function told(group) {
  const { state } = group;
  const rate = group.rate();
  if (state === "waiting") return "Waits for its turn.";
  if (state === "sending") return figures(group, rate);
  if (state === "paused") return `Paused: ${figures(group, 0)}`;
  if (state === "login") return "Waits until you have logged in.";
  if (state === "lost") return wait(group.in("lost")[0]);
  if (state === "full") {
    const needed = Math.max(...group.in("full").map((one) => one.needed ?? 0));
    return `Disk full: ${size(Math.max(1, needed))} more are needed. Delete something, it goes on by itself.`;
  }
  if (state === "cancelled") return "Cancelled.";
  if (state === "failed") return group.single ? group.uploads[0].why : `${count(group.in("failed").length, "file")} failed.`;
  return group.single ? `${group.uploads[0].finished.path} · ${size(group.size)}` : `${count(group.uploads.length, "file")} · ${size(group.size)}`;
}

// The sha256 of what arrived, as the machine has read it back.
function checksum(sha256) {
  const box = element("details", undefined, "sum");
  box.append(element("summary", "SHA-256"), element("code", sha256));
  if (navigator.clipboard) box.append(" ", button("Copy", () => navigator.clipboard.writeText(sha256)));
  return box;
}

class Row {
  constructor(group, queue) {
    Object.assign(this, { group, queue });
    this.node = element("li");
    this.bar = new Bar(`${group.label}, sent`);
    this.text = element("p", "", "told");
    this.more = element("div");
    this.pause = button("Pause", () => this.#toggle());
    this.cancel = button("Cancel", () => this.#end());
    for (const [one, verb] of [[this.pause, "Pause"], [this.cancel, "Cancel"]]) this.#label(one, verb);
    const buttons = element("p", undefined, "buttons");
    buttons.append(this.pause, this.cancel);
    const title = element("p", undefined, "title");
    title.append(name(group.label));
    this.node.append(title, buttons, this.bar.node, this.text, this.more);
    this.update();
  }

  #label(one, verb) {
    say(one, verb);
    one.setAttribute("aria-label", `${verb} ${this.group.label}`);
  }

  #toggle() {
    if (["paused", "failed"].includes(this.group.state)) this.queue.resume(this.group);
    else this.queue.pause(this.group);
    this.update();
  }

  async #end() {
    if (this.group.ended) {
      this.queue.remove(this.group);
      const next = this.node.nextElementSibling?.querySelector(".buttons button:last-child");
      this.node.remove();
      (next ?? document.getElementById("files-button")).focus();
      return;
    }
    this.#label(this.cancel, "Clear");
    const ended = this.queue.cancel(this.group);
    this.update();
    await ended;
  }

  update() {
    if (this.over) return;
    const { group } = this;
    const { state } = group;
    this.node.className = `transfer ${state}`;
    this.bar.show(group.size ? group.sent / group.size : Number(state === "done"));
    say(this.text, told(group));
    if (state !== this.shown) this.#changed(state);
  }

  #changed(state) {
    this.shown = state;
    const { group } = this;
    this.#label(this.pause, state === "failed" ? "Try again" : state === "paused" ? "Resume" : "Pause");
    if (["lost", "full", "failed"].includes(state)) say(spoken, `${group.label}: ${this.text.textContent}`);
    if (!group.ended) return;
    this.pause.hidden = state !== "failed";
    this.#label(this.cancel, "Clear");
    this.more.replaceChildren(...group.in("failed").slice(0, MOST_FAILED).filter(() => !group.single).map((one) => {
      const line = element("p", undefined, "failed");
      line.append(name(one.path), `: ${one.why}`);
      return line;
    }));
    if (state === "done") this.#done();
  }

  async #done() {
    this.over = true;
    const { group } = this;
    say(spoken, `${group.label} has arrived.`);
    if (!group.single) return;
    const { path, sha256 } = group.uploads[0].finished;
    if (sha256) this.more.append(checksum(sha256));
    if (!path.toLowerCase().endsWith(".zip") || !(await isState(path))) return;
    this.more.prepend(element("p", "This is what a program kept on another box. "), button("Bring it back…", () => bringBack(path), "main"));
  }
}

// Shows the queue's groups for as long as the page lives.
export function showQueue(queue) {
  const rows = new Map();
  const draw = () => {
    for (const group of rows.keys()) if (!queue.groups.includes(group)) rows.delete(group);
    for (const row of rows.values()) row.update();
  };
  queue.addEventListener("added", ({ detail: group }) => {
    const row = new Row(group, queue);
    rows.set(group, row);
    going.append(row.node);
  });
  let soon; // a folder's files end many a second
  queue.addEventListener("ended", () => {
    soon ??= setTimeout(() => {
      soon = undefined;
      draw();
    }, SOON);
  });
  setInterval(draw, PERIOD);
}
