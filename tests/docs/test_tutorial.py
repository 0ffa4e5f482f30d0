"""The tutorial's commands do what the page shows, in an empty folder."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import building
import pytest
from docs_pages import is_as_shown, is_failure, steps

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the page shows Linux")

PAGE = building.ROOT / "docs" / "how-to" / "wrap-a-library.md"


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
        command = step.command.replace(
            "gh:org/native-lib-template", f"{building.ROOT} --default-config"
        )
        env = {"PATH": path, "LC_ALL": "C.UTF-8"}
        fails = is_failure(step.command, step.shown)
        printed = building.run("sh", "-c", command, cwd=folder, env=env, fails=fails)
        assert is_as_shown(step.shown, printed), f"$ {step.command}\n{printed}"


def test_a_different_output_is_found() -> None:
    assert is_as_shown("a\n…\nb …c\n", "a\nx\ny\nb 12c\n")
    assert not is_as_shown("a\n", "b\n")
    assert not is_as_shown("a\n", "a\nb\n")
    assert not is_as_shown("…/x 5\n", "/y/x 6\n")
