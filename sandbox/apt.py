"""The machine's own package sources: its mirror, said for another of the distribution's releases."""

from __future__ import annotations

import dataclasses
import platform
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

RELEASES = {"bookworm": "debian", "trixie": "debian", "jammy": "ubuntu", "noble": "ubuntu"}
COMPONENTS = {"debian": ("main",), "ubuntu": ("main", "universe")}
# A release's own archives have one of these after the codename; any other suffix is somebody else's archive.
SUFFIXES = ("", "-updates", "-security")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Source:
    """One package archive as apt knows it."""

    uri: str
    suite: str
    components: tuple[str, ...]
    signed_by: str = ""


def keyring(distribution: str) -> str:
    """Return where a distribution keeps the keys of its own archive (package *-archive-keyring)."""
    return f"/usr/share/keyrings/{distribution}-archive-keyring.gpg"


def parse_one_line(text: str) -> Iterator[Source]:
    """Yield the binary archives of a one-line style list, see sources.list(5)."""
    for line in text.splitlines():
        found = re.fullmatch(r"deb\s+(?:\[(?P<options>[^]]*)\]\s+)?(?P<rest>[^#]+?)\s*(?:#.*)?", line.strip())
        words = found["rest"].split() if found else []
        if found is None or len(words) < 3:
            continue
        options = dict(option.partition("=")[::2] for option in (found["options"] or "").split())
        yield Source(uri=words[0], suite=words[1], components=tuple(words[2:]), signed_by=options.get("signed-by", ""))


def parse_deb822(text: str) -> Iterator[Source]:
    """Yield the enabled binary archives of a deb822 style file, see sources.list(5)."""
    without_comments = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    for stanza in re.split(r"\n\s*\n", without_comments):
        fields = {
            name.lower(): value.strip()
            for name, value in re.findall(r"^([\w-]+):((?:.*)(?:\n[ \t].*)*)", stanza, flags=re.MULTILINE)
        }
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").lower() == "no":
            continue
        for uri in fields.get("uris", "").split():
            for suite in fields.get("suites", "").split():
                yield Source(
                    uri=uri,
                    suite=suite,
                    components=tuple(fields.get("components", "").split()),
                    signed_by=fields.get("signed-by", ""),
                )


def machine_sources(apt: Path = Path("/etc/apt")) -> list[Source]:
    """Return every archive this machine's apt is told to use, in apt's order."""
    lists = [apt / "sources.list", *sorted((apt / "sources.list.d").glob("*.list"))]
    found = [source for path in lists if path.is_file() for source in parse_one_line(path.read_text())]
    for path in sorted((apt / "sources.list.d").glob("*.sources")):
        found.extend(parse_deb822(path.read_text()))
    return found


def machine_release() -> tuple[str, str]:
    """Return this machine's distribution and release, like ("debian", "bookworm"); see os-release(5)."""
    described = platform.freedesktop_os_release()
    return described.get("ID", ""), described.get("VERSION_CODENAME", "")


def lines_for(release: str, sources: Iterable[Source], machine: tuple[str, str]) -> list[str]:
    """Return one-line style sources for `release` from the mirror that a machine's `sources` name.

    Only the distribution's own archives count: by suite, component, and a key that is the distribution's.
    Empty when the machine is of another distribution or names no mirror by http: the caller's tool has a
    default of its own.
    """
    distribution, here = machine
    if RELEASES[release] != distribution or not here:
        return []
    ours = {f"{here}{suffix}": f"{release}{suffix}" for suffix in SUFFIXES}
    lines = []
    for source in sources:
        components = [name for name in COMPONENTS[distribution] if name in source.components]
        stock_key = not source.signed_by or Path(source.signed_by).stem == f"{distribution}-archive-keyring"
        if source.suite in ours and components and stock_key and source.uri.startswith(("http://", "https://")):
            archive = f"{source.uri} {ours[source.suite]} {' '.join(components)}"
            lines.append(f"deb [signed-by={keyring(distribution)}] {archive}")
    main = [line for line in lines if f" {release} " in line]
    return list(dict.fromkeys(lines)) if main else []
