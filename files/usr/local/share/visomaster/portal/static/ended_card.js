// The program is missed because it ended: how, its last words, what helps, and the log that tells more.
import { element, link, when } from "./words.js";

const box = document.getElementById("ended");
let shown = "";

function sentence(end) {
  const times = end.count > 1 ? `It ended ${end.count} times, last` : "It ended";
  const ways = { "for memory": "killed for memory" };
  const way = !end.how ? "" : end.how.startsWith("SIG") ? ` by ${end.how}` : ways[end.how] ? `, ${ways[end.how]},` : ` with ${end.how}`;
  const at = end.at > 0 ? ` at ${when(1000 * end.at)}` : "";
  const next = end.again ? "It is started again by itself." : "It is not started again by itself: ";
  return [`${times}${way}${at}. `.replace(",.", ".").replace(", .", "."), next];
}

export function showEnded(end) {
  const now = JSON.stringify(end);
  if (now === shown) return; // a screen reader speaks every change
  shown = now;
  box.replaceChildren();
  box.className = end ? "card ended" : "";
  if (!end) return;
  const [told, next] = sentence(end);
  const line = element("p", `${told}${next}`);
  if (!end.again) line.append(element("code", "supervisorctl start visomaster_app"));
  box.append(element("h2", "The program ended"));
  if (end.words) box.append(element("p", end.words, "words"));
  if (end.cause) box.append(element("p", `${end.cause[0].toUpperCase()}${end.cause.slice(1)}.`));
  box.append(line);
  if (end.log) box.append(link(end.title || end.log, `${box.dataset.logs}${end.log}`, "button"));
}
