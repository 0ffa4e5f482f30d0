"""A uv workspace of a provider and its consumer: what is stale is told, and the advice helps."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from typing import TYPE_CHECKING

import building
import pytest

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

ROOT = """
[project]
name = "workspace"
version = "1"
requires-python = ">=3.9"
dependencies = ["foo-ext"]
[tool.uv.workspace]
members = ["libfoo", "foo-ext"]
[tool.uv.sources]
foo-ext = { workspace = true }
"""
# Also for the build: foo-ext asks for libfoo as a build requirement.
SOURCES = "\n[tool.uv.sources]\nlibfoo = { workspace = true }\n"


@pytest.fixture
def workspace(pair: building.Pair, tmp_path: Path) -> building.Environment:
    """The default pair's projects in a workspace, whose environment has both as editable installs."""
    folder = tmp_path / "workspace"
    for name in ("libfoo", "foo-ext"):
        shutil.copytree(pair.folder / name, folder / name)
    (folder / "pyproject.toml").write_text(ROOT, encoding="utf-8")
    with (folder / "foo-ext" / "pyproject.toml").open("a", encoding="utf-8") as file:
        file.write(SOURCES)
    sync(folder, "--python", sys.executable)
    return building.Environment(folder / ".venv")


def sync(folder: Path, *arguments: str) -> None:
    building.uv("sync", "--quiet", "--directory", folder, *arguments)


def test_consumer_that_is_stale_is_to_be_built_again(workspace: building.Environment) -> None:
    folder = workspace.folder.parent
    assert workspace.run(building.SQUARE) == "9.0\n"
    manifest = workspace.site_packages / "libfoo" / "_native_libs.py"
    building.edit(manifest, 'VERSION = "1.0.0"', 'VERSION = "0.9.0"')
    # An older provider is to be updated.
    assert '"libfoo>=1.0.0,<2"\n' in workspace.run(building.SQUARE, fails=True)
    building.edit(manifest, 'VERSION = "0.9.0"', 'VERSION = "1.0.0"')
    building.edit(folder / "libfoo" / "pyproject.toml", 'version = "1.0.0"', 'version = "2.0.0"')
    sync(folder)
    said = workspace.run(building.SQUARE, fails=True)
    assert "needs libfoo>=1.0.0,<2, but 2.0.0 is installed" in said
    fix = said.splitlines()[-1].split(None, 1)[1]
    assert fix.startswith("build foo-ext again, against libfoo 2.0.0: in a uv workspace with `uv ")
    assert fix.endswith(f' --no-build-isolation -e "{(folder / "foo-ext").as_uri()}"')
    advice = re.search(r"`uv sync (.*)`", fix)
    assert advice is not None
    sync(folder, *shlex.split(advice[1]))
    code = f"import foo_ext{building.MAPPED}print(foo_ext.square(3), *mapped('__foo'))"
    library = workspace.site_packages / "libfoo" / "lib" / "libfoo__foo.so.2"
    assert workspace.run(code) == f"9.0 {library}\n"
