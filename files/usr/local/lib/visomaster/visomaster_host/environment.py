"""The container's environment, read and checked once at start.

Secrets go to the store, the rest to one settings file; every later program reads those and never the
environment.
"""

from __future__ import annotations

import json
import os
import re
import socket
from collections.abc import Mapping, MutableMapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from visomaster_host import beneath, paths, screen_size
from visomaster_host.choices import Access, ModelsAt
from visomaster_host.files import ROOT, write_atomic
from visomaster_host.host import Host
from visomaster_host.lease import asked, instance
from visomaster_host.login import SHORTEST_TOKEN, TokenError, check_token
from visomaster_host.problems import Problem, going_on, say
from visomaster_host.refusals import refusal
from visomaster_host.settings import Settings, read_settings
from visomaster_host.store import PORTAL_TOKEN, VNC_PASSWORD, read_secret, write_secret
from visomaster_host.text import brief
from visomaster_host.variables import begins_with, plain, plain_secret, without_quotes

SECRET_VARIABLES = ("VNC_PASSWORD", "OPEN_BUTTON_TOKEN")
"""Taken out of the environment before anything is started with it. With `_FILE` behind it each names a file that holds
the secret, as engines mount them under /run/secrets."""

INSTANCE_KEY = "CONTAINER_API_KEY"
"""The key that Vast gives a machine, with which it can be destroyed: taken out as well."""

VNC_PASSWORD_LENGTH = 8
"""VNC's DES challenge uses eight characters and ignores the rest: a longer password is weaker than it looks.
"""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_FOR_LOGINS = (
    *("CUDA_", "NVIDIA_", "VAST_CONTAINERLABEL", "VAST_TCP_PORT_", "VAST_UDP_PORT_", "PUBLIC_IPADDR"),
    *("CONTAINER_ID", "DATA_DIRECTORY", "GPU_COUNT", "ENABLE_HTTPS"),
)
"""What begins a variable's name that logins are told: which GPU, which box, which ports."""
_PLAIN = re.compile(r"[\w !%&()*+,./:;<=>?@^{|}~\[\]-]*")  # pam_env knows no escapes, and cuts at a `#`
_BLOCK_BEGINS, _BLOCK_ENDS = "# begin visomaster-start\n", "# end visomaster-start\n"

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_OUTSIDE_PORT = "VAST_TCP_PORT_"
_VNC_PASSWORD = re.compile(r"[ -~]{1,8}")
_SECRET_MOST = 64 * 1024
"""Bytes of a secret's file that are read; the longest secret has 256 characters."""
_PORT = re.compile(r"[1-9][0-9]{0,4}")
_HOST_NAME = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(\.(?!-)[A-Za-z0-9-]{1,63}){0,20}\.?")
_NUMBERS = re.compile(r"[0-9.]+")  # no name, and where it is no address either, a misprint
_LABEL = re.compile(r"[A-Za-z0-9._-]{0,256}")
_X11VNC_COMMENTS = ("__SKIP__", "__COMM__")  # x11vnc reads a password line with these as a comment


@dataclass(frozen=True, kw_only=True)
class Environment:
    """The checked environment. A secret is None when it was not given and a stored or generated one is to be
    used. `instance` is the number and the key of a rented machine, which it can end itself with.
    """

    vnc_password: str | None = field(default=None, repr=False)
    portal_token: str | None = field(default=None, repr=False)
    instance: tuple[str, str] | None = field(default=None, repr=False)
    settings: Settings = field(default_factory=Settings)


def container_environment() -> Mapping[str, str]:
    """The variables of the container: of this process, else of /etc/environment, else of the container's first process.

    Vast shows `-e` variables to its on-start line, but not to SSH sessions, from which a deploy starts the services.
    """
    try:
        ours, others = _told_to_logins()
    except OSError:  # `tell_logins` says why
        ours = others = ""
    told = _login_variables(ours)  # in a copy of a container, the first one's address and ports: a login has them, too
    own = {name: value for name, value in os.environ.items() if told.get(name) != value}
    return {**_of_first_process(), **_login_variables(others), **own}


def _of_first_process() -> dict[str, str]:
    """Process 1 was started with what the container was given; empty where it does not let itself be read."""
    try:
        pairs = paths.FIRST_ENVIRONMENT.read_bytes().decode("utf-8", "surrogateescape").split("\0")
    except OSError:
        return {}
    # A daemon that shows its state in its title, such as sshd, has written over them: such a text is no variable.
    return {
        name: value for name, mark, value in (pair.partition("=") for pair in pairs) if mark and _NAME.fullmatch(name)
    }


def _told_to_logins() -> tuple[str, str]:
    """What pam_env(8) gives to logins, in the form of /etc/environment: what we have told them, and all else. Raises
    OSError."""
    try:
        text = paths.LOGIN_ENVIRONMENT.read_text(encoding="utf-8", errors="surrogateescape")
    except FileNotFoundError:
        return "", ""
    before, _, rest = text.partition(_BLOCK_BEGINS)
    ours, _, after = rest.partition(_BLOCK_ENDS)
    return ours, before + after


def _login_variables(text: str) -> dict[str, str]:
    """The variables of /etc/environment: `NAME=value` or `NAME="value"` a line, with or without `export` before it."""
    found = {}
    for line in text.splitlines():
        name, mark, value = line.strip().removeprefix("export ").partition("=")
        if mark and _NAME.fullmatch(name):
            found[name] = without_quotes(value)
    return found


def tell_logins() -> None:
    """Let logins see those variables of the container that are of use in a shell and no secret. Where that cannot be,
    all else can: it is said.

    They go to /etc/environment, in a block of our own: what somebody else has set there stays, and wins. Only what the
    first process was started with: a variable of the shell that called us is not meant for everybody.
    """
    with going_on("visomaster-start", "logins are not told the container's variables"):
        _tell_logins()


def _tell_logins() -> None:
    ours, others = _told_to_logins()
    set_by_others = _login_variables(others)
    if INSTANCE_KEY in set_by_others:
        say(
            f"visomaster-start: {paths.LOGIN_ENVIRONMENT} holds {INSTANCE_KEY} for everybody to read, the program too, "
            "and it can destroy this box: take that line out"
        )
    told = {
        name: plain(value)
        for name, value in sorted(_of_first_process().items())
        if begins_with(name, _FOR_LOGINS) and name not in set_by_others and _PLAIN.fullmatch(plain(value))
    }
    lines = "".join(f'{name}="{value}"\n' for name, value in told.items())
    block = f"{_BLOCK_BEGINS}{lines}{_BLOCK_ENDS}" if lines else ""
    new = others + ("\n" if block and others and not others.endswith("\n") else "") + block
    if lines != ours:
        write_atomic(paths.LOGIN_ENVIRONMENT, new.encode("utf-8", "surrogateescape"), mode=0o644, owner=ROOT)


def read_environment(variables: Mapping[str, str], host: Host) -> Environment:
    """Check `variables`. Raises `Problem` naming the first bad one; its value is never repeated.

    Only the secret that `host`'s access uses is looked at. Prints a line for a variable that has no use on `host`.
    """
    given = {name: value if name in SECRET_VARIABLES else plain(value) for name, value in variables.items()}
    ports = _outside_ports(given)
    screen, screen_max = given.get("SCREEN", ""), given.get("SCREEN_MAX", "")
    screen_size.check(screen, screen_max)
    return Environment(
        vnc_password=_vnc_password(_secret(given, "VNC_PASSWORD")) if host.access == Access.VNC else None,
        portal_token=_portal_token(_secret(given, "OPEN_BUTTON_TOKEN")) if host.access == Access.PORTAL else None,
        instance=asked.instance(given),
        settings=Settings(
            container_label=_label(given.get("VAST_CONTAINERLABEL", "")),
            portal_config=given.get("PORTAL_CONFIG", ""),
            mirrors=given.get("VISOMASTER_MIRRORS", ""),
            models_dir=_models_dir(_directory("MODELS_DIR", given.get("MODELS_DIR", "")), host),
            public_address=_public_address(given.get("PUBLIC_IPADDR", ""), ports.get(str(host.port))),
            outside_ports=ports,
            enable_https=_switch("ENABLE_HTTPS", given.get("ENABLE_HTTPS", ""), default=False),
            screen=screen,
            screen_max=screen_max,
            vnc_lockout=_switch("VNC_LOCKOUT", given.get("VNC_LOCKOUT", ""), default=True),
            **asked.checked(given),
        ),
    )


def keep(environment: Environment, host: Host) -> None:
    """Store the secret of `host`'s access and the settings. Not given: the stored secret stays, else one is
    made.
    """
    if host.access == Access.VNC:
        stored = environment.vnc_password or read_secret(VNC_PASSWORD)
        write_secret(VNC_PASSWORD, stored or _generate(VNC_PASSWORD_LENGTH))
    else:
        stored = environment.portal_token or read_secret(PORTAL_TOKEN)
        write_secret(PORTAL_TOKEN, stored or _generate(32))
    with going_on("visomaster-start", "without the lease: nobody ends this machine by itself"):
        instance.keep(environment.instance)
    _keep_settings(environment.settings)


def _keep_settings(settings: Settings) -> None:
    """Write `settings` down. Where that cannot be those of an earlier start are good enough, unless they would have the
    portal answer in the clear. Raises OSError.
    """
    text = json.dumps(asdict(settings), indent=2) + "\n"
    try:
        write_atomic(paths.SETTINGS, text.encode(), mode=0o600, owner=ROOT)
    except OSError as error:
        if settings.enable_https and not read_settings().enable_https:
            raise
        say(f"visomaster-start: {refusal(error)}; going on: with the settings of an earlier start")


def renew(host: Host, wanted: str | None) -> None:
    """Store `wanted`, or a generated secret when it is None, as the one of `host`'s access.

    Raises `Problem` when it cannot be one; its value is never repeated.
    """
    if host.access == Access.VNC:
        write_secret(VNC_PASSWORD, _vnc_password(wanted) or _generate(VNC_PASSWORD_LENGTH))
        return
    try:
        check_token(token := _generate(32) if wanted is None else wanted)
    except TokenError as error:
        raise Problem(str(error)) from None
    write_secret(PORTAL_TOKEN, token)


def drop_secrets(variables: MutableMapping[str, str]) -> None:
    """Take the secrets out of `variables`, so that no program started from here sees them."""
    for name in (*SECRET_VARIABLES, INSTANCE_KEY):
        variables.pop(name, None)


def _secret(variables: Mapping[str, str], name: str) -> str | None:
    """The secret `name` from the environment or from the file that `name`_FILE names; None when neither is given."""
    file = variables.get(f"{name}_FILE")
    if file is None:
        return _given_secret(variables, name)
    if name in variables:
        raise Problem(f"{name} and {name}_FILE are both set, expected one of them")
    try:
        value = beneath.read(Path(file), _SECRET_MOST).decode("utf-8-sig").rstrip("\r\n")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise Problem(f"{name}_FILE: cannot read {file!r}: {reason}") from None
    if name == "OPEN_BUTTON_TOKEN" and len(value) < SHORTEST_TOKEN:
        # Only Vast's variable says `1` for "please generate": a file is meant as the secret.
        raise Problem(f"{name}_FILE: expected {SHORTEST_TOKEN} or more characters in {file!r}, got {len(value)}")
    return value


def _given_secret(variables: Mapping[str, str], name: str) -> str | None:
    """The secret in the variable `name`. Prints a line where it stands in quotes, which somebody may have meant."""
    value = variables.get(name)
    if value is None:
        return None
    secret = plain_secret(value)
    if secret != value.strip("\ufeff\r\n"):
        say(f"visomaster-start: {name} stands in quotes, which are left out: the secret is what is between them")
    return secret


def _vnc_password(value: str | None) -> str | None:
    if value is None:
        return None
    if not _VNC_PASSWORD.fullmatch(value):
        length = f"got {len(value)}" if len(value) == 0 or len(value) > VNC_PASSWORD_LENGTH else "got others"
        raise Problem(f"VNC_PASSWORD must be 1 to {VNC_PASSWORD_LENGTH} printable ASCII characters, {length}")
    if value.startswith(_X11VNC_COMMENTS):
        raise Problem(f"VNC_PASSWORD must not be {' or '.join(_X11VNC_COMMENTS)}: x11vnc reads that as a comment")
    return value


def _portal_token(value: str | None) -> str | None:
    """A short token is not meant as a secret: Vast's templates say `OPEN_BUTTON_TOKEN=1` for "please generate"."""
    if value is None or len(value) < SHORTEST_TOKEN:
        return None
    try:
        check_token(value)
    except TokenError as error:
        raise Problem(f"OPEN_BUTTON_TOKEN: {error}") from None
    return value


def _label(value: str) -> str:
    if not _LABEL.fullmatch(value):
        raise Problem(f"VAST_CONTAINERLABEL must be letters, digits, '.', '_' and '-', got {value!r}")
    return value


def _directory(name: str, value: str) -> str:
    if value and not (value.startswith("/") and value.isprintable()):
        raise Problem(f"{name} must be an absolute path in one line, got {value!r}")
    return value


def _models_dir(wanted: str, host: Host) -> str:
    """The folder for models that come at start. Those that came with the host stay where its programs find them; a box
    that is rented with a setting too many should work all the same.
    """
    if not wanted or host.models == ModelsAt.START:
        return wanted
    say(f"visomaster-start: MODELS_DIR is not used: this host has its models already, in {paths.MODELS}")
    return ""


def _switch(name: str, value: str, *, default: bool) -> bool:
    if value.lower() not in ("", "false", "true"):
        raise Problem(f'{name} must be "true" or "false", got {value!r}')
    return value.lower() == "true" if value else default


def _public_address(value: str, outside: str | None) -> str:
    """`address:port` as seen from outside where Vast tells it, else empty; an address of IPv6 is in brackets."""
    address = _address(value)
    return f"{address}:{outside}" if address and outside else ""


def _address(value: str) -> str:
    """`value`, an address or a name, as it stands before a port; empty, and a line says so, when it is neither."""
    bare = value[1:-1].strip() if value.startswith("[") and value.endswith("]") else value
    if _is_address(socket.AF_INET6, bare):
        return f"[{bare}]"
    if _is_address(socket.AF_INET, value) or (_HOST_NAME.fullmatch(value) and not _NUMBERS.fullmatch(value)):
        return value
    if value:
        say(f"visomaster-start: PUBLIC_IPADDR is not used: expected an address or a name, got {brief(repr(value), 80)}")
    return ""


def _is_address(family: socket.AddressFamily, text: str) -> bool:
    try:
        socket.inet_pton(family, text)
    except (OSError, ValueError):  # a NUL, or what no encoding can write
        return False
    return True


def _outside_ports(variables: Mapping[str, str]) -> dict[str, str]:
    """VAST_TCP_PORT_<inside>=<outside>, those that are ports. Prints a line for one that leads to none."""
    found: dict[str, str] = {}
    for name, outside in variables.items():
        inside = name.removeprefix(_OUTSIDE_PORT)
        if not name.startswith(_OUTSIDE_PORT) or not _is_port(inside):
            continue  # Vast names other things so, too
        if _is_port(outside):
            found[inside] = outside
        else:
            say(
                f"visomaster-start: {name} is not used: expected a port from 1 to 65535, got {brief(repr(outside), 80)}"
            )
    return found


def _is_port(text: str) -> bool:
    return _PORT.fullmatch(text) is not None and int(text) < 65536


def _generate(length: int) -> str:
    import secrets  # 5 ms that a start with a secret given or stored would wait for

    return "".join(secrets.choice(_ALPHABET) for _ in range(length))
