// Which session this browser is in: the first part of the address, which no other port may learn. It is kept where only
// pages of this very port can read it, so that a bookmark or an address typed by hand leads into the session.

const base = location.pathname.match(/^\/~[A-Za-z0-9_-]{22}(?=\/)/)?.[0];
if (base) localStorage.setItem("visomaster-session", base);
// Without a session (a program's own login) there is nothing to end.
for (const form of document.querySelectorAll('form[action$="logout"]')) {
  form.hidden = !base;
  form.addEventListener("submit", () => localStorage.removeItem("visomaster-session"));
}
