"""The commands that README and guide tell a person to type, as they stand there."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from spec.here import ROOT

DOCUMENTS = ("README.md", "docs/guide.md")

_FENCED = re.compile(r"(?ms)^( *)```(\w*)\n(.*?)^\1```$")
_COMMENT = re.compile(r"(?:^|\s+)#\s.*$")


@dataclass(frozen=True, kw_only=True)
class Block:
    """What stands between two fences of `document`."""

    document: str
    text: str

    @property
    def first(self) -> str:
        """Its first line, by which it is named."""
        return self.text.splitlines()[0]

    def commands(self) -> list[str]:
        """Its lines without comments and empty ones."""
        lines = (_COMMENT.sub("", line).rstrip() for line in self.text.splitlines())
        return [line for line in lines if line]


def blocks(document: str) -> Iterator[Block]:
    """The fenced blocks of `document`, those in lists as well."""
    for indent, _, text in _FENCED.findall((ROOT / document).read_text(encoding="utf-8")):
        yield Block(document=document, text=textwrap.dedent(text) if indent else text)


def block(document: str, first: str) -> str:
    """The text of the one block of `document` that is `first`, or begins with it.

    Fails the test when there is none, or another.
    """
    texts = dict.fromkeys(one.text for one in blocks(document))
    (found,) = [first] if first in texts else [text for text in texts if text.startswith(first)]
    return found


def filled(text: str, values: Mapping[str, str]) -> str:
    """`text` with a person's own values for its names. Fails the test for a name that is not there."""
    for name, value in values.items():
        assert name in text, (name, text)
        text = text.replace(name, value)
    return text
