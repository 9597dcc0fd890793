// Questions to the person, in a window over the page; the browser keeps the keyboard in it, and Escape is no.
import { button, element } from "./words.js";

// Resolves to the value of the button that was chosen, null for none of them. `choices` are [value, text, class] each;
// `fill` adds what belongs between question and buttons, and may give what to focus; `end` is the button of no.
export function choose(question, choices, { told = [], fill, end = "Cancel" } = {}) {
  return new Promise((resolve) => {
    const box = element("dialog");
    const title = element("h2", question);
    const row = element("p", undefined, "buttons");
    title.id = "question";
    box.setAttribute("aria-labelledby", title.id);
    let chosen = null;
    row.append(button(end, () => box.close()));
    for (const [value, text, className] of choices) {
      row.append(button(text, () => {
        chosen = value;
        box.close();
      }, className));
    }
    box.append(title, ...told.map((one) => (one instanceof Node ? one : element("p", one))));
    const focus = fill?.(box, () => row.lastChild.click());
    box.append(row);
    box.addEventListener("close", () => {
      box.remove();
      resolve(chosen);
    });
    document.body.append(box);
    box.showModal();
    (focus ?? row.firstChild).focus();
    focus?.select?.();
  });
}

// A name, as the person typed it; null for none.
export async function askName(question, yes, before = "") {
  const input = Object.assign(element("input"), { type: "text", value: before, required: true, autocomplete: "off" });
  input.setAttribute("aria-label", "Name");
  const answer = await choose(question, [["yes", yes, "main"]], {
    fill: (box, done) => {
      box.append(input);
      input.addEventListener("keydown", (event) => {
        if (event.key !== "Enter" || event.isComposing || !input.value.trim()) return;
        event.preventDefault();
        done();
      });
      return input;
    },
  });
  return answer && input.value.trim() ? input.value : null;
}

// Names, folded away when they are many.
export function names(label, all, most = 500) {
  const box = element("details");
  box.open = all.length <= 5;
  box.append(element("summary", label));
  const items = element("ul");
  items.replaceChildren(...all.slice(0, most).map((one) => {
    const item = element("li");
    item.append(element("bdi", one));
    return item;
  }));
  if (all.length > most) items.append(element("li", `and ${all.length - most} more`));
  box.append(items);
  return box;
}
