"""Projects that follow the template with cruft."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import lab
import pytest

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="git is not installed")

AUTHOR = {f"GIT_{who}_{what}": "x" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


def commit(folder: Path) -> None:
    for command in (("init", "-q"), ("add", "--all"), ("commit", "-qm", "x")):
        lab.run("git", *command, cwd=folder, env=AUTHOR)


def test_create_check_and_update(tmp_path: Path) -> None:
    source = tmp_path / "source"
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(lab.ROOT / "template", source / "template", ignore=ignore)
    commit(source)
    cruft = lab.tool("cruft")
    template = ("--directory", "template", "--no-input", "--default-config")
    lab.run(cruft, "create", source.as_uri(), *template, cwd=tmp_path)
    pair = tmp_path / "foo-wheels"
    assert json.loads((pair / ".cruft.json").read_text("utf-8"))["directory"] == "template"
    commit(pair)
    lab.run(cruft, "check", cwd=pair)

    (file,) = source.rglob("noxfile.py")
    file.write_text(f"# changed\n{file.read_text('utf-8')}", encoding="utf-8")
    commit(source)
    lab.run(cruft, "check", cwd=pair, fails=True)
    lab.run(cruft, "update", "--skip-apply-ask", cwd=pair, env=AUTHOR)
    assert (pair / "noxfile.py").read_text("utf-8").startswith("# changed\n")
