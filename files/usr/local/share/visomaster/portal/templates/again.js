// Written into every page, before its other scripts: a page of which a part did not come is loaded again, a few times,
// and says so. What a module imports and did not get stays missing for as long as the page lives.
(() => {
  const WAITS = [1, 2, 4, 8, 15]; // seconds before each try
  const LOST = 3; // seconds between two questions whether the machine answers
  const LIMIT = 20; // seconds for such a question
  const STALLED = 60; // seconds after which a part that has neither come nor failed counts as missing
  const KEY = `visomaster-again ${location.pathname}`;
  const tried = Number(sessionStorage.getItem(KEY));
  let missing = false;

  // Styles are set one by one: the page's own may be what is missing, and its policy allows no others.
  function tell(text, again, label = "Try again") {
    document.getElementById("told")?.remove();
    const box = document.createElement("div");
    Object.assign(box, { id: "told", textContent: text });
    box.setAttribute("role", "alert");
    Object.assign(box.style, {
      position: "fixed", zIndex: 1000, left: "50%", bottom: "1.5rem", transform: "translateX(-50%)",
      boxSizing: "border-box", width: "min(36rem, calc(100% - 2rem))", padding: "1rem 1.25rem", borderRadius: ".75rem",
      border: "1px solid #303642", background: "#1c2029", color: "#e7eaf0", overflowWrap: "anywhere",
      font: "16px/1.5 system-ui, 'Segoe UI', Roboto, Arial, sans-serif", boxShadow: "0 .5rem 2rem #0008",
    });
    if (again) box.append(button(again, label));
    (document.body ?? document.documentElement).append(box);
  }

  function button(again, label) {
    const made = document.createElement("button");
    made.textContent = label;
    Object.assign(made.style, {
      display: "block", marginTop: ".75rem", padding: ".4rem 1rem", font: "inherit", fontWeight: 600, color: "#fff",
      background: "#2459c4", border: 0, borderRadius: ".4rem", cursor: "pointer",
    });
    made.addEventListener("click", again);
    return made;
  }

  // Loaded while nobody answers, the page would be the browser's own, which does not come back.
  async function reload(count) {
    const wanted = { cache: "no-store", signal: AbortSignal.timeout?.(LIMIT * 1000) };
    const answer = await fetch(location.href, wanted).catch(() => undefined);
    if (answer && answer.status < 500) {
      sessionStorage.setItem(KEY, count);
      location.reload();
    } else {
      tell("The box does not answer. This page goes on when it does.", () => reload(count));
      setTimeout(reload, LOST * 1000, count);
    }
  }

  function begin() {
    if (missing) return;
    missing = true;
    if (tried < WAITS.length) {
      tell(`A part of this page did not load. Trying again in ${WAITS[tried]} s.`);
      setTimeout(reload, WAITS[tried] * 1000, tried + 1);
    } else {
      const text = `A part of this page did not load, ${tried} times over.`;
      tell(`${text} Is the line good, and does a proxy in between let everything through?`, () => reload(0));
    }
  }

  addEventListener("error", ({ target }) => {
    const style = target instanceof HTMLLinkElement && target.rel === "stylesheet";
    if (style || target instanceof HTMLScriptElement) begin();
  }, true);
  addEventListener("load", () => {
    if (!missing) sessionStorage.removeItem(KEY);
  });
  setTimeout(() => {
    if (document.readyState !== "complete") begin();
  }, STALLED * 1000);
  globalThis.visomaster = Object.freeze({ tell });
})();
