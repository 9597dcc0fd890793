"""As whom things run on a host."""

DESKTOP = "visomaster"
"""The desktop and the program."""

DESKTOP_ID = 3717
"""Their uid and gid on every host, so that a volume which one has written is theirs on the next. Not 1000 or one near
it, which a base's own users have."""

FORMER_IDS = (1000, 1001)
"""What images had before that number was fixed: the first that was free."""

PAGES = "visomaster-portal"
"""The portal's pages: what they show and whom they let in is not the program's to change."""

FRONT, CADDY = "haproxy", "caddy"
"""What holds the public port, and what serves behind it; the distribution's packages make both."""

LISTENING = (DESKTOP, FRONT)
"""Those who listen on ports that others could take."""
