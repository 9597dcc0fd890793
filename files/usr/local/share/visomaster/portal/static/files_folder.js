// Which folder something is moved to, chosen by walking through them.
import { list } from "./files_api.js";
import { choose } from "./files_ask.js";
import { button, element, name } from "./words.js";

// Gives the folder's path, null for none. `paths` are what moves: into itself nothing can.
export async function chooseFolder(question, start, paths) {
  let here = start;
  const where = element("p", undefined, "where");
  const folders = element("ul", undefined, "folders");
  const walk = async (path) => {
    const { entries } = await list(path).catch(() => ({ entries: [] }));
    here = path;
    where.replaceChildren("Into: ", name(path ? `Files / ${path.replaceAll("/", " / ")}` : "Files"));
    const within = (called) => (path ? `${path}/${called}` : called);
    const inner = entries.filter((one) => one.kind === "folder" && !paths.includes(within(one.name)));
    const items = inner.map((one) => [one.name, within(one.name)]).sort();
    if (path) items.unshift(["↑ one up", path.split("/").slice(0, -1).join("/")]);
    folders.replaceChildren(...items.map(([text, to]) => {
      const item = element("li");
      const into = button("", () => walk(to), "plain folder");
      into.append(name(text));
      item.append(into);
      return item;
    }));
    folders.querySelector("button")?.focus();
  };
  await walk(start);
  const answer = await choose(question, [["yes", "Move here", "main"]], { told: [where, folders] });
  return answer ? here : null;
}
