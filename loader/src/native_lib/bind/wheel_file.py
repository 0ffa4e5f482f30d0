"""Write a wheel that differs from another in a few files."""

from __future__ import annotations

import base64
import copy
import csv
import hashlib
import io
import os
import shutil
import struct
import tempfile
import zipfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from native_lib.bind import BindError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_LOCAL_HEADER = 30  # bytes before the name; its last two numbers are the lengths of name and extra
_HAS_DESCRIPTOR = 0x08


def rewrite(source: Path, output: Path, files: Mapping[str, bytes], model: str) -> None:
    """Copy a wheel with some files changed or added.

    What does not change is copied as it is compressed, in its order. The output has the same bytes
    whenever the input has.

    Args:
        source: the wheel.
        output: the new one; it appears when it is whole, and may be the source.
        files: what is new in it, by path. RECORD is among them.
        model: a file of the wheel, whose time and mode the added ones get.
    """
    with replacing(output) as new:
        if not files:
            shutil.copyfile(source, new)
            return
        with (
            source.open("rb") as raw,
            zipfile.ZipFile(raw) as old,
            zipfile.ZipFile(new, "w") as out,
        ):
            out.comment = old.comment
            added = [path for path in files if path not in old.NameToInfo]
            for member in old.infolist():
                # Metadata stands at the end, as the specification recommends.
                if ".dist-info/" in member.filename:
                    _add(out, old.getinfo(model), added, files)
                    added = []
                if member.filename in files:
                    _add(out, member, [member.filename], files)
                else:
                    _copy(raw, member, out)


@contextmanager
def replacing(output: Path) -> Iterator[Path]:
    """Give a file to write, which takes the place of the output when all went well.

    Raises:
        BindError: the output cannot be written.
    """
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".", suffix=".part", dir=output.parent)
        os.close(handle)
        try:
            yield Path(name)
            Path(name).chmod(0o666 & ~_umask())  # mkstemp's files are private
            Path(name).replace(output)
        finally:
            Path(name).unlink(missing_ok=True)
    except OSError as error:
        raise BindError(f"{output} cannot be written: {error.strerror}: {error.filename}") from None


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _add(
    out: zipfile.ZipFile, like: zipfile.ZipInfo, paths: list[str], files: Mapping[str, bytes]
) -> None:
    for path in paths:
        member = zipfile.ZipInfo(path, like.date_time)
        member.external_attr, member.create_system = like.external_attr, like.create_system
        member.compress_type = zipfile.ZIP_DEFLATED
        out.writestr(member, files[path])


def _copy(raw: io.BufferedReader, member: zipfile.ZipInfo, out: zipfile.ZipFile) -> None:
    """Copy a member without unpacking it. zipfile has no function for that."""
    raw.seek(member.header_offset)
    name, extra = struct.unpack("<HH", raw.read(_LOCAL_HEADER)[-4:])
    raw.seek(name + extra, os.SEEK_CUR)
    content = raw.read(member.compress_size)
    copied = copy.copy(member)
    # Sizes stand in front of the data now, not behind it.
    copied.flag_bits &= ~_HAS_DESCRIPTOR
    assert out.fp is not None
    copied.header_offset = out.fp.tell()
    out.fp.write(copied.FileHeader())
    out.fp.write(content)
    out.start_dir = out.fp.tell()
    out.filelist.append(copied)
    out.NameToInfo[copied.filename] = copied


def record(old: bytes, files: Mapping[str, bytes]) -> bytes:
    """Return RECORD for changed and added files: lines of others stay as they are.

    Args:
        old: RECORD as it was.
        files: the contents by path.
    """
    left, lines = dict(files), []
    for line in old.decode("utf-8").splitlines(keepends=True):
        path = next(iter(next(csv.reader([line]), [])), "")
        lines.append(_line(path, left.pop(path)) if path in left else line)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    return "".join([*lines, *(_line(path, content) for path, content in left.items())]).encode()


def _line(path: str, content: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow([path, f"sha256={digest}", len(content)])
    return text.getvalue()
