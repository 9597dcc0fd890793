"""What a person may set, and how a mistake is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from spec.layer import Layer
from spec.program import FolderSource, GitSource
from spec.settings import read_settings


def test_nothing_set_is_the_default_variant_of_the_default_program() -> None:
    settings = read_settings({})
    assert (settings.variant.name, settings.application.name, settings.accelerator.name) == (
        "default",
        "visomaster",
        "cu124",
    )
    assert settings.layers == tuple(Layer)


def test_the_port_is_the_variants_unless_another_is_set() -> None:
    assert (read_settings({}).port, read_settings({"variant": "alt"}).port) == (5901, 11111)
    assert (read_settings({"port": 15901}).port, read_settings({"port": "15901"}).port) == (15901, 15901)


def test_layers_keep_their_order() -> None:
    assert read_settings({"layers": "desktop,system"}).layers == (Layer.SYSTEM, Layer.DESKTOP)
    assert read_settings({"layers": ["desktop", "system"]}).layers == (Layer.SYSTEM, Layer.DESKTOP)


def test_where_things_come_from_can_be_set(tmp_path: Path) -> None:
    settings = read_settings(
        {
            "source": "https://example.org/fork.git@" + "a" * 40,
            "channels": "https://mirror.example.org/conda,nvidia",
            "indexes": "https://mirror.example.org/simple",
            "mirrors": "https://github.com=https://mirror.example.org/github",
        }
    )
    assert settings.application.source == GitSource(url="https://example.org/fork.git", commit="a" * 40)
    assert settings.application.environment.channels == ("https://mirror.example.org/conda", "nvidia")
    assert settings.accelerator.index == "https://mirror.example.org/simple"
    assert [one.index for one in settings.accelerator.requirements] == ["https://mirror.example.org/simple"]
    assert settings.mirrors == {"https://github.com": "https://mirror.example.org/github"}
    folder = read_settings({"source": str(tmp_path)}).application.source
    assert folder == FolderSource(path=tmp_path)


REFUSED = [
    ({"varriant": "alt"}, r"data: unknown field 'varriant', expected one of: variant, port, tls_port, screen, layers,"),
    ({"variant": "big"}, r"variant: 'big' is unknown, expected one of: default, alt, s-def, s-alt"),
    ({"layers": "system,dekstop"}, r"layers: 'dekstop' is unknown, expected one of: programs, environment,"),
    ({"layers": ""}, r"layers: expected a list written a,b"),
    ({"port": 0}, r"port: expected a number from 1 to 65535, got 0"),
    ({"port": "http"}, r"port: expected a number from 1 to 65535, got 'http'"),
    ({"port": True}, r"port: expected a number from 1 to 65535, got True"),
    ({"port": 6080, "variant": "alt"}, r"port: 6080 is used inside a host of variant alt, expected another one"),
    (
        {"application": "viso"},
        r"application: 'viso' is unknown, expected one of: fusion, sandbox, visomaster or the path",
    ),
    ({"application": 7}, r"application must be a non-empty string, got 7"),
    ({"accelerator": "rocm"}, r"accelerator: 'rocm' is unknown to visomaster, expected one of: cu124, cu124-t.*, cpu"),
    ({"source": "https://example.org/x.git"}, r"source: expected URL@COMMIT or a folder"),
    ({"source": "https://example.org/x.git@main"}, r"source: commit must be 40 hexadecimal digits"),
    ({"source": "no/such/folder"}, r"visomaster: source names .*no/such/folder, which is no folder"),
    ({"mirrors": "https://a.example.org"}, r"mirrors: expected FROM=TO"),
    ({"mirrors": "a=b"}, r"mirrors: expected a URL"),
    ({"mirrors": "https://a.example.org=https://me:pw@b.example.org"}, r"mirrors: expected a URL without user"),
    ({"indexes": "https://pw@b.example.org/simple"}, r"indexes: expected a URL without user and password"),
    ({"channels": "https://me:pw@b.example.org/c"}, r"channels: expected a URL without user and password"),
    ({"source": f"https://pw@b.example.org/x.git@{'0' * 40}"}, r"source: git: expected a URL without user"),
    ({"source": f"ssh://me:pw@b.example.org/x@{'0' * 40}"}, r"source: git: expected a URL without user"),
    ({"mirrors": "https://a.example.org=ftp://me:pw@[b"}, r"mirrors: expected a URL without user"),
    ({"mirrors": "https://a.example.org=ftp://[b"}, r"mirrors: expected a URL beginning with"),
    ({"mirrors": "https://me:pw@b.example.org"}, r"mirrors: expected FROM=TO, got 'https://…@b.example.org'"),
    ({"mirrors": "https://a.b=https://c,https://a.b=https://d"}, r"mirrors: 'https://a.b' stands twice"),
    ({"mirrors": "https://a.b=https://c d"}, r"mirrors: expected a URL beginning with .*, got 'https://c d'"),
    ({"mirrors": "https://a.b=https://"}, r"mirrors: expected a URL beginning with .*, got 'https://'"),
    ({"source": "https://me:pw@b.example.org"}, r"source: expected URL@COMMIT or a folder, got 'https://…@b.ex"),
    ({"channels": "me:pw@b.example.org/c"}, r"channels: expected a channel's name"),
    ({"mirrors": {"https://a": "https://me:pw@b"}}, r"mirrors: expected a list written a,b — got …@b'}"),
    ({"source": ["https://me:pw@b/x"]}, r"data: source must be a non-empty string, got …@b/x'\]"),
    ({"port": "9" * 5000}, r"port: expected a number from 1 to 65535"),
    ({"port": "\u0661"}, r"port: expected a number from 1 to 65535"),
    ({"application": "n" * 300 + ".toml"}, r"File name too long"),
    ({"application": "a\0.toml"}, r"embedded null byte"),
    ({"application": "/.toml"}, r"'/.toml' is unknown"),
    (
        {"repository": "JaneDoe/visomaster"},
        r"repository: expected an image's name in lower case, .*'JaneDoe/visomaster'",
    ),
    ({"indexes": "mirror"}, r"indexes: expected a URL"),
    (
        {"indexes": "default,https://b.example.org/simple"},
        r"indexes: expected one, the main index: two would be equals",
    ),
    ({"unhashed": "maybe"}, r"unhashed: expected yes or no, got 'maybe'"),
]


@pytest.mark.parametrize(("data", "expected"), REFUSED)
def test_a_mistake_is_named(data: dict[str, object], expected: str) -> None:
    with pytest.raises(ValueError, match=expected) as refused:
        read_settings(data)
    assert "\n" not in str(refused.value)
    assert "pw" not in str(refused.value)


def test_the_user_of_an_ssh_address_is_no_secret() -> None:
    data = {"source": f"ssh://git@b.example.org/x.git@{'0' * 40}"}
    assert read_settings(data).application.source == GitSource(url="ssh://git@b.example.org/x.git", commit="0" * 40)


def test_the_main_index_does_not_answer_for_the_packages_of_another() -> None:
    data = {"accelerator": "cu118", "indexes": "https://mirror.example.org/simple", "unhashed": "yes"}
    assert [one.index for one in read_settings(data).accelerator.requirements] == [
        "https://mirror.example.org/simple",
        "https://download.pytorch.org/whl/cu118",
    ]
