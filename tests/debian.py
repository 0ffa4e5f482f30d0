"""What the scripts in tests/machines make of Debian's packages: other Pythons, other machines."""

from __future__ import annotations

import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

MACHINES = Path(__file__).parent / "machines"


@cache
def make(script: str, *words: str) -> tuple[Path | None, str]:
    """Run a script that makes something once: the path that it prints, or None and why there is none.

    It looks after several calls at once by itself.
    """
    if not sys.platform.startswith("linux") or not shutil.which("apt-get"):
        return None, f"tests/machines/{script} makes it, on Debian or Ubuntu"
    done = subprocess.run(
        [str(MACHINES / script), *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    last = done.stdout.strip().rpartition("\n")[2]
    return (Path(last), "") if done.returncode == 0 else (None, last)
