"""What a wheel's RECORD and WHEEL say, and whether its archive is so."""

from __future__ import annotations

import base64
import csv
import hashlib
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from email.parser import BytesHeaderParser
from typing import TYPE_CHECKING

from packaging.tags import parse_tag

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from packaging.tags import Tag

# Those that the specification admits, and hashlib has on every system.
_ALGORITHMS = ("sha256", "sha384", "sha512")
# RECORD cannot have its own hash, and its signatures are made after it.
_UNRECORDED = ("RECORD", "RECORD.jws", "RECORD.p7s")


@dataclass(frozen=True)
class Line:
    """What RECORD says of a file; texts are empty where it says nothing."""

    algorithm: str
    digest: str
    size: str

    def hasher(self) -> hashlib._Hash | None:
        """Return what makes this kind of digest, if this is a digest that installers accept."""
        return hashlib.new(self.algorithm) if self.algorithm in _ALGORITHMS else None


@dataclass(frozen=True)
class Packing:
    """How a wheel is packed, and what is wrong with that."""

    info: str  # the folder *.dist-info
    lacks: tuple[str, ...] = ()  # of RECORD and WHEEL
    unrecorded: tuple[str, ...] = ()  # files that RECORD does not name
    absent: tuple[str, ...] = ()  # files that only RECORD names
    altered: tuple[str, ...] = ()  # files that have another hash or size than RECORD says
    twice: tuple[str, ...] = ()  # names that several members have
    tags: frozenset[Tag | str] = frozenset()  # of WHEEL; text where it is no tag


def record_of(content: bytes) -> dict[str, Line]:
    """Read RECORD; what is no line of it, or names a folder, is left out."""
    lines = {}
    for path, said, size, *_ in _rows(content.decode("utf-8", "backslashreplace")):
        algorithm, _, digest = said.partition("=")
        # Tools on Windows have written their own separators.
        lines[path.replace("\\", "/")] = Line(algorithm.lower(), digest, size)
    return lines


def _rows(text: str) -> Iterator[list[str]]:
    with suppress(csv.Error):  # of a field without an end; what follows is not in RECORD then
        yield from (
            row for row in csv.reader(text.splitlines()) if len(row) > 2 and row[0][-1:] != "/"
        )


def is_so(line: Line, digest: bytes, size: int) -> bool:
    """Tell whether a file is as RECORD says.

    Args:
        line: what it says.
        digest: of the file, by the line's algorithm.
        size: of the file.
    """
    said = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    # Some tools write hexadecimal digits, which no installer minds.
    is_same = line.digest.rstrip("=") == said or line.digest.lower() == digest.hex()
    return is_same and line.size in ("", str(size))


def packing_of(
    info: str,
    names: Iterable[str],
    record: Mapping[str, Line] | None,
    altered: Iterable[str],
    wheel: bytes | None,
) -> Packing:
    """Return how a wheel is packed.

    Args:
        info: its folder *.dist-info.
        names: its files, as often as they are in the archive.
        record: what RECORD says; None if there is none.
        altered: files that are not as it says.
        wheel: the file WHEEL, if there is one.
    """
    there = Counter(names)
    unhashed = {f"{info}/{name}" for name in _UNRECORDED}
    said = {} if record is None else record
    values = BytesHeaderParser().parsebytes(wheel or b"")
    lacks = {"RECORD": record is None, "WHEEL": wheel is None}
    return Packing(
        info,
        lacks=tuple(name for name, is_lacking in lacks.items() if is_lacking),
        unrecorded=()
        if record is None
        else tuple(n for n in there if n not in said and n not in unhashed),
        absent=tuple(name for name in said if name not in there and name not in unhashed),
        altered=tuple(altered),
        twice=tuple(name for name, times in there.items() if times > 1),
        tags=frozenset(tag for line in values.get_all("Tag", []) for tag in _tags(str(line))),
    )


def _tags(line: str) -> Iterable[Tag | str]:
    try:
        return parse_tag(line.strip())
    except ValueError:
        return [line]
