"""What the figures were taken on: the machine, the Pythons, the versions of the tools."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

import building
from benchmarks.report import Table

if TYPE_CHECKING:
    from collections.abc import Iterable

NOT_TOLD = "not told"
TOOLS = ("cookiecutter", "build", "pip", "uv", "scikit-build-core")


def facts(pythons: Iterable[str]) -> dict[str, str]:
    """Return what a reader must know to compare figures."""
    load = f"{os.getloadavg()[0]:.2f}" if hasattr(os, "getloadavg") else NOT_TOLD
    return {
        "processor": f"{os.cpu_count()} x {_processor()}",
        "system": f"{platform.platform()}, {' '.join(platform.libc_ver()).strip() or 'no libc'}",
        "compiler": _first_line("cc", "--version"),
        "Pythons": ", ".join(pythons),
        "tools": ", ".join(f"{name} {_version(name)}" for name in TOOLS),
        "commit": _commit(),
        "load at start": load,
    }


def table(told: dict[str, str]) -> Table:
    """Return the facts as a table."""
    return Table("Machine", "What the figures hold for.", ("fact", "here"), tuple(told.items()))


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _commit() -> str:
    """Return the commit measured, and whether the tree had changes on top of it."""
    git = ("git", "-C", str(building.ROOT))
    commit = _first_line(*git, "rev-parse", "--short", "HEAD")
    changed = _first_line(*git, "status", "--porcelain", "--", "loader", "template")
    return f"{commit}, with changes" if changed not in ("", NOT_TOLD) else commit


def _first_line(*command: str) -> str:
    """Return what a command prints first; not every machine has it, nor every copy a history."""
    try:
        return "".join(building.run(*command).splitlines()[:1])
    except (OSError, building.CommandError):
        return NOT_TOLD
