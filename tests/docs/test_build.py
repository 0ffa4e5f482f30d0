"""The docs build without a warning, and a reader's browser fetches nothing from elsewhere."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

import building
import pytest

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("furo", reason="requires Sphinx and furo; `nox -s tests` installs them")


def fetched(html: str) -> list[str]:
    """Return what a browser gets from other places to show a page."""
    tags = re.findall(r"<(?:link|script|img|iframe|source)\b[^>]*>", html)
    return [tag for tag in tags if re.search(r'\b(?:src|href)="(?:https?:)?//', tag)]


def test_docs_build_without_a_warning(tmp_path: Path) -> None:
    sphinx = [sys.executable, "-m", "sphinx", "-n", "-W", "--keep-going", "-q"]
    out = tmp_path / "html"
    building.run(*sphinx, "-d", tmp_path / "doctrees", building.ROOT / "docs", out)
    pages = {page.relative_to(out): page.read_text("utf-8") for page in out.rglob("*.html")}
    assert len(pages) > 30
    assert {name: fetched(html) for name, html in pages.items() if fetched(html)} == {}
    styles = [style.read_text("utf-8") for style in (out / "_static").rglob("*.css")]
    assert [
        style for style in styles if re.search(r"(?:@import|url\()\s*['\"]?(?:https?:)?//", style)
    ] == []


def test_what_is_fetched_is_found() -> None:
    script = '<script src="https://example.org/x.js"></script>'
    assert fetched(f'<a href="https://example.org">x</a><img src="_images/x.svg">{script}') == [
        '<script src="https://example.org/x.js">'
    ]
