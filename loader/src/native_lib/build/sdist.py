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
                content = io.BytesIO(text)  # type: ignore[assignment]
            out.addfile(member, content)


def dynamic(metadata: bytes) -> bytes:
    """Return PKG-INFO with ``Dynamic: Requires-Dist``, which needs Metadata-Version 2.2."""
    head, blank, body = metadata.partition(b"\n\n")
    if not re.search(rb"(?im)^dynamic:\s*requires-dist\s*$", head):
        head = head.rstrip(b"\n") + b"\nDynamic: Requires-Dist"
    head = re.sub(
        rb"(?im)^(metadata-version:\s*)(?:1\.\d|2\.[01])(?=\s*$)", rb"\g<1>2.2", head, count=1
    )
    return head + (blank or b"\n") + body
