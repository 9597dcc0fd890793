// The list "What runs", as a person says it; what the check itself says is shown where the pointer rests.
import { element } from "./words.js";

const PLAIN = {
  screen: "is on",
  vnc: "shows the screen to whoever is let in",
  sound: "is on",
  "window manager": "is there",
  connection: "from this browser to the screen works",
  "sharp picture": "can be shown, with sound",
  port: "is held by this desktop and nobody else",
  portal: "answers",
  files: "can go up and down",
  program: "is on the screen",
};

function words(check, ended) {
  if (check.name === "program" && ended) return "ended, see above";
  // How its service ended before is said behind a semicolon.
  const [detail, ...more] = check.detail.split("; ");
  if (check.ok && !check.warning) return [PLAIN[check.name] ?? detail, ...more].join("; ");
  return check.detail.replace(/^needs ([a-z ]+)/, "waits for the $1");
}

export function showChecks(checks, ended) {
  document.getElementById("checks").replaceChildren(...checks.map((check) => {
    const bad = check.warning || (check.name === "program" && ended);
    const item = element("li", undefined, bad ? "warning" : check.ok ? "good" : "");
    const told = words(check, ended);
    const small = element("small", told);
    if (told !== check.detail) small.title = check.detail;
    item.append(element("span", check.name), small);
    item.setAttribute("aria-label", `${check.name}: ${check.ok ? "there" : "not there"} ${told}`);
    return item;
  }));
}
