"""Variables of the container's environment, and which of them may be passed on."""

from __future__ import annotations

PROXIES = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
"""What those who fetch from outside inherit."""

_PARTS_OF_SECRETS = ("KEY", "TOKEN", "SECRET", "PASS", "CREDENTIAL")


def begins_with(name: str, prefixes: tuple[str, ...]) -> bool:
    """Whether `name` begins with one of `prefixes` and is not named like a secret, as NVIDIA_API_KEY is."""
    return name.startswith(prefixes) and not any(part in name.upper() for part in _PARTS_OF_SECRETS)
