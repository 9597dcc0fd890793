"""As whom things run on a host."""

DESKTOP = "visomaster"
"""The desktop and the program."""

PAGES = "visomaster-portal"
"""The portal's pages: what they show and whom they let in is not the program's to change."""

FRONT, CADDY = "haproxy", "caddy"
"""What holds the public port, and what serves behind it; the distribution's packages make both."""

LISTENING = (DESKTOP, FRONT)
"""Those who listen on ports that others could take."""
