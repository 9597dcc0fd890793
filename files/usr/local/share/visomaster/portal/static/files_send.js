// One request that carries a part of a file, with word of how far it has come; and the part's checksum.
import { loggedOut } from "./files_api.js";

const STALLED = 30_000; // ms without a byte moving after which the line counts as lost
const WRITING = 180_000; // ms for the answer after the last byte: the file is on disk, and whole, before it comes
const CHECKED = Boolean(globalThis.crypto?.subtle); // there on encrypted pages only

export const canCheck = CHECKED;

// Resolves to {status, header, said}; status 0 where the line broke. Raises the reason of `signal` when that is aborted.
export function send(method, address, { headers = {}, body, signal, progress = () => {} } = {}) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    let timer;
    const watch = (ms) => {
      clearTimeout(timer);
      timer = setTimeout(() => request.abort(), ms);
    };
    const stop = () => request.abort();
    request.open(method, address);
    for (const [name, value] of Object.entries({ "Tus-Resumable": "1.0.0", ...headers })) {
      request.setRequestHeader(name, value);
    }
    request.upload.addEventListener("progress", ({ loaded }) => {
      watch(STALLED);
      progress(loaded);
    });
    request.upload.addEventListener("load", () => watch(WRITING));
    request.addEventListener("loadend", () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", stop);
      if (signal?.aborted) return reject(signal.reason);
      if (request.status === 401) loggedOut();
      return resolve(answerOf(request));
    });
    signal?.addEventListener("abort", stop);
    watch(STALLED);
    request.send(body ?? null);
  });
}

function answerOf(request) {
  let said = {};
  try {
    said = JSON.parse(request.responseText);
  } catch {
    // not the service's own answer
  }
  return { status: request.status, header: (name) => request.getResponseHeader(name), said };
}

// What `blob` is sent as: where the browser can, with its checksum. Raises where the file cannot be read. The file's part
// is sent, not what was read of it: bytes in a page's memory go through several processes, and more slowly.
export async function prepare(blob) {
  if (!CHECKED) return { body: blob, headers: {} };
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", await blob.arrayBuffer()));
  return { body: blob, headers: { "Upload-Checksum": `sha256 ${btoa(String.fromCharCode(...digest))}` } };
}

export function metadata(values) {
  const pairs = Object.entries(values).filter(([, value]) => value !== "");
  return pairs.map(([key, value]) => {
    let bytes = "";
    for (const byte of new TextEncoder().encode(value)) bytes += String.fromCharCode(byte);
    return `${key} ${btoa(bytes)}`;
  }).join(",");
}
