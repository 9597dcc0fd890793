// What the page shows of the test picture's two time stamps, read at every frame of the browser. Runs in the page that
// is measured, before its own scripts; bench/page.py says where to look and takes what was seen.
(() => {
  const seen = [];
  let marks;
  let paper;
  let film;
  let last = "";

  // The 32 cells of a stamp as text; 0 is black. `top` is its row in `pixels`.
  function cells(pixels, top) {
    let found = "";
    for (const [x, y] of marks.centres) found += pixels[((top + y) * marks.width + x) * 4] > 127 ? 1 : 0;
    return found;
  }

  function read(source) {
    marks.places.forEach(([x, y], number) => {
      paper.drawImage(source, x, y, marks.width, marks.height, 0, number * marks.height, marks.width, marks.height);
    });
    const pixels = paper.getImageData(0, 0, marks.width, 2 * marks.height).data;
    return `${cells(pixels, 0)} ${cells(pixels, marks.height)}`;
  }

  // The desktop is on the page's largest canvas or film.
  function desktop() {
    const size = (one) => (one.videoWidth ?? one.width) * one.getClientRects().length;
    return [...document.querySelectorAll("canvas, video")].sort((one, other) => size(other) - size(one))[0];
  }

  function look(source) {
    if (!marks || (source.videoWidth ?? source.width) === 0) return;
    const found = read(source);
    if (found !== last) seen.push([performance.now(), found]);
    last = found;
  }

  // A film says when it shows another picture, which spares the processors the reading of the same one.
  function follow() {
    requestAnimationFrame(follow);
    const source = desktop();
    if (source?.requestVideoFrameCallback === undefined) {
      if (source) look(source);
    } else if (source !== film) {
      film = source;
      film.requestVideoFrameCallback(function shown() {
        look(source);
        if (source === film) source.requestVideoFrameCallback(shown);
      });
    }
  }

  globalThis.benchLookAt = (where) => {
    marks = where;
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [marks.width, 2 * marks.height];
    paper = canvas.getContext("2d", { willReadFrequently: true });
    seen.length = 0;
  };
  globalThis.benchTake = () => (marks ? seen.splice(0) : null); // null: loaded anew, nobody said where to look
  requestAnimationFrame(follow);
})();
