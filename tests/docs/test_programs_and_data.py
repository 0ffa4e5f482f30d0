"""docs/how-to/programs-and-data.md: its files, put into a generated provider, and its commands."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

import building
import docs_pages
import pytest

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="shows Linux's paths")

# Blocks of lists begin at the margin, as all others.
PAGE = re.sub(
    r"^   ", "", (docs_pages.HOW_TO / "programs-and-data.md").read_text("utf-8"), flags=re.MULTILINE
)


def test_page(tmp_path: Path) -> None:
    project = building.generate(tmp_path) / "libfoo"
    docs_pages.save(PAGE, project)
    (project / "share").mkdir()
    (project / "share" / "words.txt").write_text("some words\n", encoding="utf-8")
    program = docs_pages.block(PAGE, "cmake", "add_executable").partition("native_library_prov")[0]
    lists = project / "CMakeLists.txt"
    text, count = re.subn(
        r"^native_library_provider\(.*?^\)$",
        program + docs_pages.block(PAGE, "cmake", "DATA_ENV"),
        lists.read_text("utf-8"),
        flags=re.MULTILINE | re.DOTALL,
    )
    assert count == 1
    lists.write_text(text, encoding="utf-8")
    settings = project / "pyproject.toml"
    scripts = docs_pages.block(PAGE, "toml", "[project.scripts]")
    settings.write_text(f"{settings.read_text('utf-8')}\n{scripts}", encoding="utf-8")
    env = building.new_environment(tmp_path / "env", building.build(project, tmp_path / "dist"))
    assert docs_pages.play(_without_files(PAGE), tmp_path, env.python.parent) == 4

    user = tmp_path / "user"
    block = docs_pages.block(PAGE, "cmake", "find_package(foo")
    docs_pages.write(
        user / "CMakeLists.txt",
        f"cmake_minimum_required(VERSION 3.25)\nproject(user NONE)\n{block}"
        "add_custom_target(all_of_it ALL DEPENDS nine.txt)\n",
    )
    cmake, root = building.tool("cmake"), env.site_packages / "libfoo"
    building.run(cmake, "-G", "Ninja", "-S", user, "-B", user / "build", f"-Dfoo_ROOT={root}")
    building.run(cmake, "--build", user / "build")
    assert (user / "build" / "nine.txt").read_text("utf-8") == "9\n"


def _without_files(page: str) -> str:
    return re.sub(r"^`src/[^\n]*:$", "", page, flags=re.MULTILINE)
