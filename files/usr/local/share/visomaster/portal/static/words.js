// What the pages say in words and figures, and the elements they say it in. Text is only ever set as text: names of files
// and windows come from elsewhere.

export function element(tag, text, className) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

export function button(text, act, className) {
  const made = element("button", text, className);
  made.type = "button";
  made.addEventListener("click", act);
  return made;
}

export function link(text, address, className) {
  const made = element("a", text, className);
  made.href = address;
  return made;
}

// A name whose letters, in whatever direction they run, leave the rest of the line alone.
export function name(text, className) {
  const made = element("bdi", text, className);
  made.title = text;
  return made;
}

// A screen reader speaks every change, and what is not changed is not drawn again.
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function size(bytes) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let unit = 0;
  for (; bytes >= 1000 && unit < units.length - 1; unit++) bytes /= 1000;
  return `${unit ? bytes.toFixed(1) : bytes} ${units[unit]}`;
}

export function duration(seconds) {
  if (seconds < 60) return `${Math.ceil(seconds)} s`;
  if (seconds < 3600) return `${Math.ceil(seconds / 60)} min`;
  return `${Math.floor(seconds / 3600)} h ${Math.ceil((seconds % 3600) / 60)} min`;
}

export function count(number, one, many = `${one}s`) {
  return `${number.toLocaleString("en")} ${number === 1 ? one : many}`;
}

const TIME = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const DAY = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const OLD_DAY = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", year: "numeric" });

// `ms` since 1970 as people read it: the time of day today, then the day, then the year.
export function when(ms) {
  const then = new Date(ms);
  const now = new Date();
  if (then.toDateString() === now.toDateString()) return TIME.format(then);
  const format = then.getFullYear() === now.getFullYear() ? DAY : OLD_DAY;
  return `${format.format(then)}, ${TIME.format(then)}`;
}

// A bar that is filled to `share`; its element is kept, so that it moves.
export class Bar {
  constructor(label) {
    this.node = element("div", undefined, "progress");
    this.node.setAttribute("role", "progressbar");
    this.node.setAttribute("aria-label", label);
    this.node.append(element("div"));
    this.show(0);
  }

  show(share) {
    const percent = String(Math.floor(100 * Math.min(1, Math.max(0, share))));
    if (this.node.getAttribute("aria-valuenow") !== percent) this.node.setAttribute("aria-valuenow", percent);
    this.node.firstChild.style.width = `${100 * share}%`;
  }
}
