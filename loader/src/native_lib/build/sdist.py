"""Say in an sdist that a wheel made from it has other dependencies."""

from __future__ import annotations

import gzip
import io
import re
import struct
import tarfile
from typing import TYPE_CHECKING

from native_lib.bind.wheel_file import replacing

if TYPE_CHECKING:
    from pathlib import Path


def with_dynamic(sdist: Path, output: Path) -> None:
    """Write an sdist whose PKG-INFO says ``Dynamic: Requires-Dist``; nothing else changes.

    Args:
        sdist: the archive, a .tar.gz.
        output: the new one.
    """
    # As the back end has it: SOURCE_DATE_EPOCH, or the present time.
    (written,) = struct.unpack_from("<4xI", sdist.read_bytes()[:10])
    with (
        replacing(output) as new,
        tarfile.open(sdist, "r:gz") as old,
        new.open("wb") as raw,
        gzip.GzipFile("", "wb", fileobj=raw, mtime=written) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as out,
    ):
        for member in old:
            content = old.extractfile(member) if member.isreg() else None
            if content and re.fullmatch(r"[^/]+/PKG-INFO", member.name):
                text = dynamic(content.read())
                member.size = len(text)
                content = io.BytesIO(text)
            out.addfile(member, content)


def dynamic(metadata: bytes) -> bytes:
    """Return PKG-INFO with ``Dynamic: Requires-Dist``, which needs Metadata-Version 2.2."""
    head = re.split(rb"\r?\n\r?\n", metadata, maxsplit=1)[0]
    if not re.search(rb"(?im)^dynamic:\s*requires-dist\s*$", head):
        first = re.compile(rb"(?im)^metadata-version:[^\r\n]*(\r?\n|\Z)")
        metadata = first.sub(rb"\g<0>Dynamic: Requires-Dist\1", metadata, count=1)
    old = re.compile(rb"(?im)^(metadata-version:\s*)(?:1\.\d|2\.[01])(?=\s*$)")
    return old.sub(rb"\g<1>2.2", metadata, count=1)
