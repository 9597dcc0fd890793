// noVNC's page as the others are: its name, its bar behind a button, and the names and places that a screen reader tells.
// Runs before noVNC's own script; what it looks for is the same from noVNC 1.0 to 1.6.
import * as way from "./way.js";

const part = (id) => document.getElementById(`noVNC_${id}`);
const bar = part("control_bar");
const describe = (node, words) => Object.entries(words).forEach(([name, value]) => node?.setAttribute(name, value));
const canvas = () => part("container").querySelector("canvas");

const noVNC = async () => (await import("../vnc/app/ui.js")).default;
const opened = () => bar.classList.contains("noVNC_open");

// The bar's own handle stood over the program's list.
const tools = way.button("Tools", async () => {
  const ui = await noVNC();
  ui.keepControlbar();
  ui.toggleControlbar();
  if (opened()) bar.querySelector(".noVNC_scroll .noVNC_button:not(.noVNC_hidden)")?.focus();
});
const showState = () => describe(tools, { "aria-controls": bar.id, "aria-expanded": opened() });
new MutationObserver(showState).observe(bar, { attributeFilter: ["class"] });
showState();
bar.addEventListener("keydown", async (event) => {
  if (event.key === "Escape") (await noVNC()).closeControlbar();
});

// On a phone, what is typed needs a keyboard on the screen first.
const keyboard = way.button("Keyboard", () => part("keyboard_button").click());
keyboard.className = "touch";

way.leadsTo(canvas);

// Opened while the page connects, noVNC's bar stays so for a while; and its canvas is reached by Tab, as all else is.
export async function connected() {
  const ui = await noVNC();
  ui.keepControlbar();
  bar.classList.remove("noVNC_open");
  describe(canvas(), { tabindex: 0, role: "application", "aria-label": "The desktop. Ctrl+Alt+Shift frees the keyboard." });
  way.show();
}

// noVNC's button to connect again is none for a keyboard.
const again = part("connect_button");
if (again?.tagName === "DIV") {
  describe(again, { tabindex: 0, role: "button" });
  again.addEventListener("keydown", (event) => {
    if (event.key === "Enter" || event.key === " ") (again.querySelector("div") ?? again).click();
  });
}
describe(part("container"), { role: "main" });
describe(part("control_bar_anchor"), { role: "region", "aria-label": "noVNC's tools" });
describe(part("connect_dlg"), { role: "region", "aria-label": "Connect" });
describe(part("transition"), { role: "region", "aria-label": "Connecting" });
describe(part("status"), { role: "status" });
describe(part("clipboard_text"), { "aria-label": "Clipboard" });
describe(part("keyboardinput"), { "aria-label": "What is typed on a phone's keyboard" });
