// The clipboard between noVNC and x11vnc, and a desktop that comes back. Runs before noVNC's own script and shares its
// modules.
//
// libvncserver 0.9.14 (Debian 12, Ubuntu 24.04) announces the extended clipboard for x11vnc, which does not take it:
// what was pasted here never arrived. Not asked for, the plain one is used. That one is Latin-1 by the protocol, but
// x11vnc hands its bytes on as they are, as UTF8_STRING: sent as UTF-8, every character arrives. The other way it asks
// programs for STRING, which is Latin-1 from Qt and UTF-8 from many others; bytes that are UTF-8 are read as such.
import { encodings } from "../vnc/core/encodings.js";
import RFB from "../vnc/core/rfb.js";
import "./session.js";

// What an older address says of where the desktop is, a bookmark or the guide, is not true of this session; no other host
// is ever asked (the page's policy sees to that, too).
const address = new URL(location.href);
const place = location.pathname.replace(/^\//, "").replace(/[^/]*$/, "websockify");
address.searchParams.set("path", place);
for (const name of ["host", "port", "encrypt"]) address.searchParams.delete(name);
address.hash = "";
history.replaceState(null, "", address);

const paste = RFB.prototype.clipboardPasteFrom;
const dispatch = RFB.prototype.dispatchEvent;

function asBytes(text) {
  return Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte)).join("");
}

function fromBytes(text) {
  if (/[^\u0000-\u00ff]/.test(text)) return text; // these are characters already
  try {
    const bytes = Uint8Array.from(text, (letter) => letter.charCodeAt(0));
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return text;
  }
}

encodings.pseudoEncodingExtendedClipboard = encodings.pseudoEncodingLastRect;

RFB.prototype.clipboardPasteFrom = function (text) {
  paste.call(this, asBytes(text));
};

// noVNC tries again only when a connection that was there has ended. After a try that failed, the page waits until the
// desktop can be reached and is loaded anew: so it is when the token was changed, and shows the login then.
async function beginAnew() {
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, 1000));
    const answer = await fetch("../status/status.json", { cache: "no-store" }).catch(() => undefined);
    if (answer?.status === 401) break;
    const checks = answer?.ok ? (await answer.json()).checks : undefined;
    if (checks?.every((check) => check.ok || !["vnc", "websocket"].includes(check.name))) break;
  }
  location.reload();
}

RFB.prototype.dispatchEvent = function (event) {
  if (event.type === "disconnect" && !event.detail.clean) beginAnew();
  if (event.type !== "clipboard") return dispatch.call(this, event);
  const text = fromBytes(event.detail.text);
  return dispatch.call(this, new CustomEvent("clipboard", { detail: { text } }));
};
