"""A problem, and what several of the modules that find problems need."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from native_lib.check.binary import CorruptBinaryError
from native_lib.check.read import read_binary

if TYPE_CHECKING:
    from collections.abc import Iterator

    from native_lib.check.binary import Binary
    from native_lib.check.wheel import Library, Wheel
    from native_lib.doctor.installed import Environment


@dataclass(frozen=True)
class Problem:
    """Something that is wrong, or worth knowing.

    Attributes:
        severity: ERROR, WARNING or NOTE.
        id: the kind of problem.
        distribution: the one that has it.
        message: one line that names files and versions.
        fix: a command, or another thing to do; empty for a note.
    """

    severity: str
    id: str
    distribution: str
    message: str
    fix: str = ""


def report_to_authors(name: str) -> str:
    """Return the fix of what only another release can fix."""
    return f"report this to the authors of {name}; only a new release can fix it"


def libraries_of(environment: Environment) -> Iterator[tuple[Wheel, Library]]:
    """Yield each provider's libraries."""
    for provider in environment.providers:
        for manifest in provider.manifests:
            for library in manifest.libraries:
                yield provider, library


@lru_cache
def binary_of(file: str) -> Binary | None:
    """Read an installed binary; return None if that cannot be done."""
    try:
        return next(iter(read_binary(file, Path(file).read_bytes())), None)
    except (OSError, CorruptBinaryError):
        return None


def is_same_file(file: str, other: str | Path) -> bool:
    """Tell whether two paths lead to the same file."""
    try:
        return Path(file).samefile(other)
    except OSError:
        return False
