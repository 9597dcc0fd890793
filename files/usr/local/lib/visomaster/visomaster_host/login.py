"""What Caddy compares a token with: it reaches Caddy through its environment and nothing else.

In the Caddyfile the values are `{env.NAME}` inside CEL expressions, which are strings at run time: no
character of a token can end a quote, start a placeholder or match a wildcard there (`{$NAME}` and the `query`
and `header` matchers can all be talked into that). What is compared is what was decoded from the request, so
`%`, quotes and spaces need no escaping on our side.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from visomaster_host.text import Told

SHORTEST_TOKEN = 16
LONGEST_TOKEN = 256
USER = "vastai"
FIXED_COOKIE = "visomaster_auth_token"

_LABEL = re.compile(r"[A-Za-z0-9._-]{1,64}")


class TokenError(Told, ValueError):
    """The token cannot be used; the text says what was expected and never repeats the token."""


@dataclass(frozen=True, kw_only=True)
class Login:
    """The values one instance accepts. `cookie` names the cookie of its sessions (`portal.sessions`), `sessions` the
    folder of those that were begun with this token, and their pages are below `/~PATH/`: another token knows none of
    them.
    """

    cookie: str
    sessions: str
    path: str = field(repr=False)
    token: str = field(repr=False)
    basic: str = field(repr=False)


def login_for(token: str, container_label: str) -> Login:
    """What to accept for `token` on the instance `container_label` (may be empty). Raises `TokenError`."""
    # 3 ms that visomaster-start, which only checks a token, would wait for.
    import base64
    import hashlib

    check_token(token)
    path = base64.urlsafe_b64encode(hashlib.sha256(f"path:{token}".encode()).digest())
    return Login(
        cookie=cookie_name(container_label),
        path=path.decode("ascii")[:22],
        token=token,
        sessions=hashlib.sha256(f"sessions:{token}".encode()).hexdigest()[:32],
        basic="Basic " + base64.b64encode(f"{USER}:{token}".encode()).decode("ascii"),
    )


def check_token(token: str) -> None:
    """Raise `TokenError` unless `token` is long enough to be a secret and can be sent in all four ways."""
    if not SHORTEST_TOKEN <= len(token) <= LONGEST_TOKEN:
        raise TokenError(
            f"the portal's token: expected {SHORTEST_TOKEN} to {LONGEST_TOKEN} characters, got {len(token)}"
        )
    if not token.isprintable():
        raise TokenError("the portal's token: expected printable characters only, got others")
    if token != token.strip():
        raise TokenError("the portal's token: expected no space at its ends, HTTP would drop it")


def cookie_name(container_label: str) -> str:
    """The cookie of this instance: instances share addresses, and cookies ignore ports, so a fixed name would
    clash.
    """
    return f"{container_label}_auth_token" if _LABEL.fullmatch(container_label) else FIXED_COOKIE


def secure_name(cookie: str) -> str:
    """What the cookie `cookie` is called over TLS. A browser lets no page in the clear replace a cookie that is Secure,
    so that each of the two ports needs a name of its own; this beginning keeps it from being laid in the clear.
    """
    return f"__Secure-{cookie}"


def cookie_pattern(cookie: str) -> str:
    """A regular expression for both names of `cookie`."""
    return f"(?:{re.escape(secure_name(''))})?{re.escape(cookie)}"
