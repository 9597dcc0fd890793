"""The variables with which uv runs: one index, how it is reached, and nothing else that the box says.

A box's `UV_…` variables, `uv.toml` and credentials store are not looked at.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from pathlib import Path

OWN_INDEX = "default"
"""Stands for the index that the box's pip is configured for."""
PYPI = "https://pypi.org/simple"

_KEPT = ("HOME", "LANG", "NETRC", "PATH", "SSL_CERT_DIR", "SSL_CERT_FILE")
_BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_PROXIES = ("http_proxy", "https_proxy", "all_proxy")
_PROXY = "_proxy"
_WITHOUT_LOGIN = re.compile(r"(?<=://)[^/@\s]+@")


def address(index: str, said: Mapping[str, str]) -> str:
    """The URL of `index`: a URL itself, or `default` for the one that the box's pip is configured for (`said`)."""
    return (said.get("index-url") or PYPI) if index == OWN_INDEX else index


def trusted_hosts(index: str, said: Mapping[str, str]) -> list[str]:
    """The hosts that the box trusts without a certificate: what names an index goes with its own one alone."""
    return said.get("trusted-host", "").split() if index == OWN_INDEX else []


def uv_environment(index: str, said: Mapping[str, str], work: Path) -> dict[str, str]:
    """The variables with which uv asks `index` (a URL, or `default`) alone, and keeps its files in the folder `work`.

    `said` is what the box says to pip. The URL is a variable since it may hold a password, and arguments are seen by
    everybody. Raises ``ValueError`` for a number that is none.
    """
    variables = {
        **reaching_servers(said),
        "NO_COLOR": "1",
        "NVIDIA_TENSORRT_DISABLE_INTERNAL_PIP": "1",  # its source would run a second installer, with its own index
        "PYTHONNOUSERSITE": "1",
        "TMPDIR": str(work),  # uv waits for a lock there, which in /tmp anybody could hold
        "UV_CACHE_DIR": str(work / "cache"),
        "UV_CONCURRENT_DOWNLOADS": "8",  # a kill loses those that are not whole yet: of 50 at once, nearly all
        "UV_CREDENTIALS_DIR": str(work / "credentials"),
        "UV_DEFAULT_INDEX": address(index, said),
        "UV_LINK_MODE": "hardlink",
        "UV_NO_CONFIG": "1",
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_SYSTEM_CERTS": "1",
    }
    if seconds := said.get("timeout") or said.get("default-timeout"):
        variables["UV_HTTP_TIMEOUT"] = str(_number("timeout", seconds))
    if retries := said.get("retries"):
        variables["UV_HTTP_RETRIES"] = str(_number("retries", retries))
    if trusted := trusted_hosts(index, said):
        variables["UV_INSECURE_HOST"] = " ".join(trusted)
    return variables


def reaching_servers(said: Mapping[str, str]) -> dict[str, str]:
    """What every program needs, and the variables that say how servers are reached, an option of pip's before the
    variable of the same meaning. What a box says of Python or of a compiler is not for what is made here."""
    names = [name for name in os.environ if name in _KEPT or name.startswith("LC_") or name.lower().endswith(_PROXY)]
    variables = {name: os.environ[name] for name in names}
    if authorities := authority_file(said):
        variables["SSL_CERT_DIR" if Path(authorities).is_dir() else "SSL_CERT_FILE"] = authorities
    if certificate := said.get("client-cert"):
        variables["SSL_CLIENT_CERT"] = certificate
    if proxy := proxy_of(said):
        variables |= {spelt: proxy for name in _PROXIES for spelt in (name, name.upper())}
    return variables


def authority_file(said: Mapping[str, str]) -> str | None:
    """The file or folder of the certificates that pip trusts; None: OpenSSL's own, or that of SSL_CERT_FILE."""
    return said.get("cert") or next((os.environ[name] for name in _BUNDLES if os.environ.get(name)), None)


def proxy_of(said: Mapping[str, str]) -> str | None:
    """The proxy that pip is configured for, as a URL; None: that of the variables, if any."""
    proxy = said.get("proxy")
    return f"http://{proxy}" if proxy and "://" not in proxy else proxy


def seconds_to_wait(said: Mapping[str, str]) -> int:
    """How long a server may say nothing (pip's default: 15 seconds)."""
    return _number("timeout", said.get("timeout") or said.get("default-timeout") or "15")


def without_login(text: str) -> str:
    """`text` without the user and the password of an address."""
    return _WITHOUT_LOGIN.sub("", text)


def _number(name: str, value: str) -> int:
    try:
        return math.ceil(float(value))
    except (ValueError, OverflowError):
        raise ValueError(f"{name} of the box's pip: expected a number, got {value!r}") from None
