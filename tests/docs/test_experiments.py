"""The experiments print what the pages show."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import building
import pytest
from docs_pages import is_as_shown, steps
from platforms.wine import Wine, windows_path

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="the pages show glibc's messages"
)

DOCS = building.ROOT / "docs"
SHOWN = {
    step.command.split()[-1]: step.shown
    for page in sorted((DOCS / "explanation").glob("*.md"))
    for step in steps(page.read_text("utf-8"))
    if step.command.startswith("python docs/experiments/") and step.command.endswith(".py")
}
WINDOWS = "docs/experiments/add_dll_directory.py"


@pytest.mark.parametrize("experiment", sorted(SHOWN))
def test_experiment_prints_what_is_shown(experiment: str) -> None:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    # Their folder has nothing that a build of the docs should meet.
    env = {"PATH": path, "LC_ALL": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"}
    printed = building.run("python", experiment, cwd=building.ROOT, env=env)
    assert is_as_shown(SHOWN[experiment], printed), printed


def test_experiment_for_windows(
    wine: Callable[[str], Wine], built: Callable[[str, str], Path]
) -> None:
    (shown,) = (
        step.shown
        for step in steps((DOCS / "explanation" / "alternatives.md").read_text("utf-8"))
        if step.command == f"python {WINDOWS} SITE"
    )
    site = built("windows-x86_64", "c")
    experiment, folder = windows_path(building.ROOT / WINDOWS), windows_path(site)
    code = f"sys.argv[1:] = [{folder!r}]; import runpy; runpy.run_path({experiment!r})"
    printed = wine("3.13").run(code)
    assert is_as_shown(shown, printed), printed


def test_every_experiment_is_shown() -> None:
    there = {str(file.relative_to(building.ROOT)) for file in (DOCS / "experiments").glob("*.py")}
    assert there - {"docs/experiments/experiment.py", WINDOWS} == set(SHOWN)
