// The desktop follows the window, and is always seen whole. Runs before noVNC's own script and shares its modules; what it
// overrides is the same from noVNC 1.0 to 1.6.
//
// Sizes are in CSS pixels: on a finer screen, or zoomed in, letters then have the size that they have in other windows.
import RFB from "../vnc/core/rfb.js";

const LEAST = { w: 800, h: 600 }; // what the program's window needs
const MOST = { w: 3840, h: 2160 };
const shown = RFB.prototype._screenSize;
const ask = RFB.prototype._requestRemoteResize;

// A window on a fraction of a pixel would have the picture scaled by as little, and blurred.
RFB.prototype._screenSize = function () {
  const { w, h } = shown.call(this);
  return { w: Math.floor(w), h: Math.floor(h) };
};

// A phone's window is smaller than the program's: the desktop has the window's shape, and is shown smaller than it is.
function wanted({ w, h }) {
  const factor = Math.max(1, LEAST.w / w, LEAST.h / h);
  const bounded = (length, side) => Math.min(MOST[side], Math.max(LEAST[side], Math.round(length * factor)));
  return { w: bounded(w, "w"), h: bounded(h, "h") };
}

RFB.prototype._requestRemoteResize = function () {
  const size = this._screenSize();
  if (!size.w || !size.h) return; // a page that is not shown
  this._screenSize = () => wanted(size);
  ask.call(this);
  delete this._screenSize;
};

// noVNC asks for a size or scales, one of them. Scaled is also what another viewer has asked for, or the host has cut.
for (const [name, value] of [["scaleViewport", true], ["clipViewport", false]]) {
  const { get, set } = Object.getOwnPropertyDescriptor(RFB.prototype, name);
  Object.defineProperty(RFB.prototype, name, { configurable: true, get, set() { set.call(this, value); } });
}
