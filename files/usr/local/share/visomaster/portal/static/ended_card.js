// The program is missed because it ended: how, its last words, what helps, and the log that tells more.
import { element, link, when } from "./words.js";

const box = document.getElementById("ended");
let shown = "";

function sentence(end) {
  const times = end.count > 1 ? `It ended ${end.count} times, last` : "It ended";
  const at = end.at > 0 ? ` at ${when(1000 * end.at)}` : "";
  if (end.how === "for memory") return `${times}${at}: it was killed for want of memory.`;
  if (!end.how) return `${times}${at}.`;
  return `${times}${at}${end.how.startsWith("SIG") ? ", by the signal" : " with"} ${end.how}.`;
}

// What is between backticks is to be typed.
function marked(text) {
  return text.split("`").map((part, number) => (number % 2 ? element("code", part) : part));
}

export function showEnded(end) {
  const now = JSON.stringify(end);
  if (now === shown) return; // a screen reader speaks every change
  shown = now;
  box.replaceChildren();
  box.className = end ? "card ended" : "";
  if (!end) return;
  box.append(element("h2", "The program ended"));
  if (end.words) box.append(element("p", end.words, "words"));
  const line = element("p");
  const cause = end.cause && `${end.cause[0].toUpperCase()}${end.cause.slice(1)}. `;
  const next = end.again ? "is started again by itself." : `is not started again by itself: \`supervisorctl start ${end.service}\``;
  line.append(...marked(`${cause}${sentence(end)} It ${next}`));
  box.append(line);
  if (end.log) box.append(link(end.title || end.log, `${box.dataset.logs}${end.log}`, "button"));
}
