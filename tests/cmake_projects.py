"""Projects of a few lines that call NativeLibrary.cmake, built by CMake alone."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import building

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PYPROJECT = """
[[tool.dynamic-metadata]]
provider = { path = "cmake", module = "native_library_metadata" }
libraries = { foo = "libfoo", bar = "libbar", Sodium = "native-sodium" }
"""
SOURCE = '__attribute__((visibility("default"))) int foo(void) { return 1; }\n'


def configure(
    folder: Path, lists: str, *options: str, fails: bool = False, env: dict[str, str] | None = None
) -> str:
    """Configure a project that consists of these lines, foo.c and what the folder has already.

    Returns:
        What CMake printed, with each run of white space as one space.
    """
    folder.mkdir(exist_ok=True)
    (folder / "foo.c").write_text(SOURCE, encoding="utf-8")
    (folder / "pyproject.toml").write_text(PYPROJECT, encoding="utf-8")
    module = building.SUPPORT / "NativeLibrary.cmake"
    (folder / "CMakeLists.txt").write_text(
        f"cmake_minimum_required(VERSION 3.25)\nproject(foo VERSION 1.2.3 LANGUAGES C)\n"
        f"include({module.as_posix()})\n{lists}\n",
        encoding="utf-8",
    )
    command = (building.tool("cmake"), "-G", "Ninja", "-S", folder, "-B", folder / "build")
    python = f"-DPython_EXECUTABLE={sys.executable}"
    said = building.run(*command, python, *options, fails=fails, env=env)
    return " ".join(said.split())


def write(folder: Path, texts: Mapping[str, str]) -> None:
    """Write files, by their paths below a folder."""
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def install(folder: Path) -> Path:
    """Build and install a configured project, and return the folder that is the wheel's root."""
    building.run(building.tool("cmake"), "--build", folder / "build")
    out = folder / "out"
    building.run(building.tool("cmake"), "--install", folder / "build", "--prefix", out)
    return out
