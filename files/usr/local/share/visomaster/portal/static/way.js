// The way out of the desktop, for hands on keys, on a mouse and on a phone: a few buttons at the top edge of the window,
// where no list of the program is. They are shown for a moment, and when they are asked for; else an edge of them is.
//
// The desktop takes every key. Ctrl+Alt+Shift, pressed together and let go, brings the keyboard to the buttons, Escape
// back to the desktop.

const SHOWN = 8000; // ms
const MODIFIERS = ["Control", "Alt", "Shift"];
const HINT = "Ctrl+Alt+Shift brings the keyboard here, Esc back";

const nav = Object.assign(document.createElement("nav"), { id: "visomaster_way" });
nav.setAttribute("aria-label", "Out of the desktop");
const back = Object.assign(document.createElement("a"), { href: "../", textContent: "← Back to the portal" });
const hint = Object.assign(document.createElement("small"), { textContent: HINT });
if (!document.querySelector("h1")) nav.append(Object.assign(document.createElement("h1"), { textContent: "Desktop" }));
nav.append(back, hint);
document.body.prepend(nav);

// noVNC and Selkies write names of theirs over the title.
const TITLE = document.title;
const { get, set } = Object.getOwnPropertyDescriptor(Document.prototype, "title");
Object.defineProperty(document, "title", {
  configurable: true,
  get,
  set(text) { set.call(this, /(^VisoMaster|Selkies|noVNC)$/.test(text) ? TITLE : text); },
});

let timer;
let armed = false; // all three are down, and no other key was
let desktop = () => undefined;

export function show() {
  clearTimeout(timer);
  nav.classList.add("shown");
  timer = setTimeout(() => nav.classList.remove("shown"), SHOWN);
}

// One more of them, which does `act`.
export function button(text, act) {
  const made = Object.assign(document.createElement("button"), { type: "button", textContent: text });
  made.addEventListener("click", act);
  hint.before(made);
  return made;
}

// What has the keyboard when the buttons do not: `find` gives the element.
export function leadsTo(find) {
  desktop = find;
}

// What is held down stays so in the desktop, whose own handlers hear no key after this: they let go as for a window that
// was left.
function free() {
  dispatchEvent(new Event("blur"));
  show();
  back.focus();
}

addEventListener("keydown", (event) => {
  const modifier = MODIFIERS.includes(event.key);
  const all = event.ctrlKey && event.altKey && event.shiftKey && !event.getModifierState("AltGraph");
  armed = modifier && (armed || all);
  if (!nav.contains(document.activeElement)) return;
  event.stopImmediatePropagation();
  if (event.key === "Escape") (desktop() ?? document.body).focus();
}, true);
addEventListener("keyup", (event) => {
  if (armed && MODIFIERS.includes(event.key)) {
    armed = false;
    event.stopImmediatePropagation();
    free();
  } else if (nav.contains(document.activeElement)) {
    event.stopImmediatePropagation();
  }
}, true);

nav.addEventListener("click", show); // a finger on the edge that is left of them
show();
