"""Read the list of files of an sdist."""

from __future__ import annotations

import tarfile
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from native_lib.check.bombs import MAX_FILE, MAX_FILES, MAX_RATIO, MAX_TOTAL
from native_lib.check.wheel import UnusableError

if TYPE_CHECKING:
    from pathlib import Path


# tarfile reads these headers as a whole and keeps them; real ones have a path or two.
_MAX_HEADER = 1 << 16
# Members whose content tarfile skips, or that have none.
_UNREAD = (
    *(tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE),
    *(tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.DIRTYPE),
)


@dataclass(frozen=True)
class Sdist:
    """The files of an sdist, without its one top folder."""

    path: Path
    files: frozenset[str]


class _Member(tarfile.TarInfo):
    """A member of an archive; refuses what would fill the memory."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> _Member:
        member = super().frombuf(buf, encoding, errors)
        if member.type not in _UNREAD and member.size > _MAX_HEADER:
            raise UnusableError(f"archive bomb: a header of {member.size} bytes")
        if member.type == tarfile.GNUTYPE_SPARSE:
            cls._proc_gnusparse_10()
        return member

    @staticmethod
    def _proc_gnusparse_10(*_: object) -> NoReturn:
        """Refuse a sparse file, whose list of parts may never end; tarfile calls this for one."""
        raise UnusableError("archive bomb: a sparse file")


def read_sdist(path: Path) -> Sdist:
    """Read an sdist's list of files.

    Args:
        path: its file.

    Returns:
        What is in it.

    Raises:
        UnusableError: it is not an sdist, or is not safe to read.
    """
    files: set[str] = set()
    try:
        limit = max(MAX_TOTAL, MAX_RATIO * path.stat().st_size)
        # As a stream, without an index: the archive may never end.
        with tarfile.open(path, "r|gz", tarinfo=_Member) as archive:
            for number, member in enumerate(archive):
                archive.members, archive.pax_headers = [], {}  # type: ignore[attr-defined]
                end = member.offset_data + member.size
                if member.size > MAX_FILE or end > limit or number > MAX_FILES:
                    raise UnusableError(f"archive bomb: {member.name!r}")
                if member.isfile():
                    files.add(member.name.partition("/")[2])
    # tarfile recurses for chains of headers.
    except (OSError, tarfile.TarError, zlib.error, EOFError, ValueError, RecursionError) as error:
        raise UnusableError(f"cannot be read: {error}") from error
    return Sdist(path, frozenset(files))
