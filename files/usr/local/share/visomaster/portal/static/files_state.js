// What the program keeps: all of it as one file to take home, and such a file brought back on another machine.
import { address, ask } from "./files_api.js";
import { choose, names } from "./files_ask.js";
import { element, say, when } from "./words.js";

const told = document.getElementById("state-told");
const LONG = 600_000; // ms; a large state is copied meanwhile

function differences({ saved, application, left_out: missing = [], new: added, same, replaced, starts_anew: anew }) {
  const parts = [element("p", `What ${application} kept, saved ${when(Date.parse(saved))}.`)];
  if (added.length) parts.push(names(`${added.length} new`, added));
  if (replaced.length) parts.push(names(`${replaced.length} replaced; what is here now is kept beside`, replaced));
  if (same) parts.push(element("p", `${same} the same as here.`));
  if (missing.length) parts.push(names(`${missing.length} could not be saved then`, missing));
  if (anew) parts.push(element("p", "The program is started anew with it: what is not saved in it is lost."));
  return parts;
}

// Whether `path` is such a file.
export async function isState(path) {
  return ask(`restore?${new URLSearchParams({ path })}`, { limit: LONG }).then(() => true, () => false);
}

// Shows what bringing `path` back would do, asks, and does it.
export async function bringBack(path) {
  try {
    const found = await ask(`restore?${new URLSearchParams({ path })}`, { limit: LONG });
    const nothing = !found.new.length && !found.replaced.length;
    const choices = nothing ? [] : [["yes", "Bring it back", "main"]];
    const question = nothing ? "All of it is here already" : "Bring this back?";
    if (!(await choose(question, choices, { told: differences(found) }))) return;
    const { restored } = await ask("restore", { method: "POST", give: { path }, limit: LONG });
    await choose(`${restored} ${restored === 1 ? "file is" : "files are"} back`, [], {
      told: found.starts_anew ? ["The program is being started anew with it."] : [], end: "Good",
    });
  } catch (error) {
    await choose("It was not brought back", [], { told: [error.message], end: "Close" });
  }
}

// The link to all of it follows the tick.
export function showState() {
  const link = document.getElementById("state-link");
  const results = document.getElementById("state-out");
  const follow = () => link.setAttribute("href", address(results.checked ? "state?out=yes" : "state"));
  results.addEventListener("change", follow);
  link.addEventListener("click", () => say(told, "The browser is saving it. On another box, drop it on this page."));
  follow();
}
