"""What the docs say about a rule; `rules.md` here is a copy of docs/reference/rules.md."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from native_lib.check.choose import rule_named

_PAGE = Path(__file__).with_name("rules.md")
_URL = "https://github.com/org/native-lib-template/blob/main/docs/reference/rules.md"


@dataclass(frozen=True)
class Explanation:
    """A rule's part of the page.

    Attributes:
        severity: its severity; that of a single finding may be lower.
        summary: what is wrong, in a few words.
        markdown: why it is a rule, and how to fix what it finds.
        url: where that is on the web.
    """

    severity: str
    summary: str
    markdown: str
    url: str

    @property
    def text(self) -> str:
        """The Markdown without links."""
        return _plain(self.markdown)


def explanation(name: str) -> Explanation:
    """Return what the docs say about a rule.

    Raises:
        ChoiceError: there is none of that name.
    """
    rule = rule_named(name)
    page = _page()
    row = re.search(rf"^\| \[`{name}`\]\(#{name}\) \| \w+ \| (.+) \|$", page, re.MULTILINE)
    part = re.search(rf"^### {name}\n(.+?)(?=^#|\Z)", page, re.MULTILINE | re.DOTALL)
    assert row, name
    assert part, name
    return Explanation(rule.severity, _plain(row[1]), part[1].strip(), f"{_URL}#{name}")


def explain(name: str) -> str:
    """Return, for a person, what the docs say about a rule.

    Raises:
        ChoiceError: there is none of that name.
    """
    told = explanation(name)
    return f"{name} ({told.severity}): {told.summary}\n\n{told.text}\n\n{told.url}"


@cache
def _page() -> str:
    return _PAGE.read_text(encoding="utf-8")


def _plain(markdown: str) -> str:
    return re.sub(r"\[([^]]+)\]\([^)]+\)", r"\1", markdown)
