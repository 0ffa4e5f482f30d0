"""Read of an sdist what its rule asks."""

from __future__ import annotations

import tarfile
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from native_lib.check.bombs import MAX_FILE, MAX_FILES, MAX_RATIO, MAX_TOTAL
from native_lib.check.wheel import UnusableError

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Sdist:
    """The files of an sdist, without its one top folder."""

    path: Path
    files: frozenset[str]


def read_sdist(path: Path) -> Sdist:
    """Read an sdist's list of files.

    Args:
        path: its file.

    Returns:
        What is in it.

    Raises:
        UnusableError: it is no sdist, or none that is safe to read.
    """
    files: set[str] = set()
    total = 0
    try:
        limit = max(MAX_TOTAL, MAX_RATIO * path.stat().st_size)
        # As a stream: an index of an archive without end would need memory without end.
        with tarfile.open(path, "r|gz") as archive:
            for number, member in enumerate(archive):
                total += member.size
                if member.size > MAX_FILE or total > limit or number > MAX_FILES:
                    raise UnusableError(f"archive bomb: {member.name!r}")
                if member.isfile():
                    files.add(member.name.partition("/")[2])
    except (OSError, tarfile.TarError, zlib.error, EOFError, ValueError) as error:
        raise UnusableError(f"cannot be read: {error}") from error
    return Sdist(path, frozenset(files))
