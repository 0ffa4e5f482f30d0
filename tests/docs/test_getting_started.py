"""Getting started, typed from the first line to the last: what is shown is what is printed."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import building
import docs_pages
import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the page shows Linux")

PAGE = building.ROOT / "docs" / "getting-started.md"


class Reader:
    """Types the commands of a page's sections, in a folder and, once it is made, an environment."""

    def __init__(self, folder: Path) -> None:
        self.text = PAGE.read_text("utf-8")
        self.folder = folder
        self.path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        self.typed = 0

    def read(self, heading: str) -> None:
        """Do all that a section says, in order."""
        for step in docs_pages.steps(docs_pages.section(self.text, heading)):
            if step.command:
                self.type(step.command, step.shown)
            else:
                docs_pages.write(self.folder / step.file, step.shown)

    def type(self, command: str, shown: str) -> None:
        """Type a command; where nothing is shown, it has to succeed, whatever it prints."""
        self.typed += 1
        if command.startswith("cd ") and "&&" not in command:
            self.folder = self.folder / command[3:]
            return
        said = command.replace("gh:org/native-lib-template", f"{building.ROOT} --default-config")
        env = {"PATH": self.path, "LC_ALL": "C.UTF-8"}
        fails = docs_pages.is_failure(command, shown)
        printed = building.run("sh", "-c", said, cwd=self.folder, env=env, fails=fails)
        if "activate" in command:
            self.path = os.pathsep.join([str(self.folder / ".venv" / "bin"), self.path])
        if command.startswith("ls"):  # columns, for people
            assert shown.split() == printed.split()
        elif shown:
            # The traceback's lines are shortened.
            shown = re.sub(r"^  …\n", "…\n", shown, flags=re.MULTILINE)
            assert docs_pages.is_as_shown(shown, printed), f"$ {command}\n{printed}"

    def edit(self, file: str, old: str, new: str) -> None:
        path = self.folder / file
        text = path.read_text("utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")


def test_two_wheels_a_release_and_an_error(tmp_path: Path) -> None:
    reader = Reader(tmp_path)
    reader.read("1. Two wheels that share a library")
    reader.read("2. How the consumer's build finds the provider")
    # `nox -s tests` made dist/ anew; its constraints are of another build.
    (reader.folder / "dist" / "constraints.txt").unlink()
    reader.read("3. Work on it: editable installs")
    reader.read("4. What to check in")
    reader.edit("libfoo/pyproject.toml", 'version = "1.0.0"', 'version = "1.1.0"')
    reader.read("6. Release a new version")
    reader.read("7. Break it once, on purpose")
    assert reader.typed > 20


def test_a_library_of_your_own(tmp_path: Path) -> None:
    reader = Reader(tmp_path)
    text = docs_pages.section(reader.text, "5. Your own library")
    steps = docs_pages.steps(text)
    commands = [step for step in steps if step.command]
    generate, enter, test, use = commands
    reader.type(generate.command, generate.shown)
    reader.type(enter.command, enter.shown)
    for step in steps:
        if step.file:
            docs_pages.write(reader.folder / step.file, step.shown)
    module = reader.folder / "tally-ext" / "src" / "_ext.c"
    c = module.read_text("utf-8")
    square = re.search(r"^static PyObject \*square\(.*?^}\n", c, re.MULTILINE | re.DOTALL)
    line = re.search(r'^ *\{"square", .*\},$', c, re.MULTILINE)
    ours = re.search(r'`(\{"add", [^`]*\},)`', text)
    assert square is not None
    assert line is not None
    assert ours is not None
    c = c.replace(square[0], docs_pages.block(text, "c", "PyLong_AsLong"))
    module.write_text(c.replace(line[0], "    " + ours[1]), encoding="utf-8")
    package = "tally-ext/python/tally_ext"
    reader.edit(f"{package}/__init__.py", "square", "add")
    stub = reader.folder / package / "_ext.pyi"
    written = re.sub(
        r"^def square.*$",
        "def add(amount: int) -> int: ...",
        stub.read_text("utf-8"),
        flags=re.MULTILINE,
    )
    stub.write_text(written, encoding="utf-8")
    tests = reader.folder / "tally-ext" / "tests" / "test_tally_ext.py"
    (asserted,) = re.findall(r"`(assert [^`]*)`", text)
    written = re.sub(r"assert extension\.square.*", asserted, tests.read_text("utf-8"))
    tests.write_text(written.replace("square", "add"), encoding="utf-8")
    reader.type(test.command, test.shown)
    docs_pages.write(reader.folder / "use.py", docs_pages.block(text, "python", "other_user"))
    reader.type(use.command, use.shown)
