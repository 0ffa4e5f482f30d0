"""How Sphinx builds the docs: `nox -s docs`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pygments.lexer import RegexLexer
from pygments.token import Generic, Text

if TYPE_CHECKING:
    from sphinx.application import Sphinx

project = "native-lib-template"
author = f"the authors of {project}"
extensions = ["myst_parser"]
exclude_patterns = ["_build"]

html_theme = "furo"
html_title = project
html_copy_source = False

# Headings get the anchors that GitHub gives them, so a link works here and there.
myst_heading_anchors = 6
# `…` stands for what was left out, in any language.
suppress_warnings = ["misc.highlighting_failure"]


class Console(RegexLexer):
    """Commands and what they print, where `#` begins no command, unlike in Pygments' own lexer."""

    name = "Console"
    aliases = ("console",)
    tokens = {  # noqa: RUF012, as Pygments wants it
        "root": [(r"\$ ", Generic.Prompt, "command"), (r".*\n", Generic.Output)],
        "command": [(r".*\\\n", Text), (r".*\n", Text, "#pop")],
    }


def setup(app: Sphinx) -> None:
    """Add what only this project has."""
    app.add_lexer("console", Console)
