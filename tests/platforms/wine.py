"""Run a Windows CPython under Wine."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

import building

if TYPE_CHECKING:
    from pathlib import Path


def windows_path(path: Path) -> str:
    """Return a path of this machine as Wine's programs name it."""
    return "Z:" + str(path).replace("/", "\\")


@dataclass(frozen=True)
class Wine:
    """The command for Wine, a Windows python.exe, and the folder where Wine keeps its C: drive."""

    program: tuple[str, ...]
    python: Path
    prefix: Path

    @property
    def is_machines_own(self) -> bool:
        """Whether it is the machine's own Wine, of whatever version."""
        return self.program == ("wine",)

    def run(self, code: str, *paths: Path, fails: bool = False, **env: str) -> str:
        """Run code with these folders on sys.path, and return all that Python printed.

        The embeddable Python ignores PYTHONPATH.
        Wine's services inherit the stderr of the program that happens to start them, and report their
        own faults there for as long as they live: what Python says comes by stdout.
        """
        folders = [windows_path(path) for path in paths]
        said = building.run(
            *self.program,
            *(self.python, "-X", "utf8", "-c"),
            f"import sys; sys.stderr = sys.stdout; sys.path[:0] = {folders!r}\n{code}",
            env={
                "WINEPREFIX": str(self.prefix),
                "WINEDEBUG": "-all",
                # No dialog about what Wine could install.
                "WINEDLLOVERRIDES": "mscoree=;mshtml=",
                "LC_ALL": "C.UTF-8",
                **env,
            },
            fails=fails,
            stderr=subprocess.PIPE,
        )
        return said.replace("\r\n", "\n")
