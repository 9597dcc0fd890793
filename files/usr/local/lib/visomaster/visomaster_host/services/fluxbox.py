"""The window manager."""

from __future__ import annotations

import re

from visomaster_host import display, paths
from visomaster_host.files import ROOT, write_atomic
from visomaster_host.host import Host
from visomaster_host.needs import X_SERVER
from visomaster_host.service import Check, Launch, Service

_SPECIAL = re.compile(r"[\x00-\x1f!-,./:-@\[-^`{-\x7f]")

RULES = r"""# The first window whose title begins as the program's fills the screen, and cannot be lost behind it.
# All others, dialogs without a parent among them, keep their size and title bar and open in the middle.
[app] (name=main\.py) (title=%s.*) (transient=no) {1}
  [Maximized] {yes}
  [Deco] {NONE}
[end]
[app] (name=main\.py)
  [Position] (CENTER) {0 0}
[end]
# That the machine ends soon is said above everything.
[app] (name=visomaster-lease)
  [Layer] {2}
  [Position] (CENTER) {0 0}
[end]
"""
"""See fluxbox-apps(5). A rule is chosen when a window opens: a title that changes later changes nothing.

Qt names its leader, which is no window that Fluxbox knows, as the parent of a dialog that has none, and Fluxbox looks
at neither that nor the window's type: titles are all that tells them apart. The number in braces is how many windows
may have the first rule at once, which keeps dialogs away that are called as the program is.
"""


def launch(host: Host) -> Launch:
    """Fluxbox with the host's configuration instead of the user's. Raises OSError where its rules cannot be written."""
    write_atomic(paths.WINDOWS, rules(host.window_title).encode(), mode=0o644, owner=ROOT)
    return Launch(
        argv=(str(paths.FLUXBOX_PROGRAM), "-rc", str(paths.FLUXBOX / "init")),
        variables={**display.variables(host), "LD_LIBRARY_PATH": str(paths.DESKTOP_LIBRARIES)},
    )


def rules(title: str) -> str:
    """Fluxbox's rules for a program the title of whose window begins with `title`.

    A point stands for whatever means something to a regular expression, or to the file: Fluxbox counts parentheses
    before it reads the expression.
    """
    return RULES % _SPECIAL.sub(".", title)


SERVICE = Service(
    name="fluxbox",
    title="The window manager (Fluxbox)",
    launch=launch,
    priority=20,
    log=paths.SUPERVISOR_LOGS / "fluxbox.log",
    reads=(paths.FLUXBOX,),
    needs=(X_SERVER,),
    checks=(Check(name="window manager", probe=display.window_manager, after="screen"),),
)
