"""Run this repository's own workflows on this machine, as far as it can; workflows.py does the work."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import building
import workflows

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FOLDER = building.ROOT / ".github" / "workflows"
# .gitignore's, and what git keeps for itself.
NOT_COMMITTED = (
    *(".git", ".venv", ".nox", ".*_cache", "__pycache__", "_build", "build", "dist"),
    *("upstream", "upstream.part-*", "wheelhouse"),
)
# What noxfile.py's lists of platforms and Pythons become: what this machine and its container have.
HERE = {
    r"^PLATFORMS = \{\n(?: .*\n)*\}\n": (
        'PLATFORMS = {"manylinux-x86_64": {"runner": "ubuntu-24.04", "tag": "manylinux*_x86_64"}}\n'
    ),
    r"^OLDEST, NEWEST, NO_GIL = .*\n": 'OLDEST, NEWEST, NO_GIL = "3.11", "3.13", []\n',
}
# The steps of our workflows that are not run here, by a part of what they run.
NOT_HERE = {
    "bash .ci/run": "it runs this test",
    "nox -s docs": "a test in this run builds them",
    "nox -s tests -- ": "these tests are in the run that this test is in",
    "nox -s newest_upstream": "asks upstream's servers; a unit test has one of its own",
    "nox -s wheels": "it is packages.yml's sdists, wheels, check and installed, which are run, in one",
}
# The jobs whose condition is not met here.
SKIPPED = {
    "published": "a release needs upstream's own servers; a test runs `nox -s published`",
    "publish": "publishes",
    "propose": "pushes, and opens a pull request; a test runs its script with a `gh` of its own",
}
AGAIN = "was run with this Python"


class WhyNot:
    """Says why a step of our workflows is not run here; nothing if it is."""

    def __init__(self) -> None:
        self._run: set[tuple[str, str, str]] = set()

    def __call__(self, job: str, step: Mapping[str, Any], python: str) -> str:
        """Return the reason."""
        what = step.get("run", "")
        if "$PLATFORM" in what or not what:
            return ""
        if (job, what, python) in self._run:
            return AGAIN
        self._run.add((job, what, python))
        return next((reason for part, reason in NOT_HERE.items() if part in what), "")


@dataclass(frozen=True)
class Finished:
    """What running one of our workflows did."""

    folder: Path
    steps: tuple[workflows.Step, ...]

    def artifacts(self) -> dict[str, list[Path]]:
        """Return the uploaded files by their artifact's name."""
        folders = (self.folder / "artifacts").iterdir()
        return {path.name: sorted(path.iterdir()) for path in folders}


def check_out(folder: Path) -> Path:
    """Put into a folder what a checkout of this repository gives, with the lists of what is had here."""
    ignored = shutil.ignore_patterns(*NOT_COMMITTED)
    shutil.copytree(building.ROOT, folder, dirs_exist_ok=True, ignore=ignored)
    noxfile = folder / "noxfile.py"
    text = noxfile.read_text("utf-8")
    for pattern, here in HERE.items():
        text, changed = re.subn(pattern, here, text, flags=re.MULTILINE)
        assert changed == 1
    noxfile.write_text(text, encoding="utf-8")
    return folder


def run(name: str, project: Path, folder: Path, environment: Mapping[str, str]) -> Finished:
    """Run the Linux jobs of a workflow over a checkout.

    Args:
        name: packages for packages.yml.
        project: the checkout.
        folder: where to do it.
        environment: what to add to each step's.

    Raises:
        workflows.WorkflowError: a step failed.
    """
    env = {
        **environment,
        **workflows.decoys(
            environment,
            folder,
            dict.fromkeys(("native-zlib", "native-libpng", "native-sodium"), "99.0"),
        ),
        # Seconds, where virtualenv and pip take minutes.
        "NOX_DEFAULT_VENV_BACKEND": "uv",
        "UV": building.tool("uv"),
    }
    made = workflows.Run(project, folder / "run", env, WhyNot(), SKIPPED)
    made.workflow(FOLDER / f"{name}.yml")
    return Finished(folder / "run", tuple(made.steps))
