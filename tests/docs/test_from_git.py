"""docs/how-to/from-git.md: pip installs from a repository, which here is one on this machine."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING

import building
import docs_pages
import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or not shutil.which("git"), reason="the page shows Linux, with git"
)

PAGE = (docs_pages.HOW_TO / "from-git.md").read_text("utf-8")
URL = "https://github.com/org/foo-wheels"


def publish(project: Path, folder: Path) -> dict[str, str]:
    """Commit a pair in a repository that git takes for GitHub's, and return the environment for that."""
    bare = folder / "foo-wheels.git"
    settings = folder / "gitconfig"
    # An address with .git at its end is another one for pip, and the same repository.
    settings.write_text(
        f'[user]\nname = x\nemail = x@example.org\n[url "{bare.as_uri()}"]\ninsteadOf = {URL}\n'
        "[protocol.file]\nallow = always\n",
        encoding="utf-8",
    )
    env = {"GIT_CONFIG_GLOBAL": str(settings), "GIT_CONFIG_NOSYSTEM": "1"}
    git(project, env, "init", "--quiet", "--initial-branch=main")
    git(project, env, "add", "--all")
    git(project, env, "commit", "--quiet", "--message=x")
    for tag in ("libfoo-v1.0.0", "foo-ext-v1.0.0"):
        git(project, env, "tag", tag)
    git(folder, env, "clone", "--quiet", "--bare", str(project), str(bare))
    return env


def git(folder: Path, env: Mapping[str, str], *arguments: str) -> None:
    building.run("git", *arguments, cwd=folder, env=env)


def with_pip(folder: Path) -> building.Environment:
    """Make an environment with the newest pip that can be had."""
    building.uv("venv", "--quiet", "--seed", "--python", sys.executable, folder)
    return building.Environment(folder)


def test_provider_and_consumer(tmp_path: Path) -> None:
    settings = publish(building.generate(tmp_path / "source"), tmp_path)
    env = with_pip(tmp_path / "env")
    told = docs_pages.section(PAGE, "Provider and consumer").partition("\n### ")[0]
    # Each command has a shell of its own.
    variables = {
        name: str(tmp_path / "constraints.txt")
        for name in ("PIP_CONSTRAINT", "PIP_BUILD_CONSTRAINT")
        if f"{name}=$PWD/constraints.txt" in told
    }
    assert len(variables) == 2
    count = docs_pages.play(told, tmp_path, env.python.parent, env={**settings, **variables})
    assert count == 4


def test_provider_that_wraps_upstream(tmp_path: Path) -> None:
    project = building.generate(tmp_path / "source", library_source="upstream")
    archive = building.upstream_archive(tmp_path)
    building.fetch_upstream(project / "libfoo", archive)
    settings = publish(project, tmp_path)
    env = building.new_environment(tmp_path / "env")
    # For speed; what stops the build is not pip.
    install = f"{building.tool('uv')} pip install --quiet --python {env.python}"
    what = f"libfoo @ git+{URL}@main#subdirectory=libfoo"
    said = building.run(*install.split(), what, env=settings, fails=True)
    told = docs_pages.section(PAGE, "A provider that wraps upstream")
    # uv breaks long lines, and where it does depends on what it takes for a terminal's width.
    shown = " ".join(docs_pages.block(told, "text", "fetch_source.py").split())
    assert docs_pages.is_as_shown(f"…{shown}…", " ".join(said.split())), said
    replace = {"pip install --quiet": install}
    docs_pages.play(told, tmp_path, env.python.parent, env=settings, replace=replace)
    assert env.run("import libfoo; print(libfoo.loader.load()[0].origin)") == "wheel\n"
