"""Pages whose files and commands tests take from them: what is shown is what is tested."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import building

if TYPE_CHECKING:
    from collections.abc import Mapping

HOW_TO = building.ROOT / "docs" / "how-to"
_BLOCK = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
# `native-lib` from the sources, for pages that call it.
PYTHONPATH = str(building.ROOT / "loader" / "src")
# What a page shows of a command that fails; nothing else may.
_FAILURE = re.compile(
    r"^(?:Traceback |[\w.]+Error: |FAILURE: |error  |fetch_source\.py: )|; run: python "
    r"|\Ait is there after: "  # debug-an-import.md's who.py
    r"|\A0\n\Z",  # grep -c
    re.MULTILINE,
)


class Step(NamedTuple):
    """One thing that the reader does: save a file, or type a command and look at what it prints."""

    file: str
    command: str
    shown: str


def section(markdown: str, heading: str) -> str:
    """Return what stands below a heading, down to the next one of its level or above."""
    found = re.search(rf"^(#+) {re.escape(heading)}$", markdown, re.MULTILINE)
    assert found, heading
    rest = _BLOCK.sub(_without_hashes, markdown[found.end() :])
    following = re.search(rf"^#{{1,{len(found[1])}}} ", rest, re.MULTILINE)
    return markdown[found.end() :][: following.start() if following else None]


def _without_hashes(block: re.Match[str]) -> str:
    """Return a code block in which no line looks like a heading, of the same length."""
    return block[0].replace("#", "-")


def steps(markdown: str) -> list[Step]:
    """Return the files (a path in code and a colon above a block) and the commands of a page."""
    found = []
    blocks = r"(?:^`([^`\n]+)`:\n\n)?^```(\w+)\n(.*?)^```$"
    commands = r"^\$ (.*(?:(?<=\\)\n.*)*)\n((?:(?!\$ ).*\n)*)"
    for file, language, text in re.findall(blocks, markdown, re.MULTILINE | re.DOTALL):
        if language == "console":
            for command, shown in re.findall(commands, text, re.MULTILINE):
                found.append(Step("", command, shown))
        elif file:
            found.append(Step(file, "", text))
    return found


def block(markdown: str, language: str, containing: str) -> str:
    """Return the one code block of a page that has a text in it."""
    blocks = re.findall(rf"^```{language}\n(.*?)^```$", markdown, re.MULTILINE | re.DOTALL)
    (found,) = (text for text in blocks if containing in text)
    return str(found)


def save(markdown: str, folder: Path) -> list[str]:
    """Write a page's files below a folder, and return their names."""
    names = []
    for step in steps(markdown):
        if step.file:
            write(folder / step.file, step.shown)
            names.append(step.file)
    return names


def write(file: Path, text: str) -> None:
    """Write a file, and the folders that it lies in."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


def is_as_shown(shown: str, printed: str) -> bool:
    """Whether a command printed what is shown: a line of … stands for any lines, … for any text."""
    pattern = re.escape(shown).replace("\\…", "…")
    pattern = re.sub(r"^…\\?\n", "(?:.*\\\\n)*?", pattern, flags=re.MULTILINE)
    return re.fullmatch(pattern.replace("…", ".*?"), printed) is not None


def is_failure(command: str, shown: str) -> bool:
    """Whether a page shows that a command fails; of a failure in a pipe, its last program is asked."""
    return "2>&1 |" not in command and _FAILURE.search(shown) is not None


def play(
    markdown: str,
    folder: Path,
    *programs: Path,
    env: Mapping[str, str] | None = None,
    replace: Mapping[str, str] | None = None,
) -> int:
    """Do all that a page says, in a folder, and return how many commands that were.

    Args:
        markdown: the page, or a part of it.
        folder: where it begins.
        programs: folders of programs that come before all others.
        env: what to add to the environment.
        replace: what commands say, and what is run for it.

    Raises:
        AssertionError: a command printed something else than the page shows, or failed where the page
            does not show that it does, or the other way round.
    """
    here = Path(sys.executable).parent
    path = os.pathsep.join([*map(str, programs), str(here), os.environ["PATH"]])
    told = {"PATH": path, "LC_ALL": "C.UTF-8", **(env or {})}
    words = {"native-lib ": f"PYTHONPATH={PYTHONPATH} {sys.executable} -m native_lib "}
    count = 0
    for step in steps(markdown):
        if step.file:
            write(folder / step.file, step.shown)
            continue
        count += 1
        if step.command.startswith("cd "):
            folder = folder / step.command[3:]
            continue
        command = step.command
        for old, new in {**(replace or {}), **words}.items():
            parts = re.split(rf"(?<![\w./-]){re.escape(old)}", command)
            command = new.join(parts)
        fails = is_failure(step.command, step.shown)
        printed = building.run("sh", "-c", command, cwd=folder, env=told, fails=fails)
        assert is_as_shown(step.shown, printed), f"$ {step.command}\n{printed}"
    return count
