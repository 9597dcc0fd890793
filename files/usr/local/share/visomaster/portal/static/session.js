// Which session this browser is in: the first part of the address, which no other port may learn. It is kept where only
// pages of this very port can read it, so that a bookmark or an address typed by hand leads into the session.

const KEY = "visomaster-session";
const PAUSE = 20_000; // ms between two looks whether the session still is
const SOON = 1000; // ms that a log-out takes in another tab

const base = () => location.pathname.match(/^\/~[A-Za-z0-9_-]{22}(?=\/)/)?.[0];
// Without a session (a program's own login) there is nothing to end.
for (const form of document.querySelectorAll('form[action$="logout"]')) {
  form.hidden = !base();
  form.addEventListener("submit", () => localStorage.removeItem(KEY));
}

// A session that has ended, or another token: whatever page is open shows the login, which leads back to it. A page with
// something under way keeps it, and says so itself.
async function look() {
  if (document.hidden || !base()) return;
  const wanted = { method: "POST", cache: "no-store", signal: AbortSignal.timeout?.(PAUSE) };
  const answer = await fetch(`${base()}/origin`, wanted).catch(() => undefined);
  if (answer?.status !== 401) return;
  if (dispatchEvent(new Event("visomaster-outside", { cancelable: true }))) location.reload();
}

setInterval(look, PAUSE);
document.addEventListener("visibilitychange", look);
addEventListener("storage", ({ key, newValue }) => {
  if (key === KEY && !newValue) setTimeout(look, SOON);
});
if (base()) localStorage.setItem(KEY, base());
