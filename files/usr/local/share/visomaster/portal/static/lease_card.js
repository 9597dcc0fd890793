// When this rented machine ends by itself, and another hour for it.
import { button, duration, say, when } from "./words.js";

const SOON = 600; // seconds; what is near is told in minutes, and loudly
const LIMIT = 20_000; // ms; a line that went dead says nothing
const box = document.getElementById("lease");
const line = document.getElementById("lease-line");
const told = document.getElementById("lease-told");

async function keep() {
  say(told, "…");
  try {
    const answer = await fetch(box.dataset.keep, { method: "POST", cache: "no-store", signal: AbortSignal.timeout?.(LIMIT) });
    const said = answer.headers.get("Content-Type")?.startsWith("application/json");
    const text = said ? (await answer.json()).told : await answer.text();
    say(told, text || answer.statusText);
  } catch {
    say(told, "No answer: it was not kept, as far as is known.");
  }
}

function sentence(lease) {
  const destroyed = lease.how === "destroy";
  const what = destroyed ? "is destroyed" : "is stopped";
  const lost = destroyed ? ", with all that is on it" : "";
  if (lease.asked) return `This box ${what} now${lost}.`;
  const at = when(Date.now() + 1000 * lease.in);
  const time = lease.in < SOON ? `in ${duration(lease.in)} (${at})` : `at ${at}`;
  if (lease.why === "idle") return `This box ${what} ${time}, unless somebody uses it.`;
  const idle = lease.idle ? ` It is stopped before that after ${lease.idle} minutes without use.` : "";
  return `This box ${what} ${time}${lost}: its lease is over then.${idle}`;
}

export function showLease(lease) {
  if (!box) return;
  box.hidden = !lease;
  if (!lease) return;
  box.classList.toggle("notice", Boolean(lease.trouble) || (lease.ends !== null && lease.in < SOON));
  const parts = [lease.ends === null ? "" : sentence(lease), lease.trouble];
  say(line, parts.filter(Boolean).join(" "));
}

line?.parentElement.append(button("Keep it running for another hour", keep));
