"""loader/README.md, followed from its first line to its last by a project without the template."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import building
import docs_pages
import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the page shows Linux")

LOADER = building.ROOT / "loader"
PUBLISHED = "git+https://github.com/org/native-lib-template#subdirectory=loader"


def test_every_step_prints_what_is_shown(tmp_path: Path) -> None:
    text = (LOADER / "README.md").read_text("utf-8")
    assert PUBLISHED in text
    # As the activation of the environment sets it for the commands after it.
    path = [str(tmp_path / ".venv" / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]]
    env = {"PATH": os.pathsep.join(path), "LC_ALL": "C.UTF-8"}
    typed = 0
    for step in docs_pages.steps(text):
        if step.file:
            docs_pages.write(tmp_path / step.file, step.shown)
            continue
        typed += 1
        command = step.command.replace(PUBLISHED, LOADER.as_uri())
        printed = building.run("sh", "-c", command, cwd=tmp_path, env=env)
        # Where nothing is shown, it has to succeed, whatever it prints.
        assert not step.shown or docs_pages.is_as_shown(step.shown, printed), (
            f"$ {command}\n{printed}"
        )
    assert typed > 8
