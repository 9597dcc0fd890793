"""Variables of the container's environment, and which of them may be passed on."""

from __future__ import annotations

PROXIES = (
    *("http_proxy", "https_proxy", "all_proxy", "no_proxy"),
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
)
"""What those who fetch from outside inherit."""

REACHING = (
    *PROXIES,
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO"),
    *("PIP_CERT", "PIP_CLIENT_CERT", "PIP_DEFAULT_TIMEOUT", "PIP_PROXY", "PIP_RETRIES", "PIP_TIMEOUT"),
    *("PIP_CONFIG_FILE", "PIP_INDEX_URL", "PIP_TRUSTED_HOST"),
)
"""How a box reaches others: its proxies, whom it trusts, and which index its pip asks."""

OF_A_START = (
    *("VNC_PASSWORD", "VNC_PASSWORD_FILE", "OPEN_BUTTON_TOKEN", "OPEN_BUTTON_TOKEN_FILE"),
    *("ENABLE_HTTPS", "MODELS_DIR", "PORTAL_CONFIG", "VAST_CONTAINERLABEL", "VISOMASTER_MIRRORS"),
    *("SCREEN", "SCREEN_MAX", "VNC_LOCKOUT"),
    *("LEASE_UNTIL", "ON_END", "IDLE", "LEASE_API", "CONTAINER_ID", "CONTAINER_API_KEY"),
)
"""What visomaster-start is told by whoever calls it."""

_PARTS_OF_SECRETS = ("KEY", "TOKEN", "SECRET", "PASS", "CREDENTIAL")


_ENDS = " \t\r\n\v\f\ufeff"
_QUOTES = "\"'"


def plain(value: str) -> str:
    """`value` as it was meant: what `-e NAME="$(cat file)"`, a file of DOS or `--env-file` put around it (spaces, line
    breaks, one pair of quotes) is no part of it."""
    return without_quotes(value.strip(_ENDS)).strip(_ENDS)


def plain_secret(value: str) -> str:
    """As `plain`; but a space may be part of a secret."""
    return without_quotes(value.lstrip("\ufeff\r\n").rstrip("\r\n"))


def without_quotes(value: str) -> str:
    """`value` without the pair of quotes it stands in, if it does."""
    return value[1:-1] if len(value) >= 2 and value[0] == value[-1] and value[0] in _QUOTES else value


def begins_with(name: str, prefixes: tuple[str, ...]) -> bool:
    """Whether `name` begins with one of `prefixes` and is not named like a secret, as NVIDIA_API_KEY is."""
    return name.startswith(prefixes) and not any(part in name.upper() for part in _PARTS_OF_SECRETS)
