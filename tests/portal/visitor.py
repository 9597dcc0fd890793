"""Who comes to a portal: somebody with a session as a browser has it, found out from the outside alone."""

from __future__ import annotations

from dataclasses import dataclass
from http.cookies import SimpleCookie
from urllib.parse import urlsplit

from tests.portal import rig


@dataclass(frozen=True, kw_only=True)
class Session:
    """A browser's login: below `prefix` ("" or "/~secret"), `name`=`value` is the cookie, `attributes` as they came."""

    prefix: str
    name: str
    value: str
    attributes: str

    @property
    def headers(self) -> dict[str, str]:
        """What the browser sends along below the prefix."""
        return {"Cookie": f"{self.name}={self.value}"}


def log_in(portal: rig.Portal) -> Session:
    """What a browser has after the link with the token. Raises `AssertionError` when it is not let in."""
    answer = portal.get(f"/?token={portal.wanted.token}", {"Accept": "text/html"})
    assert answer.status == 302, answer
    text = answer.headers["set-cookie"]
    ((name, morsel),) = SimpleCookie(text).items()
    prefix = urlsplit(answer.headers["location"]).path.rstrip("/")
    return Session(prefix=prefix, name=name, value=morsel.value, attributes=text.partition(";")[2])
