"""PyInstaller for Windows, under Wine, freezes the cross-built pair without an option."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING, Callable

import building
import pytest
from platforms.test_windows import LOADED, Built
from platforms.wine import Wine, windows_path

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = f"{LOADED}\nimport foo_ext\nprint(foo_ext.square(3), loaded('libfoo__foo-1.dll'))\n"
ENTRY_POINT = "[pyinstaller40]\nhook-dirs = libfoo._pyinstaller:hook_dirs\n"


def test_pyinstaller(
    request: pytest.FixtureRequest, wine: Callable[[str], Wine], built: Built, tmp_path: Path
) -> None:
    if not request.config.getoption("--slow-freezers"):
        pytest.skip("PyInstaller takes a minute under Wine: nox -s freezers")
    windows = wine("3.13")
    site, python = tmp_path / "site", tmp_path / "python"
    building.uv(
        *("pip", "install", "--quiet", "--target", site, "--python-version", "3.13"),
        *(
            "--python-platform",
            "x86_64-pc-windows-msvc",
            "--only-binary",
            ":all:",
            "pyinstaller>=6",
        ),
    )
    for name in ("libfoo", "foo_ext"):
        shutil.copytree(built("windows-x86_64", "c") / name, site / name)
    # What a wheel's metadata would say: PyInstaller finds the hook by it.
    info = site / "libfoo-1.0.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: libfoo\nVersion: 1.0.0\n", "utf-8")
    (info / "entry_points.txt").write_text(ENTRY_POINT, encoding="utf-8")
    # The embeddable Python ignores PYTHONPATH, also in the processes that PyInstaller starts.
    shutil.copytree(windows.python.parent, python)
    (paths,) = python.glob("*._pth")
    paths.write_text(f"python313.zip\n.\n{windows_path(site)}\n", encoding="utf-8")
    (tmp_path / "program.py").write_text(PROGRAM, encoding="utf-8")
    replace(windows, python=python / windows.python.name).run(
        f"import os; os.chdir({windows_path(tmp_path)!r})\n"
        "from PyInstaller.__main__ import run; run(['program.py'])"
    )
    shutil.rmtree(site)
    shutil.rmtree(python)
    program = tmp_path / "dist" / "program"
    env = {"WINEPREFIX": str(windows.prefix), "WINEDEBUG": "-all"}
    said = building.run(*windows.program, program / "program.exe", env=env, stderr=subprocess.PIPE)
    library = program / "_internal" / "libfoo" / "lib" / "libfoo__foo-1.dll"
    assert said.split() == ["9.0", windows_path(library)]
