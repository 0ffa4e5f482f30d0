"""The tutorial's commands do what the page shows, in an empty folder."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import NamedTuple

import lab
import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the page shows Linux")

PAGE = lab.ROOT / "docs" / "how-to" / "wrap-a-library.md"


class Step(NamedTuple):
    """One thing that the reader does: save a file, or type a command and look at what it prints."""

    file: str
    command: str
    shown: str


def steps(markdown: str) -> list[Step]:
    """Return the files (a path in code and a colon above a block) and the commands of a page."""
    found = []
    blocks = r"(?:^`([^`\n]+)`:\n\n)?^```(\w+)\n(.*?)^```$"
    for file, language, text in re.findall(blocks, markdown, re.MULTILINE | re.DOTALL):
        if file and language != "console":
            found.append(Step(file, "", text))
        elif language == "console":
            for command, shown in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", text, re.MULTILINE):
                found.append(Step("", command, shown))
    return found


def is_as_shown(shown: str, printed: str) -> bool:
    """Whether a command printed what a page shows: a line of … stands for any lines, … for any text."""
    pattern = re.escape(shown).replace("\\…", "…")
    pattern = re.sub(r"^…\\?\n", "(?:.*\\\\n)*?", pattern, flags=re.MULTILINE)
    return re.fullmatch(pattern.replace("…", ".*?"), printed) is not None


def test_every_command_prints_what_is_shown(tmp_path: Path) -> None:
    todo = steps(PAGE.read_text("utf-8"))
    assert len([step for step in todo if step.command]) > 15
    assert len([step for step in todo if step.file]) == 5
    folder = tmp_path
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    for step in todo:
        if step.file:
            file = folder / step.file
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(step.shown, encoding="utf-8")
            continue
        if step.command.startswith("cd "):
            folder = folder / step.command[3:]
            continue
        command = step.command.replace("gh:org/native-lib-template", f"{lab.ROOT} --default-config")
        env = {"PATH": path, "LC_ALL": "C.UTF-8"}
        # Some are shown to fail; what they print tells.
        printed = lab.run("sh", "-c", f"{{ {command}; }} || :", cwd=folder, env=env)
        assert is_as_shown(step.shown, printed), f"$ {step.command}\n{printed}"


def test_a_different_output_is_found() -> None:
    assert is_as_shown("a\n…\nb …c\n", "a\nx\ny\nb 12c\n")
    assert not is_as_shown("a\n", "b\n")
    assert not is_as_shown("a\n", "a\nb\n")
    assert not is_as_shown("…/x 5\n", "/y/x 6\n")
