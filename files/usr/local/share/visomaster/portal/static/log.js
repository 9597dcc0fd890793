// Follows a log: asks for what came after the last byte seen, and notices when the file was rotated or emptied.

const PERIOD = { more: 200, idle: 1000, lost: 3000 };
const BEGIN = -65536; // bytes: where reading starts, counted from the end
const LIMIT = 20_000; // ms; a line that went dead says nothing
const KEEP = 2_000_000; // characters in the page

const log = document.getElementById("log");
const follow = document.getElementById("follow");
const state = document.getElementById("state");
let decoder = new TextDecoder();
let next = BEGIN;
let file = "";

function append(text) {
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  log.append(text);
  while (log.textContent.length > KEEP && log.childNodes.length > 1) log.firstChild.remove();
  if (atEnd) log.scrollTop = log.scrollHeight;
}

async function read() {
  const wanted = { cache: "no-store", signal: AbortSignal.timeout?.(LIMIT) };
  const answer = await fetch(`?offset=${next}&file=${file}`, wanted);
  if (answer.status === 401) location.reload(); // the token was changed: the server shows its login page
  if (!answer.ok) throw new Error(`${answer.status} ${answer.statusText}`);
  const bytes = await answer.arrayBuffer();
  if (answer.headers.get("X-Log-Restarted") === "yes") {
    decoder = new TextDecoder();
    append("\n— the log was begun anew —\n");
  }
  append(decoder.decode(bytes, { stream: true }));
  next = Number(answer.headers.get("X-Log-Next"));
  file = answer.headers.get("X-Log-File");
  return bytes.byteLength;
}

async function update() {
  let wait = PERIOD.idle;
  if (follow.checked && !document.hidden) {
    try {
      wait = (await read()) > 0 ? PERIOD.more : PERIOD.idle;
      state.textContent = log.textContent ? "following" : "nothing has been written yet";
    } catch (error) {
      state.textContent = `no answer (${error.message}), trying again`;
      wait = PERIOD.lost;
    }
  } else {
    state.textContent = "paused";
  }
  setTimeout(update, wait);
}

update();
