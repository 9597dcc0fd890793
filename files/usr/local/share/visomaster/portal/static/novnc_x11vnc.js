// The clipboard between noVNC and x11vnc. Runs before noVNC's own script and shares its modules.
//
// libvncserver 0.9.14 (Debian 12, Ubuntu 24.04) announces the extended clipboard for x11vnc, which does not take it:
// what was pasted here never arrived. Not asked for, the plain one is used. That one is Latin-1 by the protocol, but
// x11vnc hands its bytes on as they are, as UTF8_STRING: sent as UTF-8, every character arrives. The other way it asks
// programs for STRING, which is Latin-1 from Qt and UTF-8 from many others; bytes that are UTF-8 are read as such.
import { encodings } from "../vnc/core/encodings.js";
import RFB from "../vnc/core/rfb.js";

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

RFB.prototype.dispatchEvent = function (event) {
  if (event.type !== "clipboard") return dispatch.call(this, event);
  const text = fromBytes(event.detail.text);
  return dispatch.call(this, new CustomEvent("clipboard", { detail: { text } }));
};
