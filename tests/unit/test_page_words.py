"""What a person reads on the portal's pages is in a person's words."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from types import MappingProxyType

import pytest
from visomaster_host import paths

from spec.here import local

PORTAL = local(paths.PORTAL_SHARE)
PROGRAMS = local(paths.PACKAGE) / "portal"

JARGON = (
    *("application", "backend", "buffer", "codec", "container label", "cron", "daemon", "endpoint", "EOF", "errno"),
    *("exception", "FIFO", "framebuffer", "frontend", "handshake", "inode", "JSON", "kernel", "localhost", "loopback"),
    *("mutex", "NaN", "null", "payload", "PID", "POST", "regex", "RFB", "SIGKILL", "SIGTERM", "socket"),
    *("stderr", "stdin", "stdout", "stream", "syscall", "thread", "traceback", "TTY", "UID", "undefined", "upstream"),
    *("websocket", "websockify", "x11vnc", "XID", "Xtigervnc", "xvfb", "supervisord"),
)
"""Words of those who build such pages."""

MAY_STAND: Mapping[tuple[str, str], str] = MappingProxyType(
    {
        ("index.html.j2", "JSON"): "a link for programs, in their word",
        ("status.html.j2", "JSON"): "as above",
        ("novnc.js", "websocket"): "said to who has set up a proxy in between, in the word of its settings",
        ("portal.js", "localhost"): "a command, to be typed as it stands",
    }
)
"""What is allowed on which page, each with its reason."""

SEEN = ("alt", "aria-label", "content", "placeholder", "title", "value")
"""Attributes whose values are shown or read out."""

_TEMPLATE = re.compile(r"(?s)\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}")
_COMMENT = re.compile(r"(?s)/\*.*?\*/|(?<![:'\"`\\])//[^\n]*")
_LITERAL = re.compile(r"'((?:[^'\\\n]|\\.)*)'|\"((?:[^\"\\\n]|\\.)*)\"|`((?:[^`\\]|\\.)*)`")


class Page(HTMLParser):
    """The text of a page that is shown, and its attributes that are."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self._hidden = 0
        self.feed(_TEMPLATE.sub(" ", text))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._hidden += tag in ("script", "style")
        if tag != "meta":
            self.found += [value for name, value in attrs if name in SEEN and value]

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in ("script", "style")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.found.append(data)


def sentences(script: str) -> Iterator[str]:
    """The literals of a script that are more than one word, without what is filled in."""
    for single, double, template in _LITERAL.findall(_COMMENT.sub("", script)):
        text = re.sub(r"\$\{[^}]*\}", " … ", single or double or template)
        if re.search(r"[A-Za-z…]+,? [A-Za-z…]", text) and "</" not in text:
            yield text


def said(program: str) -> Iterator[str]:
    """The same of a Python program, without docstrings."""
    tree = ast.parse(program)
    described = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in described:
            yield from (text for text in [node.value] if re.search(r"[A-Za-z]+,? [a-z]", text))


def texts() -> dict[str, list[str]]:
    """What is shown, by the file that it stands in."""
    pages = [*PORTAL.glob("*.html"), *PORTAL.glob("templates/*.html.j2")]
    scripts = [*PORTAL.glob("static/*.js"), *PORTAL.glob("templates/*.js")]
    programs = [PROGRAMS / f"{name}.py" for name in ("logs", "report")]
    return {
        **{page.name: Page(page.read_text(encoding="utf-8")).found for page in pages},
        **{script.name: list(sentences(script.read_text(encoding="utf-8"))) for script in scripts},
        **{program.name: list(said(program.read_text(encoding="utf-8"))) for program in programs},
    }


def jargon(text: str) -> set[str]:
    """The words in it that only a builder knows."""
    return {word for word in JARGON if re.search(rf"(?i)(?<![\w/.-]){re.escape(word)}s?(?![\w/-]|\.\w)", text)}


@pytest.mark.parametrize("name", sorted(texts()))
def test_a_page_speaks_as_people_do(name: str) -> None:
    found = {(word, text.strip()) for text in texts()[name] for word in jargon(text)}
    assert {(word, text) for word, text in found if (name, word) not in MAY_STAND} == set()


def test_what_is_allowed_stands_there() -> None:
    shown = texts()
    assert all(any(word in jargon(text) for text in shown[name]) for name, word in MAY_STAND)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("page", '<p title="A websocket">x</p>'),
        ("page", "<p>{{ a }} no such endpoint {# b #}</p>"),
        ("script", "say(`The ${name} socket is closed`) // b"),
        ("script", "say('It wrote to stderr')"),
        ("program", "x = 'The payload is too large'"),
    ],
)
def test_a_word_of_a_builder_is_noticed(kind: str, text: str) -> None:
    found = {"page": lambda: Page(text).found, "script": lambda: sentences(text), "program": lambda: said(text)}[kind]()
    assert any(map(jargon, found))


@pytest.mark.parametrize("text", ["<script>socket</script>", "<p>{% if payload %}x{% endif %}</p>"])
def test_what_is_not_shown_is_no_word_of_a_page(text: str) -> None:
    assert not any(map(jargon, Page(text).found))
    assert not any(map(jargon, sentences("// a socket is closed\nconnect('websocket'); url('/api/socket')")))


def test_there_is_something_to_read() -> None:
    shown = texts()
    assert len(shown) > 30 and sum(map(len, shown.values())) > 300
    assert any("Open the desktop" in text for text in shown["index.html.j2"])
