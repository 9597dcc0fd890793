"""The sandbox's base image comes from the mirror the machine itself uses."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.apt import Source, lines_for, machine_sources, parse_deb822, parse_one_line

DEBIAN = ("debian", "bookworm")
SIGNED = "[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]"


def source(uri: str, suite: str = "bookworm", components: str = "main", signed_by: str = "") -> Source:
    return Source(uri=uri, suite=suite, components=tuple(components.split()), signed_by=signed_by)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "deb http://m.test/debian bookworm main contrib",
            [source("http://m.test/debian", "bookworm", "main contrib")],
        ),
        (
            "deb [arch=amd64 signed-by=/k.gpg] https://m.test/d sid main # why",
            [source("https://m.test/d", "sid", signed_by="/k.gpg")],
        ),
        ("# deb http://m.test/debian bookworm main", []),
        ("deb-src http://m.test/debian bookworm main", []),
        ("deb http://m.test/flat ./", []),
        ("", []),
    ],
)
def test_one_line_sources(line: str, expected: list[Source]) -> None:
    assert list(parse_one_line(line)) == expected


def test_deb822_sources_with_folded_fields_comments_and_a_disabled_stanza() -> None:
    text = (
        "Types: deb deb-src\n# a comment\nURIs: http://m.test/debian\nSuites: bookworm\n bookworm-updates\n"
        "Components: main\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n\n"
        "Types: deb\nURIs: http://off.test/\nSuites: bookworm\nComponents: main\nEnabled: no\n\n"
        "Types: deb-src\nURIs: http://src.test/\nSuites: bookworm\nComponents: main\n"
    )
    key = "/usr/share/keyrings/debian-archive-keyring.gpg"
    assert list(parse_deb822(text)) == [
        source("http://m.test/debian", "bookworm", signed_by=key),
        source("http://m.test/debian", "bookworm-updates", signed_by=key),
    ]


def test_sources_are_read_from_both_kinds_of_files(tmp_path: Path) -> None:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list").write_text("deb http://a.test/debian bookworm main\n")
    (tmp_path / "sources.list.d/b.list").write_text("deb http://b.test/debian bookworm main\n")
    stanza = "Types: deb\nURIs: http://c.test/debian\nSuites: bookworm\nComponents: main\n"
    (tmp_path / "sources.list.d/c.sources").write_text(stanza)
    (tmp_path / "sources.list.d/d.list.disabled").write_text("deb http://d.test/debian bookworm main\n")
    found = [each.uri for each in machine_sources(tmp_path)]
    assert found == ["http://a.test/debian", "http://b.test/debian", "http://c.test/debian"]


def test_a_machine_without_sources_has_none(tmp_path: Path) -> None:
    assert machine_sources(tmp_path) == []


def test_the_mirror_is_said_for_another_release() -> None:
    sources = [source("http://m.test/debian"), source("http://s.test/security", "bookworm-security")]
    assert lines_for("trixie", sources, DEBIAN) == [
        f"deb {SIGNED} http://m.test/debian trixie main",
        f"deb {SIGNED} http://s.test/security trixie-security main",
    ]


@pytest.mark.parametrize(
    "other",
    [
        source("http://vendor.test/apt", signed_by="/etc/apt/keyrings/vendor.gpg"),
        source("http://vendor.test/apt", "bookworm-vendor"),
        source("http://vendor.test/apt", components="stable"),
        source("mirror+file:/etc/apt/mirrors/debian.list"),
        source("http://m.test/security", "bookworm-security"),  # without the release itself it is no mirror
    ],
)
def test_somebody_elses_archives_and_other_methods_do_not_count(other: Source) -> None:
    assert lines_for("bookworm", [other], DEBIAN) == []


def test_another_distribution_has_no_mirror_here() -> None:
    assert lines_for("noble", [source("http://m.test/debian")], DEBIAN) == []
